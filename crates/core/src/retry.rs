//! When a record that failed is tried again.
//!
//! Capped exponential backoff with full jitter ("Exponential Backoff And Jitter", AWS 2015): many
//! lanes that failed together come back spread out. And a budget for all of them together: what is
//! sent again is a share of what is sent, so that retries alone can't bring a target down.

use core::time::Duration;

use crate::rate::Bucket;
use crate::rng::Rng;
use crate::rules::Backoff;
use crate::time::Instant;

/// The longest pause that a service may ask for: one that asks for a year would hold its key, and
/// the partition's commit point with it, for that year.
const ASKED_MAX: Duration = Duration::from_secs(600);
/// Retries are one in so many of the first deliveries,
const SHARE: u64 = 5;
/// and so many a second besides, for where hardly anything is sent,
const RATE: u64 = 10;
/// and so many at once after a while without any.
const BURST: u64 = 100;

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

/// How many deliveries may be retries.
#[derive(Debug)]
pub(crate) struct Retries(Bucket);

impl Retries {
    pub(crate) fn new() -> Self {
        Self(Bucket::new(RATE, BURST))
    }

    /// When the next retry may go.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        self.0.next(now)
    }

    pub(crate) fn first_sent(&mut self) {
        self.0.earn(SHARE);
    }

    /// For a target that is well again, while there is something new: where what failed before went
    /// first, the few records that always fail would be all that is seen of the target, and it would
    /// be found at fault again.
    pub(crate) fn spend(&mut self, now: Instant) {
        self.0.empty(now);
    }

    pub(crate) fn retry_sent(&mut self, now: Instant) {
        self.0.take(now);
    }

    /// A retry went well: it was no part of a storm and costs nothing. Without that, what failed in
    /// an outage would come back at [`RATE`] where nothing else is sent.
    pub(crate) fn retry_accepted(&mut self) {
        self.0.earn(1);
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

    #[test]
    fn retries_that_are_accepted_cost_nothing() {
        let mut retries = Retries::new();
        let now = Instant::from_micros(1);
        for _ in 0..10_000 {
            assert_eq!(retries.next(now), now);
            retries.retry_sent(now);
            retries.retry_accepted();
        }
    }

    #[test]
    fn retries_are_a_share_of_what_is_sent() {
        let mut retries = Retries::new();
        let mut sent = 0;
        for first in 0..10_000_u64 {
            let now = Instant::from_micros(first);
            retries.first_sent();
            while retries.next(now) == now {
                retries.retry_sent(now);
                sent += 1;
            }
        }
        assert!((2_000..=2_200).contains(&sent), "{sent}");
    }
}
