//! Attempts are counted on from one tenure to the next, for the oldest of the records that failed;
//! and a record that breaks its service each time is given up after its attempts, or little later.
//!
//! A break counts where the last that was heard of the record was that it broke the service, and that
//! had served others since: of a record that is all that is sent, nobody can know whether it is to
//! blame; and one that is refused meanwhile is not asked for what it did before.

use std::collections::BTreeMap;

use forebay_core::{DeliveryId, Guarantee, Output, PASTS_MAX, PartitionId};

use super::{Checker, Fact};
use crate::model::journal::declines;
use crate::model::{Model, Term, Trip};

#[derive(Default)]
pub(super) struct AttemptsAreKept {
    /// How often a record broke a service that had served others since it broke it last.
    breaks: BTreeMap<(PartitionId, usize), u32>,
}

impl Checker for AttemptsAreKept {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        if let Fact::Breaks { term, id } = fact {
            return self.breaks(&model.terms[*term], *id, model);
        }
        let Fact::Wants { process, output, .. } = fact else { return Ok(()) };
        match output {
            Output::Commit { partition, state, .. }
                if model.rules.guarantee == Guarantee::AtLeastOnce =>
            {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                let stored: Vec<_> =
                    state.pasts.iter().map(|(offset, past)| (offset.0, past.deliveries)).collect();
                let known = open_pasts(term);
                match stored == known {
                    true => Ok(()),
                    false => Err(format!("{stored:?} is stored of attempts, instead of {known:?}")),
                }
            }
            Output::Deliver(delivery) => {
                let Some(term) = model.term(*process, delivery.id.partition) else {
                    return Ok(());
                };
                let Some(index) = term.index(delivery.id.offset.0) else { return Ok(()) };
                let last = term.entries[index].deliveries;
                match delivery.id.number == last + 1 {
                    true => Ok(()),
                    false => Err(format!("{} follows delivery {last}", delivery.id)),
                }
            }
            _ => Ok(()),
        }
    }
}

impl AttemptsAreKept {
    fn breaks(&mut self, term: &Term, id: DeliveryId, model: &Model) -> Result<(), String> {
        let Some(index) = term.index(id.offset.0) else { return Ok(()) };
        let entry = &term.entries[index];
        let journal = &model.offices[term.process].journal;
        let lane = term.lane_of(index);
        let told = |last: &Trip| !declines(last.verdict) && journal.served_others(lane, last);
        let known = entry.trips.last().is_none_or(told);
        let Some(breakers) = model.breakers.filter(|_| known) else { return Ok(()) };
        let breaks = self.breaks.entry(model.origin(term.partition, entry.record)).or_default();
        *breaks += 1;
        // Each may refuse once what would have shown whose fault another's break was.
        match *breaks > model.rules.attempts + breakers {
            true => Err(format!("{id} breaks its service, the {breaks}. time: {entry:?}")),
            false => Ok(()),
        }
    }
}

fn open_pasts(term: &Term) -> Vec<(i64, u32)> {
    let inherited = term.opening.pasts();
    let known = |offset: i64| inherited.iter().any(|past| past.0.0 == offset);
    let entries = term.entries.iter().filter(|entry| !entry.settled);
    let entries = entries.filter(|entry| !entry.trips.is_empty() || known(entry.offset));
    let read = term.handed_end();
    let unread = inherited.iter().filter(|past| past.0.0 >= read.0);
    let all = entries.map(|entry| (entry.offset, entry.deliveries));
    all.chain(unread.map(|past| (past.0.0, past.1.deliveries))).take(PASTS_MAX).collect()
}
