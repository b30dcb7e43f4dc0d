//! What is sent next, and when: gates, turns, and the choice of an endpoint.

use crate::blame::LaneName;
use crate::cap::Cap;
use crate::fault::Fault;
use crate::hold::Gate;
use crate::lanes::Slot;
use crate::partition::{HeldState, Partition, Ready};
use crate::record::{DeliveryId, EndpointId, PartitionId};
use crate::rules::Order;
use crate::time::Instant;

use super::{Delivery, Output, Subscription};

/// Which kind of lane is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Its head was never sent.
    Fresh,
    /// Its head came back.
    Again,
}

impl<P: Clone> Subscription<P> {
    pub(super) fn poll_delivery(&mut self, now: Instant) -> Option<Output<P>> {
        let (turn, id) = loop {
            let turn = self.next_turn(now);
            let (turn, id) =
                turn.or_else(|| self.await_no_more(now).then(|| self.next_turn(now))?)?;
            if self.gate_at(now).is_none_or(|open| open > now) {
                return None;
            }
            if self.is_full() {
                self.limiter.binds();
                return None;
            }
            if self.is_crowded() {
                return None;
            }
            if turn == Turn::Fresh || !self.judge_again(id, now) {
                break (turn, id);
            }
        };
        let avoided = match turn {
            Turn::Fresh => None,
            Turn::Again => self.last_endpoint(id),
        };
        let endpoint = match self.hold.gate() {
            Gate::Probe(_) => self.pool.pick_probe(now, &mut self.rng),
            Gate::Open | Gate::Shut => self.pool.pick(avoided, now, &mut self.rng),
        }?;
        match turn {
            Turn::Fresh => {
                self.fresh.rotate_left(1);
                self.retries.first_sent();
            }
            Turn::Again => {
                self.again.rotate_left(1);
                self.retries.retry_sent(now);
            }
        }
        Some(Output::Deliver(self.send(turn, id, endpoint, now)))
    }

    /// When the next delivery may go, given when the next lane reopens; none where only an input
    /// can help.
    pub(super) fn next_delivery(
        &self,
        reopening: Option<Instant>,
        now: Instant,
    ) -> Option<Instant> {
        if self.is_full() || self.is_crowded() {
            return None;
        }
        let gate = self.gate_at(now)?;
        let held = matches!(self.hold.gate(), Gate::Probe(_));
        let probes = held || !self.pool.has_well();
        let again = |at: Instant| if probes { at } else { at.max(self.retries.next(now)) };
        let turn = |at| self.has_turn(at);
        let lane = match turn(None) {
            Ready { fresh: true, .. } => Some(now),
            Ready { fresh: false, again: true } => Some(again(now)),
            Ready { fresh: false, again: false } => {
                let mut waiting = self.waiting.iter();
                let waiting = waiting.find(|(at, id)| self.lease_until(*id) > Some(*at));
                let waiting = waiting.map(|(at, _)| *at);
                waiting.into_iter().chain(reopening.map(again)).min()
            }
        };
        let pick = if held { self.pool.next_probe_pick() } else { self.pool.next_pick() };
        let at = lane?.max(gate).max(pick?);
        // What has its turn may not be ours any more by then; a renewal comes before that.
        let ours = at <= now || turn(None) == Ready::NONE || turn(Some(at)) != Ready::NONE;
        ours.then_some(at)
    }

    /// Which kinds of lanes have their turn, in partitions that are ours for sure at `then`.
    fn has_turn(&self, then: Option<Instant>) -> Ready {
        let ready = |id: &PartitionId| {
            let partition = self.seats[id.0 as usize].partition.as_ref();
            let ours =
                partition.filter(|of| then.is_none_or(|then| of.lease_until(&self.rules) > then));
            ours.map_or(Ready::NONE, |partition| partition.may_deliver(&self.rules))
        };
        Ready {
            fresh: self.fresh.iter().any(|id| ready(id).fresh),
            again: self.again.iter().any(|id| ready(id).again),
        }
    }

    fn lease_until(&self, id: PartitionId) -> Option<Instant> {
        let partition = self.seats[id.0 as usize].partition.as_ref();
        partition.map(|partition| partition.lease_until(&self.rules))
    }

    /// From when on anything may be sent: holds and the rate cap; none where nothing may be.
    fn gate_at(&self, now: Instant) -> Option<Instant> {
        let hold = match self.hold.gate() {
            Gate::Open => now,
            Gate::Probe(at) if self.rules.planted.is(Fault::HoldLeaks) => at.min(now),
            Gate::Probe(at) => at,
            Gate::Shut => return None,
        };
        Some(self.rate.as_ref().map_or(hold, |rate| hold.max(rate.next(now))))
    }

    /// Why nothing more is sent.
    pub(super) fn cap(&self, now: Instant) -> Cap {
        match self.hold.gate() {
            Gate::Shut => return Cap::Operator,
            Gate::Probe(_) => return Cap::Target,
            Gate::Open => {}
        }
        if self.fresh.is_empty() && self.again.is_empty() {
            return match self.rules.order {
                _ if self.held <= self.in_flight => Cap::Records,
                Order::Partition => Cap::Partitions,
                Order::Key | Order::None => Cap::Keys,
            };
        }
        if self.is_crowded() {
            return Cap::Service;
        }
        if self.is_full() {
            let learnt = self.limiter.limit() < self.rules.in_flight;
            return if learnt { Cap::Service } else { Cap::InFlight };
        }
        if self.gate_at(now).is_some_and(|open| open > now) {
            return Cap::Rate;
        }
        match self.pool.next_pick() {
            None if self.pool.has_well() => Cap::Service,
            Some(at) if at <= now => Cap::Keys,
            _ => Cap::Target,
        }
    }

