//! Attempts are counted on from one tenure to the next, for the oldest of the records that failed.

use forebay_core::{Guarantee, Output, PASTS_MAX};

use super::{Checker, Fact};
use crate::model::{Model, Term};

pub(super) struct AttemptsAreKept;

impl Checker for AttemptsAreKept {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
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
