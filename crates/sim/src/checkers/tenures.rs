//! Tenure: `max(stored + 1, now in ms)`, greater than the process's last, and committed before
//! the first delivery. Nothing is sent later than the session after the last commit that Kafka
//! acknowledged was sent, and one is sent in time though there is nothing else to commit.

use forebay_core::{Instant, Output, Tenure};

use super::{Checker, Fact, micros};
use crate::model::{Model, Term};

pub(super) struct TenuresGrow;

impl Checker for TenuresGrow {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let (process, output) = match fact {
            Fact::Wants { process, output, .. } => (process, output),
            Fact::Idle { process, wakeup, .. } => {
                let mut terms = model.terms_of(*process);
                return terms.try_for_each(|term| is_renewed(term, *wakeup, model));
            }
            _ => return Ok(()),
        };
        match output {
            Output::Commit { partition, state, .. } => {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                grows(term, state.tenure)
            }
            Output::Deliver(delivery) => {
                let Some(term) = model.term(*process, delivery.id.partition) else {
                    return Ok(());
                };
                let session = micros(model.rules.session);
                if term.claimed && term.lease_from.is_none_or(|from| model.now >= from + session) {
                    return Err(format!("{} goes out after its session", delivery.id));
                }
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

/// Nothing left to poll, so a commit that keeps the partition is out, or has its wake-up.
fn is_renewed(term: &Term, wakeup: Option<Instant>, model: &Model) -> Result<(), String> {
    let Some(from) = term.lease_from else { return Ok(()) };
    if term.commits.out.is_some() || term.revoked_at.is_some() {
        return Ok(());
    }
    let due = (from + micros(model.rules.session / 2)).max(term.commits.free_at);
    match due <= model.now || wakeup.is_none_or(|wakeup| wakeup > Instant::from_micros(due)) {
        true => Err(format!("partition {} is not renewed at {due} µs", term.partition.0)),
        false => Ok(()),
    }
}

fn grows(term: &Term, tenure: Tenure) -> Result<(), String> {
    match tenure == term.tenure {
        true => Ok(()),
        false => Err(format!("{tenure:?} instead of {:?}, {:?}", term.tenure, term.opening)),
    }
}
