//! P12: an endpoint at fault is probed no faster than the interval, and so is a target that fails
//! most of what it gets, with what was never tried first; nothing at all goes out where an operator
//! has to act first. A target fault costs a record no attempt, nor does back-pressure, but for the
//! sixth in a row.

use forebay_core::{DeliveryId, EndpointId, Guarantee, Output, View};

use super::blame::DECLINED_FREE;
use super::{Checker, Fact, micros};
use crate::model::journal::declines;
use crate::model::{Fate, Judgement, Model};

pub(super) struct BrokenTargetsAreProbed;

impl Checker for BrokenTargetsAreProbed {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Deliver(delivery), view } => {
                target_is_spared(*process, model)?;
                untried_lanes_go_first(*process, delivery.id, view, model)?;
                endpoint_is_spared(*process, delivery.endpoint, model)
            }
            Fact::Judged { process, judgement } => {
                nothing_is_charged(judgement, model)?;
                keys_are_parked_for_their_own_fault(*process, judgement, model)
            }
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

/// A target at fault is tried with what it never got, if there is any.
fn untried_lanes_go_first(
    process: usize,
    id: DeliveryId,
    view: &View,
    model: &Model,
) -> Result<(), String> {
    let again = |entry: &crate::model::Entry| id.number > entry.past + 1;
    let term = model.term(process, id.partition);
    let entry = term.and_then(|term| Some(&term.entries[term.index(id.offset.0)?]));
    if !entry.is_some_and(again) || !model.offices[process].journal.held() {
        return Ok(());
    }
    let once = model.rules.guarantee == Guarantee::AtMostOnce;
    let mut terms = model.terms_of(process).filter(|term| {
        // Where once is the most, what is committed goes out of a revoked partition as well.
        term.claimed && (once || term.revoked_at.is_none())
    });
    let untried = terms.find_map(|term| {
        let of = view.partitions.iter().find(|of| of.partition == term.partition);
        let withheld = of.map_or(0, |of| of.withheld);
        let unsettled = term.entries[term.prefix..].iter().filter(|entry| !entry.settled);
        let entered = unsettled.clone().count() - withheld;
        let open = unsettled.take(entered);
        // What is parked, or may be, does not go to the service.
        let stays = |entry: &&crate::model::Entry| {
            entry.lane.is_none_or(|lane| !term.named.contains_key(&lane))
        };
        let mut fresh = open.filter(|entry| entry.deliveries == entry.past).filter(stays);
        fresh.find(|entry| {
            let head = entry.lane.and_then(|lane| term.head(lane));
            head.is_none_or(|head| head.offset == entry.offset)
        })
    });
    match untried {
        Some(entry) => Err(format!("{id} goes before offset {}, never tried", entry.offset)),
        None => Ok(()),
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

/// A target at fault parks nothing, nor does a failure that is not the record's own, or is young.
fn keys_are_parked_for_their_own_fault(
    process: usize,
    judgement: &Judgement,
    model: &Model,
) -> Result<(), String> {
    let entry = &model.terms[judgement.term].entries[judgement.index];
    let begins = judgement.fate == Some(Fate::Parked);
    let (true, Some(first)) = (begins, entry.trips.first()) else { return Ok(()) };
    let own = judgement.charged.is_some() || entry.judged == entry.trips.len();
    let long =
        model.rules.park_after.is_some_and(|after| model.now >= first.answered + micros(after));
    // At any moment since the core was looked at last.
    let office = &model.offices[process];
    let mut counts = office.known..=office.journal.heard.len();
    let held = |count: usize| count > 0 && office.journal.heard[count - 1].held;
    match own && long && !counts.all(held) {
        true => Ok(()),
        false => Err(format!("offset {} is parked: {entry:?}", entry.offset)),
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
