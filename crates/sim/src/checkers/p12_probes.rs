//! P12: an endpoint at fault is probed no faster than the interval, and a target fault costs a
//! record no attempt.

use forebay_core::{Output, View};

use super::{Checker, Fact, micros};
use crate::model::Model;

pub(super) struct BrokenTargetsAreProbed;

impl Checker for BrokenTargetsAreProbed {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Deliver(delivery), .. } => {
                let Some(health) = model.offices[*process].endpoints.get(&delivery.endpoint) else {
                    return Err(format!("endpoint {} is not listed", delivery.endpoint.0));
                };
                let Some(fault_at) = health.fault_at else { return Ok(()) };
                let last = health.sent_at.map_or(fault_at, |sent_at| sent_at.max(fault_at));
                match model.now < last + micros(model.rules.probe_interval) {
                    true => Err(format!(
                        "endpoint {} is probed {} µs after the last",
                        delivery.endpoint.0,
                        model.now - last
                    )),
                    false => Ok(()),
                }
            }
            Fact::Answered { process, view, .. } => nothing_charged(*process, view, model),
            _ => Ok(()),
        }
    }
}

fn nothing_charged(process: usize, view: &View, model: &Model) -> Result<(), String> {
    for partition in &view.partitions {
        let Some(blocked) = &partition.blocked else { continue };
        let Some(term) = model.term(process, partition.partition) else { continue };
        let Some(index) = term.index(blocked.offset.0) else { continue };
        let failures = term.entries[index].failures;
        if blocked.charged > failures {
            return Err(format!(
                "offset {} is charged {} failures and had {failures}",
                blocked.offset.0, blocked.charged
            ));
        }
    }
    Ok(())
}
