//! What an endpoint's losses teach about using its connections again.
//!
//! Some services close a connection they promised to keep, after a number of exchanges or a time
//! at rest, and a request that crosses with the closing is unknown each time. Three losses alike
//! are a habit: from then on Forebay closes first. A crash teaches nothing: it ends only
//! connections opened before it, so a loss counts only where its connection was opened after the
//! loss before; and what it ends has seen any number of exchanges. Lessons are forgotten, so that
//! a wrong one heals.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Losses alike that make a habit.
const HABIT: usize = 3;
/// From this rest on, the rest is blamed and not the number of exchanges.
const NOTICEABLE_REST: Duration = Duration::from_millis(20);
/// How long a lesson holds, and how long after a loss the endpoint's connections are doubted.
const LESSON: Duration = Duration::from_mins(10);
/// How long a loss counts: past [`LESSON`], so that a habit that has outlived its lesson costs one
/// loss and not three; not for days, in which crashes alone would add up.
const EVIDENCE: Duration = Duration::from_hours(1);

/// A connection that served before was lost without one byte of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    /// When the connection was opened.
    pub(crate) opened: Instant,
    /// Exchanges it had finished.
    pub(crate) exchanges: u64,
    /// How long it had rested before the request.
    pub(crate) rest: Duration,
}

/// The losses of one endpoint, and the limits learned from them.
#[derive(Debug, Default)]
pub(crate) struct Reuse {
    /// At most [`HABIT`] that no crash explains together, the oldest first.
    losses: VecDeque<(Instant, Loss)>,
    /// The last loss, counted or not.
    last: Option<Instant>,
    max_exchanges: Option<(Instant, u64)>,
    max_idle: Option<(Instant, Duration)>,
}

impl Reuse {
    pub(crate) fn lost(&mut self, loss: Loss, now: Instant) {
        self.last = Some(now);
        if self.losses.back().is_some_and(|(before, _)| loss.opened < *before) {
            return;
        }
        self.losses.retain(|(at, _)| is_within(EVIDENCE, *at, now));
        if self.losses.len() == HABIT {
            self.losses.pop_front();
        }
        self.losses.push_back((now, loss));
        if self.losses.len() == HABIT {
            self.learn(now);
        }
    }

    fn learn(&mut self, now: Instant) {
        let losses = || self.losses.iter().map(|(_, loss)| loss);
        let Some(shortest) = losses().map(|loss| loss.rest).min() else { return };
        let Some(longest) = losses().map(|loss| loss.rest).max() else { return };
        let exchanges = self.losses[0].1.exchanges;
        if shortest >= NOTICEABLE_REST {
            // Half leaves room for the request's way and for timers that are not exact. Where it
            // is still too long, the next loss has a shorter rest, and halves that.
            self.max_idle = Some((now, shortest / 2));
        } else if longest < NOTICEABLE_REST && losses().all(|loss| loss.exchanges == exchanges) {
            self.max_exchanges = Some((now, exchanges));
        }
    }

    /// Exchanges after which a connection is closed, at least one.
    pub(crate) fn max_exchanges(&self, now: Instant) -> Option<u64> {
        held(self.max_exchanges, now)
    }

    /// Rest after which a connection is closed, at least 10 ms.
    pub(crate) fn max_idle(&self, now: Instant) -> Option<Duration> {
        held(self.max_idle, now)
    }

    /// Whether a loss is recent enough for the kernel to be asked before each use.
    pub(crate) fn is_doubtful(&self, now: Instant) -> bool {
        self.last.is_some_and(|at| is_within(LESSON, at, now))
    }
}

fn held<T>(lesson: Option<(Instant, T)>, now: Instant) -> Option<T> {
    lesson.filter(|(learned, _)| is_within(LESSON, *learned, now)).map(|(_, limit)| limit)
}

fn is_within(time: Duration, since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < time
}

#[cfg(test)]
mod tests;
