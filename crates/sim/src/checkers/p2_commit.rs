//! P2: the commit point never passes an unsettled record, by the model's own books of answers
//! and by the services' own journal of what they finished. Where records are committed before they
//! are settled, it never passes one that was not handed over.

use forebay_core::{Guarantee, Offset, Output};

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct NothingUnsettledIsPassed;

impl Checker for NothingUnsettledIsPassed {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Commit { partition, point, state }, .. } => {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                let open = term.entries[term.prefix..].iter().filter(|entry| !entry.settled);
                let open = open.map(|entry| Offset(entry.offset));
                let mut open = open.filter(|offset| offset.0 >= point.0);
                if let Some(offset) = open.find(|offset| state.completion.is_settled(*offset)) {
                    return Err(format!("the map of {point:?} says that {offset:?} is settled"));
                }
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
            Fact::Stored { partition, records_below, settled_beyond }
                if model.rules.guarantee == Guarantee::AtLeastOnce =>
            {
                let of = |records: &[Vec<bool>]| records[partition.0 as usize].clone();
                let mut done = of(&model.done).into_iter().zip(of(&model.copied));
                let is_open = |(done, copied): (bool, bool)| !done && !copied;
                let all: Vec<bool> = done.by_ref().map(is_open).collect();
                let mut said = (0..*records_below).chain(settled_beyond.iter().copied());
                match said.find(|record| all[*record]) {
                    Some(index) => Err(format!(
                        "Kafka holds record {index} of partition {} as done, which no service has \
                         accepted, and which is not parked",
                        partition.0
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
