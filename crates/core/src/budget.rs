//! How many records may be given up: dead-lettered, or dropped by rule.
//!
//! A release that rejects what it should accept would empty a topic into its dead letters. So
//! records given up have a budget (rule 5 of "Whose fault" in the delivery contract): 1 % of what
//! was accepted in the last five minutes, plus what the rules give free (20, of all consumers of a
//! subscription in a process together). What an operator gives up by command is free.

use core::time::Duration;

use crate::time::Instant;

const BUCKETS: usize = 30;
const BUCKET: Duration = Duration::from_secs(10);
const ACCEPTED_FOR_ONE: u64 = 100;

/// Counts of the last five minutes, in steps of ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    buckets: [Bucket; BUCKETS],
    sum: Bucket,
    /// The number of the newest bucket since the beginning of time.
    newest: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    accepted: u64,
    given_up: u64,
}

impl Budget {
    pub(crate) fn accepted(&mut self, now: Instant) {
        self.turn_to(now);
        self.newest_bucket().accepted += 1;
        self.sum.accepted += 1;
    }

    /// Takes one from the budget, of which so many are `free`; false where it is spent.
    pub(crate) fn give_up(&mut self, free: usize, now: Instant) -> bool {
        self.turn_to(now);
        if self.sum.given_up >= self.sum.accepted / ACCEPTED_FOR_ONE + free as u64 {
            return false;
        }
        self.newest_bucket().given_up += 1;
        self.sum.given_up += 1;
        true
    }

    /// An operator wants it to go on: what was given up so far is forgiven.
    pub(crate) fn renew(&mut self) {
        for bucket in &mut self.buckets {
            bucket.given_up = 0;
        }
        self.sum.given_up = 0;
    }

    fn newest_bucket(&mut self) -> &mut Bucket {
        &mut self.buckets[(self.newest % BUCKETS as u64) as usize]
    }

    fn turn_to(&mut self, now: Instant) {
        let number = now.as_micros() / BUCKET.as_micros() as u64;
        let passed = number.saturating_sub(self.newest).min(BUCKETS as u64);
        for _ in 0..passed {
            self.newest += 1;
            let old = core::mem::take(self.newest_bucket());
            self.sum.accepted -= old.accepted;
            self.sum.given_up -= old.given_up;
        }
        self.newest = self.newest.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn give_up_all(budget: &mut Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.give_up(20, now)).count()
    }

    #[test]
    fn twenty_are_free_and_one_for_each_hundred_accepted() {
        let mut budget = Budget::default();
        assert_eq!(give_up_all(&mut budget, at(7)), 20);
        (0..199).for_each(|_| budget.accepted(at(8)));
        assert_eq!(give_up_all(&mut budget, at(9)), 1);
        budget.accepted(at(200));
        assert_eq!(give_up_all(&mut budget, at(201)), 1);
    }

    #[test]
    fn five_minutes_later_all_is_forgotten() {
        let mut budget = Budget::default();
        (0..1_000).for_each(|_| budget.accepted(at(5)));
        assert_eq!(give_up_all(&mut budget, at(5)), 30);
        assert_eq!(give_up_all(&mut budget, at(299)), 0);
        assert_eq!(give_up_all(&mut budget, at(300)), 20);
        assert_eq!(give_up_all(&mut budget, at(1_000_000)), 20);
    }

    #[test]
    fn an_operator_renews_it() {
        let mut budget = Budget::default();
        give_up_all(&mut budget, at(1));
        budget.renew();
        assert_eq!(give_up_all(&mut budget, at(1)), 20);
    }
}
