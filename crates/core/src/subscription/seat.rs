//! The places of partitions: how one is taken, and what is left when it is given back.
//!
//! A seat outlives its tenures: it knows what they left at work, so that the next one waits for it.
//! When a partition commits, fetches or is released is decided elsewhere.

use crate::commit::{CommitState, Rewinds};
use crate::completion::Completion;
use crate::fault::{Fault, Planted};
use crate::handover::Leftovers;
use crate::partition::{HeldState, Partition};
use crate::record::{CommitPoint, DeliveryId, PartitionId, Tenure};
use crate::rules::{Guarantee, Rules, Takeover};
use crate::time::Instant;
use crate::verdict::Verdict;

use super::Subscription;

/// The place of a partition.
#[derive(Debug)]
pub(super) struct Seat<P> {
    last_tenure: Option<Tenure>,
    /// What earlier tenures left at work, while there is none.
    leftovers: Leftovers,
    /// When what another process left at work has ended, as far as was known.
    free_at: Option<Instant>,
    pub(super) partition: Option<Partition<P>>,
}

impl<P> Seat<P> {
    fn new() -> Self {
        Self { last_tenure: None, leftovers: Leftovers::default(), free_at: None, partition: None }
    }

    /// When what another process may have left at work has ended. `any`: whether there was anything
    /// to send.
    fn free_at(
        &self,
        stored: Option<&CommitState>,
        any: bool,
        rules: &Rules,
        now: Instant,
    ) -> Instant {
        let elsewhere = stored
            .is_some_and(|stored| any && !stored.quiet && Some(stored.tenure) > self.last_tenure);
        let waits = elsewhere
            && rules.takeover == Takeover::Safe
            && !rules.planted.is(Fault::TakenOverAtOnce);
        let ends = if waits { now + rules.deadline + rules.grace } else { now };
        // A wait that was begun is not cut short by a rebalance.
        self.free_at.map_or(ends, |begun| begun.max(ends))
    }

    /// The tenure that begins now.
    fn next_tenure(&self, stored: Option<&CommitState>, wall_ms: i64, planted: Planted) -> Tenure {
        let last = stored.map(|stored| stored.tenure).max(self.last_tenure);
        Tenure(match last {
            Some(last) if planted.is(Fault::TenureNotRaised) => last.0,
            Some(last) => wall_ms.max(last.0 + 1),
            None => wall_ms,
        })
    }
}

impl<P: Clone> Subscription<P> {
    pub(super) fn assigned(
        &mut self,
        id: PartitionId,
        (start, end): (CommitPoint, CommitPoint),
        stored: Option<CommitState>,
        parks: bool,
        wall_ms: i64,
        now: Instant,
    ) {
        let index = id.0 as usize;
        while self.seats.len() <= index {
            self.seats.push(Seat::new());
        }
        let Self { seats, rules, .. } = self;
        let seat = &mut seats[index];
        assert!(seat.partition.is_none(), "a partition is released before it is assigned again");
        // Where nothing is committed before it is settled, what was at work lies beyond the commit
        // point.
        let any = start < end || rules.guarantee != Guarantee::AtLeastOnce;
        let free_at = seat.free_at(stored.as_ref(), any, rules, now);
        let mut leftovers = core::mem::take(&mut seat.leftovers);
        leftovers.forget_ended(now);
        let tenure = seat.next_tenure(stored.as_ref(), wall_ms, rules.planted);
        let back = i64::from(rules.planted.is(Fault::CommitGoesBack) && start.0 > 0);
        let start = CommitPoint(start.0 - back);
        let mut stored = stored.unwrap_or_else(|| CommitState::unknown(tenure));
        forget(&mut stored, rules.planted);
        seat.last_tenure = Some(tenure);
        let waits = (leftovers, free_at);
        seat.partition = Some(Partition::new(id, tenure, start, stored, parks, waits, now));
        self.assigned += 1;
        // Their shares have shrunk.
        self.consider_all();
    }

