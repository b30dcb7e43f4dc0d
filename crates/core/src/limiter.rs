//! How much may be in flight.
//!
//! Two rules, each on shares of answers and never on a single one. Where more than a twentieth of
//! a window's answers are back-pressure or timeouts, the limit is cut by what was refused; a service
//! that then answers well gets it back step by step. And where the limit is what holds
//! throughput back, a larger one is tried, and kept only if more was accepted for it: a service
//! that merely queues what it gets must not be given a longer queue.
//!
//! After a fault of the target the limit starts from one and doubles with each round of answers up
//! to where it was (slow start), so that a target that comes back is not run over. Where it was is
//! where it last did not ask too much: what an outage cuts off says nothing of capacity.

use core::time::Duration;

use crate::time::Instant;
use crate::verdict::{UnknownCause, Verdict};

/// A window ends after this long, where it has answers enough.
const WINDOW: Duration = Duration::from_secs(1);
/// Fewer answers than this are no share.
const ANSWERS_MIN: u64 = 20;
/// Overload: more than one answer in twenty, and never a single one.
const OVERLOAD_PART: u64 = 20;
const OVERLOADED_MIN: u64 = 2;
/// Flood: more than one answer in four.
const FLOOD_PART: u64 = 4;
/// What a cut took comes back by one in so many of what is left, each window.
const GROWTH: usize = 16;
/// Windows between two trials of a larger limit, at most; each vain trial doubles them.
const PATIENCE_MAX: u32 = 64;

#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    /// Where slow start ends.
    target: usize,
    /// The limit after the last window in which it was not too much.
    proven: usize,
    bounds: Bounds,
    window: Window,
    climb: Climb,
    overloads: u64,
}

/// What the limit may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) first: usize,
    pub(crate) most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Instant,
    answers: u64,
    accepted: u64,
    overloaded: u64,
    /// The most that was in flight.
    in_flight: usize,
    /// Whether the limit kept anything from being sent.
    binding: bool,
}

/// The search for the largest limit that is of use.
#[derive(Clone, Copy, Debug)]
enum Climb {
    /// Waits so many more windows for the next trial.
    Rest {
        windows: u32,
        patience: u32,
    },
    /// A larger limit has been set; the first window after it is still the former one's.
    Settle {
        from: usize,
        rate: u64,
        patience: u32,
    },
    Measure {
        from: usize,
        rate: u64,
        patience: u32,
    },
}

impl Limiter {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            limit: bounds.first,
            target: bounds.first,
            proven: bounds.first,
            bounds,
            window: Window::new(Instant::ZERO),
            climb: Climb::REST,
            overloads: 0,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Answers that asked for less, or did not come in time.
    pub(crate) fn overloads(&self) -> u64 {
        self.overloads
    }

    /// Takes changed bounds; what was learnt is kept within them.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.target = self.target.min(bounds.most);
        if self.limit > bounds.most {
            self.limit = bounds.most;
            self.climb = Climb::REST;
        }
        if self.limit < bounds.first && matches!(self.climb, Climb::Rest { .. }) {
            self.target = self.target.max(bounds.first);
        }
    }

    /// Something could have been sent, but for the limit.
    pub(crate) fn binds(&mut self) {
        self.window.binding = true;
    }

    /// An answer came, or none did in time, while so many were in flight, itself among them.
    pub(crate) fn answered(&mut self, verdict: Verdict, in_flight: usize, now: Instant) {
        let window = &mut self.window;
        window.answers += 1;
        window.in_flight = window.in_flight.max(in_flight);
        match verdict {
            Verdict::Accept => {
                window.accepted += 1;
                // Slow start: one more for each accept doubles the limit with each round.
                if self.limit < self.target {
                    self.limit += 1;
                }
            }
            Verdict::BackPressure { .. } | Verdict::Unknown(UnknownCause::Deadline) => {
                window.overloaded += 1;
                self.overloads += 1;
            }
            _ => {}
        }
        self.turn(now);
    }

    /// The target is well again: begins with one, and grows to what it was. `hung`: deliveries
    /// from before, which may be in flight until their deadlines and must not be what fills it.
    pub(crate) fn slow_start(&mut self, hung: usize, now: Instant) {
        self.target = self.target.max(self.limit).max(self.proven.min(self.bounds.most));
        self.limit = (hung + 1).min(self.target);
        self.window = Window::new(now);
        self.climb = Climb::REST;
    }

    /// Ends the window where it is due. A flood ends it as soon as that is a share; where less is
    /// refused, chance would cut more in short windows than whole ones give back.
    fn turn(&mut self, now: Instant) {
        let window = self.window;
        let enough = ANSWERS_MIN.min(self.limit.max(4) as u64);
        if window.answers < enough {
            return;
        }
        let exceeds = |part| window.overloaded * part > window.answers;
        let overloaded = window.overloaded >= OVERLOADED_MIN && exceeds(OVERLOAD_PART);
        let floods = exceeds(FLOOD_PART) && window.answers >= window.in_flight as u64;
        let whole = now.since(window.begin) >= WINDOW;
        if overloaded && (whole || floods) {
            self.cut(window);
        } else if whole {
            let age = now.since(window.begin);
            let micros = age.as_micros().max(1) as u64;
            self.calm(window, window.accepted.saturating_mul(1_000_000) / micros);
            if window.accepted > 0 {
                self.proven = self.limit;
            }
        } else {
            return;
        }
        self.window = Window::new(now);
    }

    /// Down by as much as was refused, by half at most.
    fn cut(&mut self, window: Window) {
        let used = self.limit.min(window.in_flight);
        let refused = (used as u64 * window.overloaded / window.answers) as usize;
        self.limit = (used - refused.clamp(1, used.div_ceil(2))).max(1);
        self.target = self.limit;
        self.climb = Climb::REST;
    }

    fn calm(&mut self, window: Window, rate: u64) {
        if self.limit < self.target {
            return;
        }
        if self.limit < self.bounds.first {
            self.limit = (self.limit + self.limit.div_ceil(GROWTH)).min(self.bounds.first);
            self.target = self.limit;
            return;
        }
        self.climb = match self.climb {
            Climb::Rest { windows: 0 | 1, patience } if window.binding => {
                let from = self.limit;
                self.set(from + from.div_ceil(4));
                match self.limit > from {
                    true => Climb::Settle { from, rate, patience },
                    false => Climb::Rest { windows: patience, patience },
                }
            }
            Climb::Rest { windows, patience } => {
                Climb::Rest { windows: windows.saturating_sub(1), patience }
            }
            Climb::Settle { from, rate, patience } => Climb::Measure { from, rate, patience },
            // At least half of the growth must have been of use.
            Climb::Measure { from, rate: before, patience } => {
                let grown = (self.limit - from) as u64;
                if rate.saturating_sub(before).saturating_mul(2 * from as u64) >= before * grown {
                    Climb::REST
                } else {
                    self.set(from);
                    let patience = (2 * patience).min(PATIENCE_MAX);
                    Climb::Rest { windows: patience, patience }
                }
            }
        };
    }

    fn set(&mut self, limit: usize) {
        self.limit = limit.min(self.bounds.most);
        self.target = self.limit;
    }
}

impl Window {
    const fn new(begin: Instant) -> Self {
        Self { begin, answers: 0, accepted: 0, overloaded: 0, in_flight: 0, binding: false }
    }
}

impl Climb {
    const REST: Self = Self::Rest { windows: 2, patience: 2 };
}

#[cfg(test)]
mod tests;
