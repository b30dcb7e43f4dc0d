//! P1: within a tenure a key has at most one record at work at the service, oldest first, also
//! where nobody knows any more what the service does; and what is accepted ascends.

use std::collections::BTreeMap;

use forebay_core::{Output, Verdict};

use super::{Checker, Fact};
use crate::model::{Model, Reading, TermId};

#[derive(Default)]
pub(super) struct OneOfAKeyOldestFirst {
    /// The last accepted offset of each lane.
    accepted: BTreeMap<(TermId, u64), i64>,
}

impl Checker for OneOfAKeyOldestFirst {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Deliver(delivery), .. } => {
                let Some(term) = model.term(*process, delivery.id.partition) else { return Ok(()) };
                let entry = term.index(delivery.id.offset.0).map(|index| &term.entries[index]);
                let Some(entry) = entry else {
                    return Err(format!("{} was never handed over", delivery.id));
                };
                if entry.settled || entry.flight.is_some() {
                    return Err(format!("{} is settled or out already", delivery.id));
                }
                let head = entry.lane.and_then(|lane| term.head(lane));
                match head {
                    Some(head) if head.offset != entry.offset => Err(format!(
                        "{} passes offset {} of the same key, which is not settled",
                        delivery.id, head.offset
                    )),
                    _ => Ok(()),
                }
            }
            Fact::WorkBegins { work, going_on } => {
                let same = |other: &&crate::service::Work| {
                    other.term == work.term && other.lane == work.lane && other.ends > model.now
                };
                match going_on.iter().find(same).filter(|_| work.lane.is_some()) {
                    Some(other) => Err(format!(
                        "{} reaches a service that works on {} of the same key until {} µs",
                        work.id, other.id, other.ends
                    )),
                    None => Ok(()),
                }
            }
            Fact::Answered { process, id, answer, reading: Reading::Counts, .. }
                if answer.verdict == Verdict::Accept =>
            {
                let Some(term) = model.term(*process, id.partition) else { return Ok(()) };
                let lane = term.index(id.offset.0).and_then(|index| term.entries[index].lane);
                let Some(lane) = lane else { return Ok(()) };
                match self.accepted.insert((term.id, lane), id.offset.0) {
                    Some(last) if last >= id.offset.0 => {
                        Err(format!("{id} is accepted after offset {last} of the same key"))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