    /// Takes the partition off all books; answers to what it had in flight will be late.
    pub(super) fn remove(&mut self, id: PartitionId, now: Instant) {
        let seat = self.seats.get_mut(id.0 as usize).and_then(|seat| seat.partition.take());
        let Some(mut partition) = seat else { return };
        let mut leftovers = core::mem::take(&mut partition.leftovers);
        leftovers.forget_ended(now);
        for (offset, slot) in partition.ledger.unsettled() {
            let held = partition.lanes.get(*slot);
            let number = held.deliveries;
            let delivery = DeliveryId { partition: id, tenure: partition.tenure, offset, number };
            match held.state {
                HeldState::InFlight { endpoint, deadline, .. } => {
                    self.pool.gave_up(endpoint, now);
                    leftovers.add(delivery, deadline + self.rules.grace);
                }
                HeldState::Shut { until, unknown: Some(_) } => leftovers.add(delivery, until),
                _ => {}
            }
        }
        let seat = &mut self.seats[id.0 as usize];
        seat.free_at = Some(partition.taken_over_at);
        if !self.rules.planted.is(Fault::LeftoversForgotten) {
            seat.leftovers = leftovers;
        }
        self.in_flight -= partition.in_flight;
        self.held -= partition.load.records;
        self.taken = self.taken.minus(partition.taken());
        self.assigned -= 1;
        self.leave_queues(id);
        self.consider_all();
    }

    /// Nothing that waits, is due or has its turn is the partition's any more.
    fn leave_queues(&mut self, id: PartitionId) {
        self.fresh.retain(|queued| *queued != id);
        self.again.retain(|queued| *queued != id);
        self.waiting.retain(|(_, waits)| *waits != id);
        self.awaiting.retain(|(partition, _)| *partition != id);
        self.suspects.leave(id);
        self.leaving.retain(|(partition, _)| *partition != id);
        self.parking.retain(|(partition, _)| *partition != id);
        self.troubled.retain(|(_, partition, _)| *partition != id);
        self.attention.retain(|queued| *queued != id);
        self.reopenings.retain(|(_, partition, _)| *partition != id);
        self.looks.retain(|(_, partition)| *partition != id);
        self.deadlines.retain(|(_, delivery)| delivery.partition != id);
        self.short.remove(&id);
    }

    /// A service is done with what an earlier tenure sent.
    pub(super) fn leftover_ended(&mut self, id: DeliveryId, verdict: Verdict) {
        let Some(seat) = self.seats.get_mut(id.partition.0 as usize) else { return };
        if matches!(verdict, Verdict::Unknown(_)) {
            return;
        }
        let leftovers = match &mut seat.partition {
            Some(partition) => &mut partition.leftovers,
            None => &mut seat.leftovers,
        };
        if leftovers.ended(id) {
            self.waiting.retain(|(_, waits)| *waits != id.partition);
            self.queue_turn(id.partition);
            self.consider(id.partition);
        }
    }

    pub(super) fn partition(&mut self, id: PartitionId) -> Option<(&mut Partition<P>, &Rules)> {
        let partition = self.seats.get_mut(id.0 as usize)?.partition.as_mut()?;
        Some((partition, &self.rules))
    }

    pub(super) fn tenured(
        &mut self,
        id: PartitionId,
        tenure: Tenure,
    ) -> Option<(&mut Partition<P>, &Rules)> {
        self.partition(id).filter(|(partition, _)| partition.tenure == tenure)
    }
}

/// Takes from what the former owner stored what a planted fault says; else nothing.
fn forget(stored: &mut CommitState, planted: Planted) {
    if planted.is(Fault::ParkForgotten) {
        stored.parked.clear();
    }
    if planted.is(Fault::MapIgnored) {
        stored.completion = Completion::default();
    }
    if planted.is(Fault::PastsForgotten) {
        stored.pasts.clear();
    }
    if planted.is(Fault::RewindsForgotten) {
        stored.rewinds = Rewinds::default();
    }
}
