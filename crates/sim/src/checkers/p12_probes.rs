//! P12: an endpoint at fault is probed no faster than the interval, and so is a target that fails
//! most of what it gets; nothing at all goes out where an operator has to act first. A target fault
//! costs a record no attempt, nor does back-pressure, but for the sixth in a row.

use forebay_core::{EndpointId, Output};

use super::blame::DECLINED_FREE;
use super::{Checker, Fact, micros};
use crate::model::journal::declines;
use crate::model::{Judgement, Model};

pub(super) struct BrokenTargetsAreProbed;

impl Checker for BrokenTargetsAreProbed {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Deliver(delivery), .. } => {
                target_is_spared(*process, model)?;
                endpoint_is_spared(*process, delivery.endpoint, model)
            }
            Fact::Judged { judgement, .. } => nothing_is_charged(judgement, model),
            _ => Ok(()),
        }
    }
}

fn target_is_spared(process: usize, model: &Model) -> Result<(), String> {
    let office = &model.offices[process];
    if office.paused || office.overdrawn {
        return Err("something is sent before an operator resumed it".to_owned());
    }
    let since = model.now - office.probed_at;
    match office.journal.held() && since < micros(model.rules.probe_interval) {
        true => Err(format!("the target at fault is probed {since} µs after the last")),
        false => Ok(()),
    }
}

fn endpoint_is_spared(process: usize, id: EndpointId, model: &Model) -> Result<(), String> {
    let Some(health) = model.offices[process].endpoints.get(&id) else {
        return Err(format!("endpoint {} is not listed", id.0));
    };
    let Some(fault_at) = health.fault_at else { return Ok(()) };
    let last = health.sent_at.map_or(fault_at, |sent_at| sent_at.max(fault_at));
    match model.now < last + micros(model.rules.probe_interval) {
        true => Err(format!("endpoint {} is probed {} µs after the last", id.0, model.now - last)),
        false => Ok(()),
    }
}

fn nothing_is_charged(judgement: &Judgement, model: &Model) -> Result<(), String> {
    let entry = &model.terms[judgement.term].entries[judgement.index];
    let Some(trip) = entry.trips.last() else { return Ok(()) };
    let declined = entry.declined();
    match judgement.charged.is_some() && declines(trip.verdict) && declined <= DECLINED_FREE {
        true => Err(format!(
            "offset {} is charged {:?}, the {declined}. in a row",
            entry.offset, trip.verdict
        )),
        false => Ok(()),
    }
}
