//! Blame: a failure is charged to its record once, where the service said so or what came after it
//! shows that the target is well, and only there; a target that fails most of what it gets is held; and
//! what is given up by rule keeps its budget.

use forebay_core::{BlockedState, Guarantee, Stuck};

use super::{Checker, Fact};
use crate::model::journal::{declines, said};
use crate::model::{Fate, Judgement, Model, Reading};

const MINUTES: u64 = 60_000_000;
/// The core counts in steps of so much.
const STEP: u64 = 10_000_000;
const ACCEPTED_FOR_ONE: usize = 100;
/// Back-pressure and target faults in a row that are never the record's own.
pub(super) const DECLINED_FREE: usize = 5;

pub(super) struct ChargesAreEarned;

impl Checker for ChargesAreEarned {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Judged { process, judgement } => {
                charge(*process, judgement, model)?;
                nothing_is_let_off(*process, judgement, model)?;
                budget(*process, judgement, model)
            }
            Fact::Answered { process, id, answer, reading: Reading::Counts, view } => {
                hold(*process, view.hold.target.is_some(), model)?;
                let once = model.rules.guarantee == Guarantee::AtMostOnce;
                let Some(term) = model.term(*process, id.partition) else { return Ok(()) };
                let Some(index) = term.index(id.offset.0) else { return Ok(()) };
                let entry = &term.entries[index];
                match said(answer.verdict) && !once && entry.judged < entry.trips.len() {
                    true => Err(format!("{id} is not charged, as the service said")),
                    false => Ok(()),
                }
            }
            Fact::Idle { process, view, .. } => hold(*process, view.hold.target.is_some(), model),
            _ => Ok(()),
        }
    }
}

fn charge(process: usize, judgement: &Judgement, model: &Model) -> Result<(), String> {
    let Some(charged) = judgement.charged else { return Ok(()) };
    let term = &model.terms[judgement.term];
    let entry = &term.entries[judgement.index];
    if charged != entry.charged + 1 || entry.judged == entry.trips.len() {
        return Err(format!("offset {} is charged {charged} times after {entry:?}", entry.offset));
    }
    let office = &model.offices[process];
    let lane = term.lane_of(judgement.index);
    match office.journal.blames(lane, entry, &model.rules, office.known, model.now) {
        true => Ok(()),
        false => Err(format!("offset {} is charged without evidence: {entry:?}", entry.offset)),
    }
}

/// A record does not go again uncharged where its failure is its own by all that is known.
fn nothing_is_let_off(process: usize, judgement: &Judgement, model: &Model) -> Result<(), String> {
    let term = &model.terms[judgement.term];
    let entry = &term.entries[judgement.index];
    let state = judgement.account.as_ref().map(|account| account.state);
    let reopened = state == Some(BlockedState::Turn) && entry.seen != state;
    let decided = judgement.charged.is_some() || entry.judged == entry.trips.len();
    let free = entry.trips.last().is_some_and(|trip| declines(trip.verdict))
        && entry.declined() <= DECLINED_FREE;
    if !reopened || decided || free || term.revoked_at.is_some() {
        return Ok(());
    }
    let office = &model.offices[process];
    let lane = term.lane_of(judgement.index);
    let mut counts = office.known..=office.journal.heard.len();
    match counts.all(|count| office.journal.blames_by(lane, entry, &model.rules, count, model.now))
    {
        true => Err(format!("offset {} is not charged: {entry:?}", entry.offset)),
        false => Ok(()),
    }
}

fn hold(process: usize, held: bool, model: &Model) -> Result<(), String> {
    let fails = model.offices[process].journal.held();
    match held == fails {
        true => Ok(()),
        false => Err(format!("held for the target's fault: {held}, and it is at fault: {fails}")),
    }
}

fn budget(process: usize, judgement: &Judgement, model: &Model) -> Result<(), String> {
    let office = &model.offices[process];
    let since = |times: &[u64], from: u64| times.iter().rev().take_while(|at| **at >= from).count();
    let (longest, shortest) =
        (model.now.saturating_sub(5 * MINUTES), model.now.saturating_sub(5 * MINUTES - STEP));
    let just_now = since(&office.accepts, model.now);
    let free = model.rules.given_up_free;
    let most = |from| since(&office.accepts, from) / ACCEPTED_FOR_ONE + free;
    match judgement.fate {
        Some(Fate::Letter | Fate::Dropped)
            if since(&office.given_up, shortest) >= most(longest) =>
        {
            Err(format!("more are given up than {}", most(longest)))
        }
        // An accept of this very moment may have come after the judgement.
        Some(Fate::Stuck(Stuck::Budget))
            if since(&office.given_up, longest)
                < (since(&office.accepts, shortest) - just_now) / ACCEPTED_FOR_ONE + free =>
        {
            Err(format!("held for its budget, and {} are given up", office.given_up.len()))
        }
        _ => Ok(()),
    }
}
