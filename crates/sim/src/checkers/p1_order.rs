//! P1: a key has at most one record at work at the service, oldest first, also where nobody knows
//! any more what the service does, and, with a safe takeover, also when the tenure changes; within
//! a tenure, what is accepted ascends.

use std::collections::BTreeMap;

use forebay_core::{Output, Takeover, Verdict};

use super::{Checker, Fact};
use crate::model::{Model, Reading, TermId};
use crate::service::Work;

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
            Fact::Wants { process, output: Output::Park(park), .. } => {
                let Some(term) = model.term(*process, park.partition) else { return Ok(()) };
                let entry = term.index(park.offset.0).map(|index| &term.entries[index]);
                let Some(lane) = entry.and_then(|entry| entry.lane) else { return Ok(()) };
                match term.head(lane) {
                    _ if !term.named.contains_key(&lane) => {
                        Err(format!("{park:?} goes before Kafka knows that its key is parked"))
                    }
                    Some(head) if head.offset != park.offset.0 => {
                        Err(format!("{park:?} passes offset {} of the same key", head.offset))
                    }
                    _ => Ok(()),
                }
            }
            Fact::WorkBegins { work, going_on } => {
                across_topics(work, going_on, model)?;
                let waits = model.rules.takeover == Takeover::Safe && !model.waits_in_vain;
                let same = |other: &&Work| {
                    let partition = waits && other.id.partition == work.id.partition;
                    let of_it = other.term == work.term || partition;
                    of_it && other.lane == work.lane && other.ends > model.now
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

/// A key's order over the topic and its park topic, whoever reads them: nothing reaches a service
/// before the last record of its key has reached its end, nor while the other topic's is at work.
fn across_topics(work: &Work, going_on: &[Work], model: &Model) -> Result<(), String> {
    if model.parks.is_empty() {
        return Ok(());
    }
    let (partition, record) = model.origin(work.id.partition, work.record);
    let before = model.before[partition.0 as usize][record];
    if let Some(before) = before.filter(|before| !model.done[partition.0 as usize][*before]) {
        return Err(format!("{} reaches a service before record {before} of its key", work.id));
    }
    let Some(lane) = work.lane else { return Ok(()) };
    let at_once = going_on.iter().find(|other| {
        let from = model.origin(other.id.partition, other.record).0;
        other.lane == Some(lane)
            && from == partition
            && other.id.partition != work.id.partition
            && other.ends > model.now
            && !is_replay(work, other, model)
    });
    match at_once {
        Some(other) => Err(format!("{} reaches a service that works on {}", work.id, other.id)),
        None => Ok(()),
    }
}

/// Whether one of two that are at work at once is what a change of tenure leaves behind: work for
/// one that is over, or a copy that a former owner wrote after it had lost the partition.
fn is_replay(one: &Work, other: &Work, model: &Model) -> bool {
    let over = |work: &Work| model.terms[work.term].over || model.terms[work.term].lost;
    let late = |source: &Work, copy: &Work| {
        let copies = model.park(copy.id.partition);
        let copied = copies.map(|copies| copies[copy.record]);
        let term = &model.terms[source.term];
        copied.is_some_and(|copied| copied.tenure != term.tenure && copied.at >= term.since)
    };
    over(one) || over(other) || late(one, other) || late(other, one)
}
