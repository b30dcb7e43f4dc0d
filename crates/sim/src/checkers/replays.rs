//! What replays after a crash: what is in flight, and what was settled since the last commit could
//! leave. What a stored commit says to be settled is not sent again, all of it is said there, and
//! no more is read beyond an unsettled record than the window and the completion map hold. What an
//! operator had read again is told apart in every tenure.

use forebay_core::{CommitPoint, Completion, Guarantee, Instant, Offset, Output, Rewinds};

use super::{Checker, Fact};
use crate::model::{Model, Term};

pub(super) struct LittleReplays;

impl Checker for LittleReplays {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let (process, wakeup) = match fact {
            Fact::Idle { process, wakeup, .. } => (process, wakeup),
            Fact::Wants { process, output: Output::Commit { partition, point, state }, .. }
                if model.rules.guarantee == Guarantee::AtLeastOnce =>
            {
                let Some(term) = model.term(*process, *partition) else { return Ok(()) };
                if state.rewinds != term.opening.rewinds() {
                    return Err(format!("{:?} is stored of rewinds", state.rewinds));
                }
                return all_is_said(term, *point, &state.completion, model);
            }
            Fact::Wants { process, output: Output::Deliver(delivery), .. } => {
                let Some(term) = model.term(*process, delivery.id.partition) else {
                    return Ok(());
                };
                if term.opening.is_settled(delivery.id.offset) {
                    return Err(format!("{} goes out again, and was settled", delivery.id));
                }
                let Rewinds { count, until } = term.opening.rewinds();
                let replay = if delivery.id.offset.0 < until.0 { count } else { 0 };
                return match delivery.replay == replay {
                    true => Ok(()),
                    false => {
                        Err(format!("{} is said to be replay {}", delivery.id, delivery.replay))
                    }
                };
            }
            _ => return Ok(()),
        };
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

/// The map says what was settled beyond the commit point, here and before, and has room for it.
fn all_is_said(
    term: &Term,
    point: CommitPoint,
    map: &Completion,
    model: &Model,
) -> Result<(), String> {
    let settled = term.entries[term.prefix..].iter().filter(|entry| entry.settled);
    let settled = settled.map(|entry| entry.offset);
    let read = term.handed_end();
    let unread =
        (read.0..term.opening.known_end()).filter(|at| term.opening.is_settled(Offset(*at)));
    let mut unsaid = settled.chain(unread).filter(|at| *at >= point.0);
    if let Some(offset) = unsaid.find(|offset| !map.is_settled(Offset(*offset))) {
        return Err(format!("the map of {point:?} does not say that {offset} is settled: {map:?}"));
    }
    match map.weight() > model.rules.map_max {
        true => Err(format!("a map weighs {} of {}", map.weight(), model.rules.map_max)),
        false => Ok(()),
    }
}

/// Nothing left to poll, so what may be committed is under way, or has its wake-up.
fn commit_leaves_in_time(
    term: &Term,
    wakeup: Option<Instant>,
    model: &Model,
) -> Result<(), String> {
    let point = term.due_point(model.rules.guarantee);
    let news = term.commits.news && model.rules.guarantee == Guarantee::AtLeastOnce;
    let unsaved = !term.claimed || point > term.commits.acknowledged || news;
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
