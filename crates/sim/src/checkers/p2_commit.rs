//! P2: the commit point never passes an unsettled record, by the model's own books of answers
//! and by the services' own journal of what they finished. Where records are committed before they
//! are settled, it never passes one that was not handed over.

use forebay_core::{Guarantee, Output};

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct NothingUnsettledIsPassed;

impl Checker for NothingUnsettledIsPassed {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Commit { partition, point, .. }, .. } => {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                let furthest = match model.rules.guarantee {
                    Guarantee::AtLeastOnce => term.furthest(),
                    Guarantee::AtMostOnce | Guarantee::Automatic => term.handed_end(),
                };
                if *point > furthest {
                    return Err(format!(
                        "partition {} commits {}, and {} is not settled",
                        partition.0, point.0, furthest.0
                    ));
                }
                Ok(())
            }
            Fact::Stored { partition, records_below, .. }
                if model.rules.guarantee == Guarantee::AtLeastOnce =>
            {
                let of = |records: &[Vec<bool>]| records[partition.0 as usize].clone();
                let mut done = of(&model.done).into_iter().zip(of(&model.copied));
                let mut below = done.by_ref().take(*records_below);
                match below.position(|(done, copied)| !done && !copied) {
                    Some(index) => Err(format!(
                        "Kafka holds partition {} as done beyond record {index}, which no service \
                         has accepted, and which is not parked",
                        partition.0
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
