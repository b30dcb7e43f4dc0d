//! P4: every delivery ends, by an answer or at its deadline; then its slot is free.

use forebay_core::{Instant, Output};

use super::{Checker, Fact, micros};
use crate::model::Model;

pub(super) struct DeliveriesEnd;

impl Checker for DeliveriesEnd {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { output: Output::Deliver(delivery), .. } => {
                let deadline = model.now + micros(model.rules.deadline);
                match delivery.deadline == Instant::from_micros(deadline) {
                    true => Ok(()),
                    false => Err(format!("{} ends at {:?}", delivery.id, delivery.deadline)),
                }
            }
            Fact::Idle { process, wakeup, view, .. } => {
                let out = model.offices[*process].flights;
                if view.in_flight != out {
                    return Err(format!(
                        "{out} deliveries are out, {} are counted",
                        view.in_flight
                    ));
                }
                let flights = model.terms_of(*process).flat_map(|term| &term.entries);
                let first = flights.filter_map(|entry| entry.flight).map(|out| out.deadline).min();
                let first = first.map(Instant::from_micros);
                match (first, wakeup) {
                    (Some(first), Some(wakeup)) if *wakeup <= first => Ok(()),
                    (None, _) => Ok(()),
                    (Some(first), _) => {
                        Err(format!("sleeps until {wakeup:?} over the deadline {first:?}"))
                    }
                }
            }
            _ => Ok(()),
        }
    }
}
