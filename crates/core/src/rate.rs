//! A token bucket: so many a second, and a few at once after a pause.

use core::time::Duration;

use crate::time::Instant;

/// Parts of a token.
const TOKEN: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    burst: u64,
    level: u64,
    at: Instant,
}

impl Bucket {
    /// Begins full.
    pub(crate) fn new(per_second: u64, burst: u64) -> Self {
        let burst = burst.max(1) * TOKEN;
        Self { per_second, burst, level: burst, at: Instant::ZERO }
    }

    /// When the next token is there; now or earlier where one is.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let level = self.level_at(now);
        if level >= TOKEN {
            return now;
        }
        match self.per_second {
            0 => now + Duration::MAX,
            rate => now + Duration::from_micros((TOKEN - level).div_ceil(rate)),
        }
    }

    /// Takes a token, or goes without where there is none.
    pub(crate) fn take(&mut self, now: Instant) {
        self.level = self.level_at(now).saturating_sub(TOKEN);
        self.at = now;
    }

    /// Leaves none.
    pub(crate) fn empty(&mut self, now: Instant) {
        (self.level, self.at) = (0, now);
    }

    /// Earns a part of a token: one in `parts`.
    pub(crate) fn earn(&mut self, parts: u64) {
        self.level = (self.level + TOKEN / parts).min(self.burst);
    }

    fn level_at(&self, now: Instant) -> u64 {
        // A rate a second is as many millionths of a token a microsecond.
        let passed = now.as_micros().saturating_sub(self.at.as_micros());
        self.level.saturating_add(passed.saturating_mul(self.per_second)).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(10, 3);
        for _ in 0..3 {
            assert_eq!(bucket.next(at(0)), at(0));
            bucket.take(at(0));
        }
        assert_eq!(bucket.next(at(0)), at(100));
        assert_eq!(bucket.next(at(40)), at(100));
        bucket.take(at(100));
        assert_eq!(bucket.next(at(100)), at(200));
    }

    #[test]
    fn what_is_not_used_is_kept_up_to_the_burst() {
        let mut bucket = Bucket::new(10, 3);
        (0..3).for_each(|_| bucket.take(at(0)));
        (0..3).for_each(|_| bucket.take(at(60_000)));
        assert_eq!(bucket.next(at(60_000)), at(60_100));
    }

    #[test]
    fn tokens_can_be_earned() {
        let mut bucket = Bucket::new(0, 1);
        bucket.take(at(0));
        assert_eq!(bucket.next(at(5)), at(5) + Duration::MAX);
        (0..5).for_each(|_| bucket.earn(5));
        assert_eq!(bucket.next(at(5)), at(5));
    }
}
