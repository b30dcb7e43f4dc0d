//! Works through the selected open letters of a topic, in the order of each partition.

use std::time::Duration;

use forebay_wire::dead_letter::Mark;
use serde_json::json;

use super::list::{What, list};
use super::outbox::Outbox;
use super::summary::LeftOut;
use super::topic::{Found, Letter, LetterTopic, Next};
use crate::cli::cluster::Output;
use crate::cli::dead_letters::{Selection, Work};
use crate::commands::pace::Pace;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::print_json;
use crate::process::{Interrupt, print};

/// How long records are waited for before answers and signals are looked at again.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Lists what would be done.
pub(super) fn dry_run(
    topic: &LetterTopic,
    selection: &Selection,
    work: &Work,
    mark: Mark,
    interrupt: &Interrupt,
) -> Outcome {
    let what = What { selection, closed_too: false, limit: work.limit, output: work.output };
    let (listed, left_out) = list(topic, &what, interrupt)?;
    if work.output == Output::Table {
        crate::logs::say(&format!("{listed} letters would be {}{left_out}", words(mark)));
    }
    Ok(Exit::Done)
}

/// Hands each letter to `each` when it is its turn.
pub(super) struct Working<'a> {
    pub(super) topic: &'a LetterTopic,
    pub(super) selection: &'a Selection,
    pub(super) work: &'a Work,
    pub(super) mark: Mark,
    pub(super) interrupt: &'a Interrupt,
    pub(super) outbox: Outbox,
    /// How long an interrupted command waits for answers.
    pub(super) patience: Duration,
}

impl Working<'_> {
    pub(super) fn run(mut self, each: impl Fn(&mut Outbox, &Letter)) -> Outcome {
        let mut left_out = LeftOut::default();
        let read = self.work_through(&mut left_out, each);
        let left = self.outbox.finish(self.patience, self.interrupt);
        self.report(read, left_out, left)
    }

    fn work_through(
        &mut self,
        left_out: &mut LeftOut,
        each: impl Fn(&mut Outbox, &Letter),
    ) -> Result<(), Failure> {
        let Self { topic, selection, work, interrupt, outbox, mark, .. } = self;
        let mut pace = work.rate.map(Pace::new);
        let mut pass = topic.read("reading letters")?;
        let mut taken = 0;
        while !interrupt.asked() && outbox.goes_on() && work.limit.is_none_or(|most| taken < most) {
            outbox.hear(Duration::ZERO);
            pass.bar.say(|| format!("{} letters {}", outbox.tally.done, words(*mark)));
            let (partition, record) = match pass.look(LOOK_UP)? {
                Next::Record(partition, record) => (partition, record),
                Next::Nothing => continue,
                Next::End => break,
            };
            let letter = match topic.found(partition, record) {
                Found::Letter(letter) => letter,
                other => {
                    left_out.count(&other);
                    continue;
                }
            };
            if !selection.picks(&letter) {
                left_out.not_picked += 1;
                continue;
            }
            if letter.mark.is_some() {
                left_out.closed += 1;
                continue;
            }
            let mut turn = outbox.wait_for_turn(letter.record.key(), interrupt);
            if let Some(pace) = pace.as_mut().filter(|_| turn) {
                turn = pace.wait(|| {
                    outbox.hear(Duration::ZERO);
                    !interrupt.asked() && outbox.goes_on()
                });
            }
            if turn {
                each(outbox, &letter);
                taken += 1;
            }
        }
        Ok(())
    }

    /// `left`: letters of which it is not known what became of them.
    fn report(&self, read: Result<(), Failure>, left_out: LeftOut, left: usize) -> Outcome {
        let (tally, done) = (&self.outbox.tally, words(self.mark));
        let name = self.topic.name();
        if self.work.output == Output::Json {
            print_json(&json!({
                "topic": name,
                "done": tally.done,
                "failed": tally.failed,
                "behind": tally.behind,
                "unmarked": tally.unmarked,
                "unanswered": left,
                "left_out": left_out,
                "error": tally.error,
            }))?;
        }
        let so_far = format!("{} letters of {name} were {done}", tally.done);
        if let Some(error) = &tally.error {
            let mut message = format!("{error}; {so_far}, {} failed", tally.failed);
            for (count, what) in [
                (tally.behind, "wait behind one of their key that failed"),
                (tally.unmarked, "were sent back but are not marked, so a next run repeats them"),
                (left as u64, "have no answer, so a next run may repeat them"),
            ] {
                if count > 0 {
                    message.push_str(&format!(", {count} {what}"));
                }
            }
            return Err(Failure::new(Exit::Unreachable, message));
        }
        if self.interrupt.asked() {
            let open = match left {
                0 => "each is marked".to_owned(),
                left => format!("{left} have no answer, so a next run may repeat them"),
            };
            let message = format!("interrupted: {so_far}, {open}");
            return Err(Failure::new(Exit::Interrupted, message));
        }
        read?;
        match self.work.output {
            Output::Json => Ok(Exit::Done),
            Output::Table => print(&format!("{so_far}{left_out}\n")),
        }
    }
}

const fn words(mark: Mark) -> &'static str {
    match mark {
        Mark::Redriven => "sent back",
        Mark::Purged => "purged",
    }
}
