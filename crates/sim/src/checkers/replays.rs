//! What replays after a crash: what is in flight, what was settled since the last commit could
//! leave, and no more beyond an unsettled record than the window holds.

use forebay_core::Instant;

use super::{Checker, Fact};
use crate::model::{Model, Term};

pub(super) struct LittleReplays;

impl Checker for LittleReplays {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Idle { process, wakeup, .. } = fact else { return Ok(()) };
        for term in model.terms_of(*process) {
            commit_leaves_in_time(term, *wakeup, model)?;
            let window = term.entries.len() - term.prefix;
            if window > model.rules.window_max {
                return Err(format!(
                    "{window} records lie beyond the commit point of partition {}",
                    term.partition.0
                ));
            }
        }
        Ok(())
    }
}

/// Nothing left to poll, so what may be committed is under way, or has its wake-up.
fn commit_leaves_in_time(
    term: &Term,
    wakeup: Option<Instant>,
    model: &Model,
) -> Result<(), String> {
    let point = term.due_point(model.rules.guarantee);
    let unsaved = !term.claimed || point > term.commits.acknowledged;
    if !unsaved || term.commits.out.is_some() {
        return Ok(());
    }
    let due = Instant::from_micros(term.commits.free_at);
    if due <= Instant::from_micros(model.now) || wakeup.is_none_or(|wakeup| wakeup > due) {
        return Err(format!(
            "partition {} may commit up to {}, committed {}, and may commit at {due:?}",
            term.partition.0, point.0, term.commits.acknowledged.0
        ));
    }
    Ok(())
}
