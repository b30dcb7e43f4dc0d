//! So many records a second, evenly. Time that was lost is not caught up with a burst.

use std::time::{Duration, Instant};

use crate::cli::produce::Rate;

/// Shorter waits are put together: a sleep is not more exact than this.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longest sleep before the caller is asked whether to go on.
const LONGEST: Duration = Duration::from_millis(50);
/// How far the records may be behind their times before the times move on.
const SLACK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    due: Instant,
}

impl Pace {
    pub(crate) fn new(Rate(per_second): Rate) -> Self {
        Self { interval: Duration::from_secs_f64(per_second.recip()), due: Instant::now() }
    }

    /// Waits until the next record is due; `false` as soon as `goes_on` says so.
    #[expect(clippy::disallowed_methods, reason = "time is what is waited for here")]
    pub(crate) fn wait(&mut self, mut goes_on: impl FnMut() -> bool) -> bool {
        loop {
            let ahead = self.due.saturating_duration_since(Instant::now());
            if ahead < SHORTEST {
                break;
            }
            if !goes_on() {
                return false;
            }
            std::thread::sleep(ahead.min(LONGEST));
        }
        self.taken(Instant::now());
        true
    }

    fn taken(&mut self, now: Instant) {
        let latest = now.checked_sub(SLACK).unwrap_or(now);
        self.due = self.due.max(latest) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_stop_records_come_at_the_rate_again_and_not_all_at_once() {
        let start = Instant::now();
        let mut pace = Pace { interval: Duration::from_millis(10), due: start };
        pace.taken(start);
        assert_eq!(pace.due, start + Duration::from_millis(10));
        let late = start + Duration::from_secs(60);
        pace.taken(late);
        assert_eq!(pace.due, late - SLACK + Duration::from_millis(10));
    }
}
