//! Once: where once is the most, a record is committed before it is delivered, and is not sent again
//! unless it is certain that it was not processed, by any process. What is committed and no service has
//! heard of when its partition is released is told, by number.

use forebay_core::{Guarantee, Output, Verdict};

use super::{Checker, Fact};
use crate::model::{Entry, Model};

pub(super) struct OnceIsTheMost;

impl Checker for OnceIsTheMost {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        if model.rules.guarantee != Guarantee::AtMostOnce {
            return Ok(());
        }
        match fact {
            Fact::Wants { process, output: Output::Deliver(delivery), .. } => {
                let Some(term) = model.term(*process, delivery.id.partition) else { return Ok(()) };
                let committed = term.commits.acknowledged;
                if delivery.id.offset.0 >= committed.0 {
                    return Err(format!("{} goes out before it is committed", delivery.id));
                }
                let taken = &model.chance_taken[delivery.id.partition.0 as usize];
                match taken[delivery.payload] {
                    true => Err(format!("{} may have been processed", delivery.id)),
                    false => Ok(()),
                }
            }
            Fact::Wants { process, output: Output::Released { partition, unsent }, .. } => {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                let taken = &model.chance_taken[partition.0 as usize];
                let left = |entry: &&Entry| {
                    let is_committed = entry.offset < term.commits.acknowledged.0;
                    is_committed && !entry.settled && entry.flight.is_none() && !taken[entry.record]
                };
                match term.entries.iter().filter(left).count() {
                    left if left == *unsent => Ok(()),
                    left => Err(format!("{left} records never go out, and {unsent} are told")),
                }
            }
            Fact::Judged { judgement, .. } => {
                let entry = &model.terms[judgement.term].entries[judgement.index];
                let trip = entry.trips.last().map(|trip| trip.verdict);
                match judgement.charged {
                    Some(_) if matches!(trip, Some(Verdict::Unknown(_))) => {
                        Err(format!("offset {} had its only chance, and is charged", entry.offset))
                    }
                    _ => Ok(()),
                }
            }
            Fact::Answered { process, view, .. } => {
                let (counted, were) =
                    (view.counts.abandoned, model.offices[*process].ends.abandoned);
                match counted == were {
                    true => Ok(()),
                    false => Err(format!("{counted} of {were} records had their only chance")),
                }
            }
            _ => Ok(()),
        }
    }
}
