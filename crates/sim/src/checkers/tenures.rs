//! Tenure: `max(stored + 1, now in ms)`, greater than the process's last, and committed before
//! the first delivery.

use forebay_core::{Output, Tenure};

use super::{Checker, Fact};
use crate::model::{Model, Term};

pub(super) struct TenuresGrow;

impl Checker for TenuresGrow {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Wants { process, output, .. } = fact else { return Ok(()) };
        match output {
            Output::Commit { partition, state, .. } => {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                grows(term, state.tenure)
            }
            Output::Deliver(delivery) => {
                let Some(term) = model.term(*process, delivery.id.partition) else {
                    return Ok(());
                };
                match term.claimed && term.tenure == delivery.id.tenure {
                    true => Ok(()),
                    false => Err(format!("{} goes out before its tenure is stored", delivery.id)),
                }
            }
            Output::Fetch { .. }
            | Output::DeadLetter(_)
            | Output::Park(_)
            | Output::Check { .. }
            | Output::Released { .. } => Ok(()),
        }
    }
}

fn grows(term: &Term, tenure: Tenure) -> Result<(), String> {
    match tenure == term.tenure {
        true => Ok(()),
        false => Err(format!("{tenure:?} instead of {:?}, {:?}", term.tenure, term.opening)),
    }
}
