//! One endpoint: what is known of it, and what a delivery to it would cost.

use core::time::Duration;

use crate::limiter::Limiter;
use crate::record::EndpointId;
use crate::time::Instant;
use crate::verdict::{TargetFault, UnknownCause, Verdict};

use super::Ending;

/// Half of a slow answer is forgotten in this time.
const HALF_LIFE: Duration = Duration::from_secs(2);
/// How long a new endpoint warms up, and how much dearer it looks at first.
const WARM_UP: Duration = Duration::from_secs(10);
const COLD: u64 = 10;
/// Answers from which an endpoint is judged.
const ANSWERS: u32 = 20;
const ANSWERS_MIN: u32 = 5;
/// An answer that takes this many times as long as those of others lags, if it takes so long at
/// all; so many in a row are no chance.
const LAG: u32 = 10;
const LAG_MIN: Duration = Duration::from_millis(10);
const LAGS: u32 = 3;
/// How long an endpoint is ejected for the first time; each time in a row it is twice as long.
const EJECTED: Duration = Duration::from_secs(5);
const EJECTED_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) in_flight: usize,
    pub(crate) health: Health,
    /// False once the target's list no longer names it; it stays until its answers are in.
    pub(crate) listed: bool,
    pub(crate) limiter: Limiter,
    /// Since when it has been getting deliveries.
    since: Instant,
    latency: Latency,
    recent: Recent,
    /// Answers in a row that lagged.
    lags: u32,
    check: Check,
    /// Ejections in a row, but for a minute between two of them.
    ejections: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    AtFault { fault: TargetFault, probe_at: Instant },
    Ejected { why: Ejection, at: Instant, until: Instant },
}

/// Whether anything listens at an endpoint that lost its connections. Lanes that wait for it open
/// earlier where nothing does, and may be all there is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    None,
    Due(Instant),
    Out,
}

/// Why an endpoint was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ejection {
    /// Most of its answers are failures, and those of others are not.
    Failing,
    /// It takes ten times as long as the others.
    Slow,
}

#[derive(Clone, Copy, Debug, Default)]
struct Latency {
    /// Rises at once, falls with time.
    peak: Duration,
    at: Instant,
    /// Smoothed over some eight answers.
    mean: Duration,
    answers: u32,
}

/// The last answers, one bit each: set where it failed.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    failed: u32,
    answers: u32,
}

