//! When a record that failed is tried again.
//!
//! Capped exponential backoff with full jitter ("Exponential Backoff And Jitter", AWS 2015):
//! many lanes that failed together come back spread out.

use core::time::Duration;

use crate::fault::Fault;
use crate::partition::Held;
use crate::rng::Rng;
use crate::rules::{Backoff, Rules};
use crate::time::Instant;
use crate::verdict::Verdict;

/// The longest pause that a service may ask for: one that asks for a year would hold its key, and
/// the partition's commit point with it, for that year.
const ASKED_MAX: Duration = Duration::from_secs(600);

impl Backoff {
    /// Upper bound of the pause after the `failures`-th failure in a row, counted from 1.
    fn bound(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// The pause itself; never shorter than what the service asked for, up to [`ASKED_MAX`].
    pub(crate) fn pause(self, failures: u32, asked: Option<Duration>, rng: &mut Rng) -> Duration {
        let pause = rng.up_to(self.bound(failures));
        asked.map_or(pause, |asked| asked.min(ASKED_MAX).saturating_add(pause))
    }
}

/// A delivery that has just ended.
pub(crate) struct Flight {
    pub(crate) deadline: Instant,
    /// Whether its endpoint has left the list, and so ends its work.
    pub(crate) left: bool,
}

impl Flight {
    /// When the same record may go again; `None` where it is settled.
    ///
    /// Back-pressure and target faults charge the record nothing. An unknown answer keeps the lane
    /// shut until the service can no longer be at work on the record.
    pub(crate) fn again_at<P>(
        &self,
        verdict: Verdict,
        held: &mut Held<P>,
        now: Instant,
        rules: &Rules,
        rng: &mut Rng,
    ) -> Option<Instant> {
        match verdict {
            Verdict::Accept => None,
            Verdict::Retry { after, .. } => {
                held.charged += 1;
                Some(now + rules.backoff.pause(held.charged, after, rng))
            }
            Verdict::Reject { .. } => {
                held.charged += 1;
                Some(now + rules.backoff.pause(held.charged, None, rng))
            }
            Verdict::BackPressure { after } => {
                Some(now + rules.backoff.pause(held.deliveries, after, rng))
            }
            Verdict::TargetFault(_) => {
                held.charged += u32::from(rules.planted.is(Fault::FaultBurnsAttempt));
                Some(now)
            }
            Verdict::Unknown(_) if rules.planted.is(Fault::UnknownOpensLane) => Some(now),
            Verdict::Unknown(_) if self.left => Some(now + rules.grace),
            Verdict::Unknown(_) => Some(self.deadline.max(now) + rules.grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) };

    #[test]
    fn the_bound_doubles_up_to_its_cap() {
        let bounds = [1, 2, 3, 8, 9, 1_000].map(|failures| BACKOFF.bound(failures).as_millis());
        assert_eq!(bounds, [200, 400, 800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn pauses_are_spread_over_the_whole_bound() {
        let mut rng = Rng::new(7);
        let pauses: alloc::vec::Vec<_> =
            (0..1_000).map(|_| BACKOFF.pause(1, None, &mut rng).as_millis()).collect();
        assert!(pauses.iter().all(|pause| *pause <= 200));
        assert!(pauses.iter().any(|pause| *pause < 20));
        assert!(pauses.iter().any(|pause| *pause > 180));
    }

    #[test]
    fn a_service_that_asks_for_time_gets_it() {
        let mut rng = Rng::new(7);
        let asked = Duration::from_secs(90);
        assert!(BACKOFF.pause(1, Some(asked), &mut rng) >= asked);
        let pause = BACKOFF.pause(1, Some(Duration::MAX), &mut rng);
        assert!(pause >= ASKED_MAX && pause < 2 * ASKED_MAX, "{pause:?}");
    }
}
