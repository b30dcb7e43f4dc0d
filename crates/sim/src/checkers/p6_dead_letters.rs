//! P6: a record is settled when it was accepted, when Kafka has its dead letter, or when rules or an
//! operator say so, and not before; what is given up goes where the rules say, and nowhere else.

use forebay_core::{BlockedState, Command, DeadLetter, GiveUp, Output, Stuck, Verdict, View, Why};

use super::{Checker, Fact};
use crate::model::{Ends, Entry, Fate, Judgement, Model};

pub(super) struct SettledWhenItIsAtItsEnd;

impl Checker for SettledWhenItIsAtItsEnd {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Judged { judgement, .. } => judged(judgement, model),
            Fact::Wants { process, output: Output::DeadLetter(letter), .. } => {
                let Some(term) = model.term(*process, letter.partition) else { return Ok(()) };
                let entry = term.index(letter.offset.0).map(|index| &term.entries[index]);
                match entry {
                    Some(entry) if entry.settled => Err(format!("{letter:?} is settled")),
                    Some(entry) if entry.letter_out => Err(format!("{letter:?} is on its way")),
                    Some(entry) if !tells_its_story(letter, entry) => {
                        Err(format!("{letter:?} is not the story of {entry:?}"))
                    }
                    Some(Entry { fate: Some(Fate::Letter), .. }) => Ok(()),
                    _ => Err(format!("{letter:?} was not given up")),
                }
            }
            Fact::Wants { process, output: Output::Park(park), .. } => {
                let Some(term) = model.term(*process, park.partition) else { return Ok(()) };
                let entry = term.index(park.offset.0).map(|index| &term.entries[index]);
                match entry {
                    Some(entry) if entry.settled || entry.park_out => {
                        Err(format!("{park:?} is settled, or on its way"))
                    }
                    Some(Entry { fate: None | Some(Fate::Parked), .. }) => Ok(()),
                    _ => Err(format!("{park:?} has another end")),
                }
            }
            Fact::Obeyed { process, command } => obeyed(*process, *command, model),
            Fact::Idle { process, view, .. } => counted(*process, view, model),
            _ => Ok(()),
        }
    }
}

fn judged(judgement: &Judgement, model: &Model) -> Result<(), String> {
    let entry = &model.terms[judgement.term].entries[judgement.index];
    let Some(trip) = entry.trips.last() else { return Ok(()) };
    let offset = entry.offset;
    let fits = match (judgement.due, judgement.fate) {
        (Some(GiveUp::Hold), fate) => fate == Some(Fate::Stuck(Stuck::Rule)),
        (Some(GiveUp::DeadLetter), fate) => {
            matches!(fate, Some(Fate::Letter | Fate::Stuck(Stuck::Budget)))
        }
        (Some(GiveUp::Drop), fate) => {
            matches!(fate, Some(Fate::Dropped | Fate::Stuck(Stuck::Budget)))
        }
        (None, fate) => matches!(fate, None | Some(Fate::Parked)),
    };
    match &judgement.account {
        None if judgement.fate == Some(Fate::Abandoned) => Ok(()),
        None if judgement.fate != Some(Fate::Dropped) => match trip.verdict {
            // That it counts as a success is no matter of dead letters.
            Verdict::Unknown(_) => Ok(()),
            verdict => Err(format!("offset {offset} is gone after {verdict:?}")),
        },
        _ if !fits => Err(format!(
            "offset {offset} ought to {:?} and is {:?} after {:?}",
            judgement.due, judgement.fate, trip.verdict
        )),
        Some(account) if !stays(entry.fate, account.state) => {
            Err(format!("offset {offset} was {:?} and is {:?}", entry.fate, account.state))
        }
        _ => Ok(()),
    }
}

fn tells_its_story(letter: &DeadLetter<usize>, entry: &Entry) -> bool {
    let verdict = entry.trips.last().map(|trip| trip.verdict);
    let rejected = matches!(verdict, Some(Verdict::Reject { .. }));
    let why = match letter.why {
        Why::Rejected => rejected,
        Why::Exhausted => !rejected,
        Why::Command => true,
    };
    let ends = entry.trips.first().zip(entry.trips.last());
    let ends = ends.map(|(first, last)| (first.answered, last.answered));
    let failed = letter.failed.map(|(first, last)| (first.as_micros(), last.as_micros()));
    why && failed == ends
        && letter.answer.as_ref().map(|answer| answer.verdict) == verdict
        && (letter.charged, letter.deliveries) == (entry.charged, entry.deliveries)
}

/// Whether a record that was given up before may be in this state.
fn stays(fate: Option<Fate>, state: BlockedState) -> bool {
    match fate {
        Some(Fate::Parked) => {
            matches!(state, BlockedState::Park | BlockedState::Pause { .. })
        }
        Some(Fate::Letter) => {
            matches!(state, BlockedState::DeadLetter | BlockedState::Pause { .. })
        }
        Some(Fate::Stuck(stuck)) => state == BlockedState::Operator(stuck),
        Some(Fate::Dropped | Fate::Abandoned) => false,
        None => true,
    }
}

/// An operator decides about what waits, not about what is out.
fn obeyed(process: usize, command: Command, model: &Model) -> Result<(), String> {
    let (Command::Retry { partition, offset }
    | Command::Skip { partition, offset }
    | Command::DeadLetter { partition, offset }) = command
    else {
        return Ok(());
    };
    let term = model.term(process, partition).ok_or("the partition is not ours")?;
    let index = term.index(offset.0).ok_or("it was never handed over")?;
    let entry = &term.entries[index];
    let head = entry.lane.and_then(|lane| term.head(lane)).map_or(entry.offset, |it| it.offset);
    let leaves = entry.letter_out || entry.park_out || entry.fate == Some(Fate::Parked);
    match entry.settled || entry.flight.is_some() || leaves || head != entry.offset {
        true => Err(format!("{command:?} is obeyed, of {entry:?}")),
        false => Ok(()),
    }
}

fn counted(process: usize, view: &View, model: &Model) -> Result<(), String> {
    let Ends { dead_lettered, parked, dropped, skipped, .. } = model.offices[process].ends;
    let books = (dead_lettered, parked, dropped, skipped);
    let counts = view.counts;
    let counts = (counts.dead_lettered, counts.parked, counts.dropped, counts.skipped);
    match counts == books {
        true => Ok(()),
        false => Err(format!("{counts:?} are counted as given up, {books:?} were")),
    }
}