    /// Whether all that may be in flight is. Probes may go beyond the limit that was learnt, for
    /// the deliveries before them may hang, and never beyond the bound (P3).
    fn is_full(&self) -> bool {
        let limit = match self.hold.gate() {
            Gate::Probe(_) => self.rules.in_flight_max,
            Gate::Open | Gate::Shut => self.limiter.limit(),
        };
        let extra = usize::from(self.rules.planted.is(Fault::OneTooManyInFlight));
        self.in_flight >= limit.min(self.rules.in_flight_max) + extra
    }

    /// Whose turn it is: what came back goes first as far as the budget of retries allows, and a
    /// target on probation gets what was never tried, if there is any.
    fn next_turn(&mut self, now: Instant) -> Option<(Turn, PartitionId)> {
        let fresh = self.next_fresh(now).map(|id| (Turn::Fresh, id));
        let again = self.next_again(now).map(|id| (Turn::Again, id));
        match self.hold.gate() {
            Gate::Probe(_) => fresh.or(again),
            _ if !self.pool.has_well() => fresh.or(again),
            Gate::Open | Gate::Shut => again.filter(|_| self.retries.next(now) <= now).or(fresh),
        }
    }

    pub(super) fn next_fresh(&mut self, now: Instant) -> Option<PartitionId> {
        while let Some(&id) = self.fresh.front() {
            let (partition, ready) = self.readiness(id, now);
            if ready.fresh {
                return Some(id);
            }
            partition.in_fresh = false;
            self.fresh.pop_front();
        }
        None
    }

    fn next_again(&mut self, now: Instant) -> Option<PartitionId> {
        while let Some(&id) = self.again.front() {
            let (partition, ready) = self.readiness(id, now);
            if ready.again {
                return Some(id);
            }
            partition.in_again = false;
            self.again.pop_front();
        }
        None
    }

    /// What is not ready comes back when it is: with the end of its wait, or the next commit.
    fn readiness(&mut self, id: PartitionId, now: Instant) -> (&mut Partition<P>, Ready) {
        let Self { seats, rules, waiting, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("what has a turn is there");
        let ready = match partition.is_alone(rules, now) {
            true => partition.may_deliver(rules),
            false => {
                let free_at = partition.free_at();
                waiting.extend((free_at > now).then_some((free_at, id)));
                Ready::NONE
            }
        };
        (partition, ready)
    }

    pub(super) fn queue_turn(&mut self, id: PartitionId) {
        let Self { seats, rules, fresh, again, .. } = self;
        let Some(partition) = &mut seats[id.0 as usize].partition else { return };
        let ready = partition.may_deliver(rules);
        if ready.fresh && !partition.in_fresh {
            partition.in_fresh = true;
            fresh.push_back(id);
        }
        if ready.again && !partition.in_again {
            partition.in_again = true;
            again.push_back(id);
        }
    }

    fn last_endpoint(&mut self, id: PartitionId) -> Option<EndpointId> {
        let (partition, _) = self.partition(id)?;
        let head = partition.lanes.peek_again()?;
        partition.lanes.get(head).failure.as_ref().map(|failure| failure.endpoint)
    }

    fn send(
        &mut self,
        turn: Turn,
        id: PartitionId,
        endpoint: EndpointId,
        now: Instant,
    ) -> Delivery<P> {
        let deadline = now + self.rules.deadline;
        let credit = self.credit();
        let Self { seats, rules, suspects, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("it has its turn");
        let slot = match turn {
            Turn::Fresh => partition.lanes.start_fresh(),
            Turn::Again => partition.lanes.start_again(),
        };
        let slot = slot.expect("it has a ready lane");
        partition.in_flight += 1;
        let is_short = partition.is_short(credit);
        let (tenure, rewinds) = (partition.tenure, partition.rewinds);
        let lane = lane_name(partition, slot);
        let held = partition.lanes.get_mut(slot);
        held.deliveries += 1;
        held.state = HeldState::InFlight { endpoint, sent: now, deadline };
        let id = DeliveryId { partition: id, tenure, offset: held.offset, number: held.deliveries };
        suspects.sent(id, held, rules);
        let (payload, replay) = (held.payload.clone(), rewinds.replay_of(held.offset));
        self.in_flight += 1;
        self.counts.deliveries += 1;
        self.blame.sent(lane, now);
        self.hold.probed(self.rules.probe_interval, now);
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
        let later = self.deadlines.iter().rev().take_while(|(at, _)| *at > deadline).count();
        self.deadlines.insert(self.deadlines.len() - later, (deadline, id));
        self.drop_answered_deadlines();
        if is_short {
            self.consider(id.partition);
        }
        Delivery { id, revision: self.route.revision(), endpoint, replay, deadline, payload }
    }

    /// One delivery that hangs keeps all later deadlines queued behind its own; past twice the
    /// bound of flights, the answered ones are dropped, so each costs a constant in the long run.
    fn drop_answered_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.in_flight + 512 {
            let Self { seats, rules, deadlines, .. } = self;
            deadlines.retain(|(_, id)| {
                let seat = seats[id.partition.0 as usize].partition.as_ref();
                seat.is_some_and(|partition| partition.flight(*id, rules).is_some())
            });
        }
    }
}

/// The name of a record's lane among those of all partitions. A record without a key is a lane of
/// its own.
pub(super) fn lane_name<P>(partition: &Partition<P>, slot: Slot) -> LaneName {
    let own = match partition.lanes.key(slot) {
        Some(key) => key,
        None => !partition.lanes.get(slot).offset.0.unsigned_abs(),
    };
    let id = u64::from(partition.id.0) + 1;
    LaneName((own ^ id.rotate_left(48)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
