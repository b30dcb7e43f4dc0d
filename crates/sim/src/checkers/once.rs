//! Once: where once is the most, a record is committed before it is delivered, and is not sent again
//! unless it is certain that it was not processed, by any process.

use forebay_core::{Guarantee, Output, Verdict};

use super::{Checker, Fact};
use crate::model::Model;

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