impl Endpoint {
    pub(crate) fn new(id: EndpointId, limiter: Limiter, now: Instant) -> Self {
        Self {
            id,
            in_flight: 0,
            health: Health::Well,
            listed: true,
            limiter,
            since: now,
            latency: Latency::default(),
            recent: Recent::default(),
            lags: 0,
            check: Check::None,
            ejections: 0,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.in_flight < self.limiter.limit()
    }

    /// Expected wait in microseconds, of no use but for comparison. One of which nothing is known
    /// gets one delivery, and no second one before others have.
    pub(crate) fn cost(&self, now: Instant) -> u64 {
        let latency = match (self.latency.answers, self.in_flight) {
            (0, 0) => return 0,
            (0, _) => 1_000_000,
            _ => self.latency.at(now).as_micros() as u64 + 1,
        };
        let cost = latency.saturating_mul(self.in_flight as u64 + 1);
        let age = now.since(self.since);
        match age < WARM_UP {
            true => {
                let tenths = (COLD * age.as_millis() as u64).div_ceil(WARM_UP.as_millis() as u64);
                cost.saturating_mul(COLD) / tenths.max(1)
            }
            false => cost,
        }
    }

    pub(crate) fn latency(&self) -> Duration {
        self.latency.mean
    }

    pub(crate) fn usual_latency(&self) -> Option<Duration> {
        (self.latency.answers >= ANSWERS_MIN).then_some(self.latency.mean)
    }

    pub(crate) fn is_ejected(&self) -> bool {
        matches!(self.health, Health::Ejected { .. })
    }

    pub(crate) fn answers_well(&self) -> bool {
        self.recent.answers >= ANSWERS_MIN && 2 * self.recent.failures() <= self.recent.answers
    }

    pub(crate) fn answers_badly(&self) -> bool {
        self.recent.answers >= ANSWERS_MIN && 2 * self.recent.failures() > self.recent.answers
    }

    pub(crate) fn lags(&self) -> bool {
        self.lags >= LAGS
    }

    /// When it may be tried though it is not well.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        match self.health {
            Health::AtFault { probe_at, .. } | Health::Ejected { until: probe_at, .. }
                if self.listed =>
            {
                Some(probe_at)
            }
            Health::Well | Health::AtFault { .. } | Health::Ejected { .. } => None,
        }
    }

    /// A probe goes out, or a delivery like any other; the next probe does not wait for its end,
    /// for it may hang.
    pub(crate) fn probed(&mut self, next: Instant) {
        match &mut self.health {
            Health::Well => {}
            Health::AtFault { probe_at, .. } => *probe_at = next,
            Health::Ejected { until, .. } => *until = next,
        }
    }

    /// A delivery ended. `usual`: what the other endpoints take.
    pub(crate) fn ended(
        &mut self,
        ending: Ending,
        usual: Option<Duration>,
        probe_at: Instant,
        now: Instant,
    ) {
        let Ending { verdict, took } = ending;
        self.limiter.answered(verdict, self.in_flight, now);
        self.in_flight -= 1;
        match verdict {
            // Whatever answers there next may be another process; the sooner it is tried, the
            // sooner it is known whether anything does.
            Verdict::Unknown(UnknownCause::ConnectionLost) => {
                self.latency = Latency::default();
                if self.check == Check::None {
                    self.check = Check::Due(now);
                }
            }
            _ => self.latency.measured(took, verdict == Verdict::Accept, now),
        }
        self.recent.answered(verdict);
        let lost = matches!(verdict, Verdict::Unknown(UnknownCause::ConnectionLost));
        let lagged = !lost && usual.is_some_and(|usual| lags(took, usual));
        self.lags = if lagged { self.lags + 1 } else { 0 };
        match (verdict, self.health) {
            (Verdict::TargetFault(fault), _) => self.health = Health::AtFault { fault, probe_at },
            (Verdict::Unknown(_), Health::AtFault { fault, .. }) => {
                self.health = Health::AtFault { fault, probe_at };
            }
            (_, Health::AtFault { .. }) => self.let_in(now),
            // What was sent before says nothing new.
            (_, Health::Ejected { at, .. }) if took > now.since(at) => {}
            (_, Health::Ejected { why, .. }) => self.tried(why, verdict, lagged, now),
            (_, Health::Well) => {}
        }
    }

    pub(crate) fn check_at(&self) -> Option<Instant> {
        match self.check {
            Check::Due(at) if self.listed => Some(at),
            Check::Due(_) | Check::None | Check::Out => None,
        }
    }

    pub(crate) fn checking(&mut self) {
        self.check = Check::Out;
    }

    /// What a connection that was tried for its own sake came to.
    pub(crate) fn checked(&mut self, fault: Option<TargetFault>, probe_at: Instant) {
        self.check = match fault {
            None | Some(TargetFault::Refused) => Check::None,
            Some(_) => Check::Due(probe_at),
        };
        if let Some(fault) = fault {
            self.health = Health::AtFault { fault, probe_at };
        }
    }

    pub(crate) fn eject(&mut self, why: Ejection, now: Instant) {
        if self.health == Health::Well && now.since(self.since) >= EJECTED_MAX {
            self.ejections = 0;
        }
        let until = now + (EJECTED * (1 << self.ejections.min(8))).min(EJECTED_MAX);
        self.ejections += 1;
        self.health = Health::Ejected { why, at: now, until };
    }

    /// It is the best there is.
    pub(crate) fn pardon(&mut self, now: Instant) {
        if self.is_ejected() && self.listed {
            self.let_in(now);
        }
    }

    /// A trial of an ejected endpoint ended.
    fn tried(&mut self, why: Ejection, verdict: Verdict, lagged: bool, now: Instant) {
        if verdict != Verdict::Accept || (why == Ejection::Slow && lagged) {
            self.eject(why, now);
        } else {
            self.let_in(now);
        }
    }

    fn let_in(&mut self, now: Instant) {
        self.health = Health::Well;
        self.since = now;
        self.latency = Latency::default();
        self.recent = Recent::default();
        self.lags = 0;
    }
}

impl Latency {
    fn at(&self, now: Instant) -> Duration {
        let idle = now.since(self.at);
        fade(self.peak, Duration::ZERO, idle)
    }

    /// A quick failure says nothing of how long a success takes.
    fn measured(&mut self, took: Duration, accepted: bool, now: Instant) {
        if !accepted && took < self.mean {
            return;
        }
        self.peak = took.max(fade(self.peak, took, now.since(self.at)));
        self.at = now;
        self.mean = match self.answers {
            0 => took,
            _ => (self.mean * 7 + took) / 8,
        };
        self.answers = self.answers.saturating_add(1);
    }
}

/// Moves from `old` down towards `new` as time passes: half of the way in each half-life, and
/// evenly within one.
fn fade(old: Duration, new: Duration, passed: Duration) -> Duration {
    let halvings = (passed.as_micros() / HALF_LIFE.as_micros()).min(63) as u32;
    let rest = (passed.as_micros() % HALF_LIFE.as_micros()) as u64;
    let above = old.saturating_sub(new).as_micros().min(u64::MAX.into()) as u64 >> halvings;
    let within = u128::from(above) * u128::from(rest) / (2 * HALF_LIFE.as_micros());
    new.min(old) + Duration::from_micros(above - within as u64)
}

fn lags(took: Duration, usual: Duration) -> bool {
    took >= LAG_MIN && took >= usual * LAG
}

impl Recent {
    fn answered(&mut self, verdict: Verdict) {
        let failed = match verdict {
            Verdict::Accept => false,
            Verdict::Retry { said: true, .. }
            | Verdict::Reject { said: true }
            | Verdict::Unknown(UnknownCause::Abandoned)
            | Verdict::BackPressure { .. }
            | Verdict::TargetFault(_) => return,
            Verdict::Retry { .. } | Verdict::Reject { .. } | Verdict::Unknown(_) => true,
        };
        self.failed = (self.failed << 1 | u32::from(failed)) & ((1 << ANSWERS) - 1);
        self.answers = (self.answers + 1).min(ANSWERS);
    }

    fn failures(self) -> u32 {
        self.failed.count_ones()
    }
}
