//! P11: a revoked partition stops, waits for its answers until the drain deadline, commits them if
//! Kafka answers, and is released; after that, silence.

use forebay_core::{Guarantee, Output};

use super::{Checker, Fact, about, micros};
use crate::model::{Model, Term};

pub(super) struct RevokedDrains;

impl Checker for RevokedDrains {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output, .. } => {
                let Some(partition) = about(output) else { return Ok(()) };
                let Some(term) = model.term(*process, partition) else {
                    return Err(format!("partition {} is not ours: {output:?}", partition.0));
                };
                match (term.revoked_at, output) {
                    (Some(at), Output::Released { .. }) => released(term, at, model),
                    (None, Output::Released { .. }) => {
                        Err(format!("partition {} is released unasked", partition.0))
                    }
                    // What is committed and not delivered would be lost.
                    (Some(_), Output::Deliver(_))
                        if model.rules.guarantee == Guarantee::AtMostOnce =>
                    {
                        Ok(())
                    }
                    (Some(_), Output::Deliver(_) | Output::Fetch { .. } | Output::Park(_)) => {
                        Err(format!("partition {} is revoked: {output:?}", partition.0))
                    }
                    _ => Ok(()),
                }
            }
            Fact::Idle { process, .. } => {
                let patience = micros(model.rules.drain) + micros(model.rules.last_commit);
                let late =
                    |term: &&Term| term.revoked_at.is_some_and(|at| model.now >= at + patience);
                match model.terms_of(*process).find(late) {
                    Some(term) => Err(format!("partition {} is kept", term.partition.0)),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn released(term: &Term, revoked_at: u64, model: &Model) -> Result<(), String> {
    let deadline = revoked_at + micros(model.rules.drain);
    let leaves = |entry: &crate::model::Entry| entry.letter_out || entry.park_out;
    let letters = term.entries.iter().any(|entry| leaves(entry) && !entry.settled);
    let owed = model.rules.guarantee == Guarantee::AtMostOnce && owes(term);
    if (term.flights() > 0 || letters || owed) && model.now < deadline {
        return Err(format!("partition {} does not wait for its answers", term.partition.0));
    }
    let point = term.due_point(model.rules.guarantee);
    let unsaved = point > term.commits.acknowledged
        || term.commits.out.is_some()
        || (term.commits.news && model.rules.guarantee == Guarantee::AtLeastOnce);
    if unsaved && model.now < deadline + micros(model.rules.last_commit) {
        return Err(format!(
            "partition {} is released with {} committed of {}",
            term.partition.0, term.commits.acknowledged.0, point.0
        ));
    }
    Ok(())
}

/// Whether something that is committed is not settled.
fn owes(term: &Term) -> bool {
    let committed = term.entries.iter().filter(|entry| entry.offset < term.commits.acknowledged.0);
    committed.into_iter().any(|entry| !entry.settled)
}
