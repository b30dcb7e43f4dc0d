//! What time does: it ends deliveries, ends waits and reopens lanes; and when to come back for that.
//!
//! A wake-up names something that can be done then (P9). What becomes of a record whose delivery
//! ended, or whose lane is due, is decided in `settle.rs`.

use alloc::vec::Vec;

use crate::fault::Fault;
use crate::partition::{HeldState, Unknown};
use crate::pool::Pool;
use crate::record::PartitionId;
use crate::time::Instant;
use crate::verdict::Answer;

use super::Subscription;

impl<P: Clone> Subscription<P> {
    /// Lets time pass: deadlines end what has no answer (P4), then lanes reopen, for without grace
    /// an ended delivery may go again at once.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            let Self { seats, rules, .. } = &*self;
            let seat = seats[id.partition.0 as usize].partition.as_ref();
            let flight = seat.and_then(|partition| partition.flight(id, rules));
            match flight {
                Some(_) if deadline > now => break,
                Some(slot) if !rules.planted.is(Fault::DeadlineForgotten) => {
                    self.end_flight(id.partition, slot, Answer::overdue(), now);
                }
                _ => {}
            }
            self.deadlines.pop_front();
        }
        while let Some(&(at, id)) = self.looks.first().filter(|look| look.0 <= now) {
            self.looks.remove(&(at, id));
            self.consider(id);
        }
        while let Some(&(at, id)) = self.waiting.first().filter(|waits| waits.0 <= now) {
            self.waiting.remove(&(at, id));
            self.queue_turn(id);
        }
        while let Some(&(at, id, slot)) = self.reopenings.first().filter(|lane| lane.0 <= now) {
            self.reopenings.remove(&(at, id, slot));
            self.due(id, slot, now);
        }
    }

    /// When to poll again though nothing happened. Only what can be done then counts (P9).
    pub fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        let look = self.looks.first().map(|look| look.0);
        let deadline = self.deadlines.front().map(|deadline| deadline.0);
        let forgets = self.rules.planted.is(Fault::RetryNotWoken);
        let reopening = self.reopenings.first().map(|lane| lane.0).filter(|_| !forgets);
        let spurious = (self.rules.planted.is(Fault::WakeWithoutWork)
            && self.in_flight == self.rules.in_flight_max
            && !self.fresh.is_empty())
        .then_some(now);
        let delivery = self.next_delivery(reopening, now);
        [look, deadline, delivery, self.pool.next_check_at(), spurious].into_iter().flatten().min()
    }

    /// Opens, after grace, the lanes whose service is known to be gone: it works on nothing.
    pub(super) fn open_lanes(&mut self, now: Instant, gone: impl Fn(&Pool, Unknown) -> bool) {
        let soon = now + self.rules.grace;
        let later = self.reopenings.range((soon, PartitionId(0), 0)..).copied();
        let later: Vec<_> = later.collect();
        for (until, id, slot) in later {
            let Self { seats, pool, .. } = self;
            let partition = seats[id.0 as usize].partition.as_mut().expect("a lane has one");
            let HeldState::Shut { until: at, unknown: Some(unknown) } =
                &mut partition.lanes.get_mut(slot).state
            else {
                continue;
            };
            if gone(pool, *unknown) {
                *at = soon;
                partition.count_unknown();
                self.reopenings.remove(&(until, id, slot));
                self.reopenings.insert((soon, id, slot));
                self.consider(id);
            }
        }
    }
}
