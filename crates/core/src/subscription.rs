//! A subscription: partitions, credit, route and pool joined into the one machine that the
//! gateway and the simulator both drive.
//!
//! [`Subscription::handle`] takes what the world did, [`Subscription::poll`] says what to do next,
//! [`Subscription::next_wakeup`] when to come back though nothing happened. What it wants is
//! derived from its state when it is polled, so not polling is the back-pressure, and nothing
//! queues up. Each output has one kind of input that answers it; an answer that comes late, twice
//! or for a former tenure changes nothing (P5).

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::credit::{Credit, Load};
use crate::fault::Fault;
use crate::lanes::Slot;
use crate::partition::{Failure, HeldState, Partition, Step, Unknown};
use crate::pool::Pool;
use crate::record::{CommitPoint, DeliveryId, EndpointId, PartitionId, Record, Tenure};
use crate::retry::Flight;
use crate::rng::Rng;
use crate::route::{RevisionId, Route};
use crate::rules::Rules;
use crate::time::Instant;
use crate::verdict::{Answer, TargetFault, UnknownCause, Verdict};
use crate::view::Counts;

mod view;

/// All that can happen to a subscription.
#[derive(Clone, Debug)]
pub enum Input<P> {
    /// The group gave us a partition. `start` is its stored commit point, or where the start
    /// policy begins; `stored` the tenure found there; `wall_ms` the time since 1970.
    Assigned { partition: PartitionId, start: CommitPoint, stored: Option<Tenure>, wall_ms: i64 },
    /// Answers [`Output::Fetch`]: at least one record, in rising order.
    Fetched { partition: PartitionId, tenure: Tenure, records: Vec<Record<P>> },
    /// Answers [`Output::Deliver`].
    Answered { id: DeliveryId, answer: Answer },
    /// Answers [`Output::Commit`]: Kafka has it.
    Committed { partition: PartitionId, tenure: Tenure, point: CommitPoint },
    /// Answers [`Output::Commit`]: Kafka does not have it, or it can't be known.
    CommitFailed { partition: PartitionId, tenure: Tenure },
    /// The group wants the partition back; [`Output::Released`] will follow.
    Revoked { partition: PartitionId },
    /// The partition is another's already: nothing may be committed.
    Lost { partition: PartitionId },
    /// The endpoints of the target, all of them.
    Endpoints(Vec<EndpointId>),
}

/// All that a subscription can ask for.
#[derive(Clone, Debug)]
pub enum Output<P> {
    /// Commit the point, and the tenure with it.
    Commit {
        partition: PartitionId,
        tenure: Tenure,
        point: CommitPoint,
    },
    /// Hand over records as soon as there are any, at most so many and so large; the first one
    /// may be larger than the bound. It replaces the fetch of the same tenure that is still open.
    Fetch {
        partition: PartitionId,
        tenure: Tenure,
        records: usize,
        bytes: usize,
    },
    Deliver(Delivery<P>),
    /// The revoked partition is drained; nothing follows for it (P11).
    Released {
        partition: PartitionId,
    },
}

/// A record on its way to an endpoint.
#[derive(Clone, Debug)]
pub struct Delivery<P> {
    pub id: DeliveryId,
    pub revision: RevisionId,
    pub endpoint: EndpointId,
    /// The answer counts until then.
    pub deadline: Instant,
    pub payload: P,
}

#[derive(Debug)]
pub struct Subscription<P> {
    rules: Rules,
    seats: Vec<Seat<P>>,
    assigned: usize,
    in_flight: usize,
    /// What all partitions hold, and what their open fetches may bring.
    taken: Load,
    /// Partitions that would fetch if others did not hold more than their share.
    short: BTreeSet<PartitionId>,
    route: Route,
    pool: Pool,
    rng: Rng,
    /// Partitions with a record that may go, in turn.
    turn: VecDeque<PartitionId>,
    /// Partitions that may want to commit, to fetch or to be released.
    attention: VecDeque<PartitionId>,
    /// When shut lanes reopen.
    reopenings: BTreeSet<(Instant, PartitionId, Slot)>,
    /// When a partition's commit or drain is due for another look.
    looks: BTreeSet<(Instant, PartitionId)>,
    /// Deliveries in the order of their deadlines, some of them answered.
    deadlines: VecDeque<(Instant, DeliveryId)>,
    counts: Counts,
}

/// The place of a partition, which outlives its tenures.
#[derive(Debug)]
struct Seat<P> {
    last_tenure: Option<Tenure>,
    partition: Option<Partition<P>>,
}

impl<P: Clone> Subscription<P> {
    pub fn new(rules: Rules, revision: RevisionId, seed: u64) -> Self {
        assert!(rules.in_flight_max > 0 && rules.records_max > 0 && rules.window_max > 0);
        Self {
            pool: Pool::new(match rules.planted.is(Fault::NoProbePause) {
                true => Duration::ZERO,
                false => rules.probe_interval,
            }),
            rules,
            seats: Vec::new(),
            assigned: 0,
            in_flight: 0,
            taken: Load::default(),
            short: BTreeSet::new(),
            route: Route::single(revision),
            rng: Rng::new(seed),
            turn: VecDeque::new(),
            attention: VecDeque::new(),
            reopenings: BTreeSet::new(),
            looks: BTreeSet::new(),
            deadlines: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    pub fn handle(&mut self, input: Input<P>, now: Instant) {
        // An answer that comes at its deadline is late, whether or not that was polled in between.
        self.advance(now);
        match input {
            Input::Assigned { partition, start, stored, wall_ms } => {
                self.assigned(partition, start, stored, wall_ms, now);
            }
            Input::Fetched { partition, tenure, records } => {
                self.fetched(partition, tenure, records);
            }
            Input::Answered { id, answer } => self.answered(id, answer, now),
            Input::Committed { partition, tenure, point } => {
                if let Some((committed, rules)) = self.tenured(partition, tenure) {
                    committed.committed(point, now, rules);
                    self.queue_turn(partition);
                    self.consider(partition);
                }
            }
            Input::CommitFailed { partition, tenure } => {
                if let Some((failed, rules)) = self.tenured(partition, tenure) {
                    failed.commit_failed(now, rules);
                    self.consider(partition);
                }
            }
            Input::Revoked { partition } => {
                if let Some((revoked, rules)) = self.partition(partition) {
                    revoked.drain(now, rules);
                    self.consider(partition);
                }
            }
            Input::Lost { .. } if self.rules.planted.is(Fault::LostIgnored) => {}
            Input::Lost { partition } => self.remove(partition, now),
            Input::Endpoints(endpoints) => {
                self.pool.set(&endpoints);
                self.open_lanes(now, |pool, unknown| pool.has_left(unknown.endpoint));
            }
        }
    }

    /// What to do next; `None` until there is new input or [`Subscription::next_wakeup`] has come.
    pub fn poll(&mut self, now: Instant) -> Option<Output<P>> {
        self.advance(now);
        self.poll_attention(now).or_else(|| self.poll_delivery(now))
    }

    /// When to poll again though nothing happened. Only what can be done then counts (P9).
    pub fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        let look = self.looks.first().map(|look| look.0);
        let deadline = self.deadlines.front().map(|deadline| deadline.0);
        // A lane is of use only with a free slot and an endpoint that may be tried.
        let forgets = self.rules.planted.is(Fault::RetryNotWoken);
        let reopening = self.reopenings.first().map(|lane| lane.0).filter(|_| !forgets);
        let lane = if self.turn.is_empty() { reopening } else { Some(now) };
        let free = self.in_flight < self.rules.in_flight_max;
        let endpoint = if free { self.pool.next_pick() } else { None };
        let delivery = lane.zip(endpoint).map(|(lane, endpoint)| lane.max(endpoint));
        let spurious = (self.rules.planted.is(Fault::WakeWithoutWork)
            && self.in_flight == self.rules.in_flight_max
            && !self.turn.is_empty())
        .then_some(now);
        [look, deadline, delivery, spurious].into_iter().flatten().min()
    }

    /// Asserts every invariant that can be seen from inside.
    pub fn check(&self) {
        let partitions = self.seats.iter().filter_map(|seat| seat.partition.as_ref());
        let mut in_flight = 0;
        let mut taken = Load::default();
        for partition in partitions {
            partition.check();
            in_flight += partition.in_flight;
            taken = taken.plus(partition.taken());
        }
        assert_eq!(taken, self.taken, "what is held, and to come, is what is counted");
        assert_eq!(in_flight, self.in_flight, "what is out is what is counted");
        assert!(self.in_flight <= self.rules.in_flight_max, "P3: in flight within its bound");
    }

    fn assigned(
        &mut self,
        id: PartitionId,
        start: CommitPoint,
        stored: Option<Tenure>,
        wall_ms: i64,
        now: Instant,
    ) {
        let index = id.0 as usize;
        while self.seats.len() <= index {
            self.seats.push(Seat { last_tenure: None, partition: None });
        }
        let seat = &mut self.seats[index];
        assert!(seat.partition.is_none(), "a partition is released before it is assigned again");
        let last = stored.max(seat.last_tenure);
        let mut tenure = last.map_or(wall_ms, |last| wall_ms.max(last.0 + 1));
        if self.rules.planted.is(Fault::TenureNotRaised) {
            tenure = last.map_or(wall_ms, |last| last.0);
        }
        let back = i64::from(self.rules.planted.is(Fault::CommitGoesBack) && start.0 > 0);
        let start = CommitPoint(start.0 - back);
        seat.last_tenure = Some(Tenure(tenure));
        seat.partition = Some(Partition::new(id, Tenure(tenure), start, now));
        self.assigned += 1;
        // Their shares have shrunk.
        self.consider_all();
    }

    fn fetched(&mut self, id: PartitionId, tenure: Tenure, records: Vec<Record<P>>) {
        assert!(!records.is_empty(), "a fetch is answered when there are records");
        let Some((partition, rules)) = self.tenured(id, tenure) else { return };
        let before = partition.taken();
        partition.fetched(rules);
        if !partition.is_draining() {
            for record in records {
                partition.track(record, rules);
            }
        }
        let after = partition.taken();
        self.taken = self.taken.minus(before).plus(after);
        self.queue_turn(id);
        self.consider(id);
        self.consider_short();
    }

    fn answered(&mut self, id: DeliveryId, answer: Answer, now: Instant) {
        let tenure_counts = !self.rules.planted.is(Fault::TenureIgnored);
        let Self { seats, rules, .. } = self;
        let seat = seats.get(id.partition.0 as usize).and_then(|seat| seat.partition.as_ref());
        let current = seat.filter(|seat| seat.tenure == id.tenure || !tenure_counts);
        match current.and_then(|seat| seat.flight(id, rules)) {
            Some(slot) => self.end_flight(id.partition, slot, answer, now),
            None => self.counts.late += 1,
        }
    }

    /// A delivery ended, by its answer or its deadline.
    fn end_flight(&mut self, id: PartitionId, slot: Slot, answer: Answer, now: Instant) {
        let Self { seats, rules, rng, pool, counts, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("a flight has a partition");
        let held = partition.lanes.get_mut(slot);
        let HeldState::InFlight { endpoint, sent, deadline } = held.state else {
            unreachable!("only a record in flight ends a flight");
        };
        partition.in_flight -= 1;
        self.in_flight -= 1;
        counts.count(answer.verdict);
        let answer_refused = answer.verdict == Verdict::TargetFault(TargetFault::Refused);
        pool.ended(endpoint, answer.verdict, now);
        let verdict = match answer.verdict {
            Verdict::Unknown(_) if rules.planted.is(Fault::UnknownIsSuccess) => Verdict::Accept,
            verdict => verdict,
        };
        let flight = Flight { deadline, left: pool.has_left(endpoint) };
        match flight.again_at(verdict, held, now, rules, rng) {
            None => {
                self.taken.remove(partition.settle(slot));
                counts.settled += 1;
            }
            Some(until) => {
                held.failure = Some(Box::new(Failure { endpoint, answer }));
                let unknown = matches!(verdict, Verdict::Unknown(_));
                let unknown = unknown.then_some(Unknown { endpoint, since: now });
                held.state = HeldState::Shut { until, unknown };
                partition.lanes.shut(slot);
                self.reopenings.insert((until, id, slot));
            }
        }
        self.queue_turn(id);
        self.consider(id);
        self.consider_short();
        if answer_refused {
            // Only what had ended before this delivery was sent has ended with the process that
            // refuses; another process may have come and gone at the address since.
            let too_much = self.rules.planted.is(Fault::RefusalProvesTooMuch);
            self.open_lanes(now, |_, unknown| {
                unknown.endpoint == endpoint && (unknown.since <= sent || too_much)
            });
        }
    }

    /// Takes the partition off all books; answers to what it had in flight will be late.
    fn remove(&mut self, id: PartitionId, now: Instant) {
        let seat = self.seats.get_mut(id.0 as usize).and_then(|seat| seat.partition.take());
        let Some(partition) = seat else { return };
        for (_, slot) in partition.ledger.unsettled() {
            if let HeldState::InFlight { endpoint, .. } = partition.lanes.get(*slot).state {
                self.pool.ended(endpoint, Verdict::Unknown(UnknownCause::Abandoned), now);
            }
        }
        self.in_flight -= partition.in_flight;
        self.taken = self.taken.minus(partition.taken());
        self.assigned -= 1;
        self.turn.retain(|queued| *queued != id);
        self.attention.retain(|queued| *queued != id);
        self.reopenings.retain(|(_, partition, _)| *partition != id);
        self.looks.retain(|(_, partition)| *partition != id);
        self.deadlines.retain(|(_, delivery)| delivery.partition != id);
        self.short.remove(&id);
        self.consider_all();
    }

    /// Lets time pass: deadlines end what has no answer (P4), then lanes reopen, for without grace
    /// an ended delivery may go again at once.
    fn advance(&mut self, now: Instant) {
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
        while let Some(&(at, id, slot)) = self.reopenings.first().filter(|lane| lane.0 <= now) {
            self.reopenings.remove(&(at, id, slot));
            self.reopen(id, slot);
        }
    }

    fn reopen(&mut self, id: PartitionId, slot: Slot) {
        let (partition, rules) = self.partition(id).expect("its lanes reopen no more when it goes");
        partition.lanes.get_mut(slot).state = HeldState::Queued;
        partition.lanes.reopen(slot);
        if rules.planted.is(Fault::RetryGoesLast) {
            partition.lanes.send_to_back(slot);
        }
        self.queue_turn(id);
    }

    /// Opens, after grace, the lanes whose service is known to be gone: it works on nothing.
    fn open_lanes(&mut self, now: Instant, gone: impl Fn(&Pool, Unknown) -> bool) {
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
                self.reopenings.remove(&(until, id, slot));
                self.reopenings.insert((soon, id, slot));
            }
        }
    }

    fn poll_attention(&mut self, now: Instant) -> Option<Output<P>> {
        while let Some(&id) = self.attention.front() {
            let Self { seats, rules, .. } = self;
            let most = Load { records: rules.records_max, bytes: rules.bytes_max };
            let credit = Credit::share(most, self.assigned, self.taken);
            let partition = seats[id.0 as usize].partition.as_mut().expect("attention has one");
            let tenure = partition.tenure;
            match partition.next_step(now, credit, rules) {
                Some(Step::Commit(point)) => {
                    partition.commit_sent(point);
                    return Some(Output::Commit { partition: id, tenure, point });
                }
                Some(Step::Fetch(room)) => {
                    let open = partition.fetching.replace(room).unwrap_or_default();
                    self.taken = self.taken.minus(open).plus(room);
                    let (records, bytes) = (room.records, room.bytes);
                    return Some(Output::Fetch { partition: id, tenure, records, bytes });
                }
                Some(Step::Release) => {
                    self.remove(id, now);
                    return Some(Output::Released { partition: id });
                }
                None => {
                    let look = partition.next_look(now, rules);
                    if partition.is_short(credit) {
                        self.short.insert(id);
                    }
                    partition.attended = false;
                    self.attention.pop_front();
                    // Nearly every settled record asks for the look that is set already.
                    if look.is_some() && look != partition.look {
                        partition.look = look;
                        self.looks.extend(look.map(|look| (look, id)));
                    }
                }
            }
        }
        None
    }

    fn poll_delivery(&mut self, now: Instant) -> Option<Output<P>> {
        let extra = usize::from(self.rules.planted.is(Fault::OneTooManyInFlight));
        while self.in_flight < self.rules.in_flight_max + extra {
            let &id = self.turn.front()?;
            let Self { seats, rules, .. } = self;
            let partition = seats[id.0 as usize].partition.as_mut().expect("turn has one");
            if !partition.may_deliver(rules) {
                partition.in_turn = false;
                self.turn.pop_front();
                continue;
            }
            let endpoint = self.pool.pick(now, &mut self.rng)?;
            self.turn.rotate_left(1);
            return Some(Output::Deliver(self.send(id, endpoint, now)));
        }
        None
    }

    fn send(&mut self, id: PartitionId, endpoint: EndpointId, now: Instant) -> Delivery<P> {
        let deadline = now + self.rules.deadline;
        let (partition, _) = self.partition(id).expect("it has its turn");
        let slot = partition.lanes.start().expect("it has a ready lane");
        partition.in_flight += 1;
        let tenure = partition.tenure;
        let held = partition.lanes.get_mut(slot);
        held.deliveries += 1;
        held.state = HeldState::InFlight { endpoint, sent: now, deadline };
        let id = DeliveryId { partition: id, tenure, offset: held.offset, number: held.deliveries };
        let payload = held.payload.clone();
        self.in_flight += 1;
        self.counts.deliveries += 1;
        self.deadlines.push_back((deadline, id));
        self.drop_answered_deadlines();
        Delivery { id, revision: self.route.revision(), endpoint, deadline, payload }
    }

    /// One delivery that hangs keeps all later deadlines queued behind its own; past twice the
    /// bound of flights, the answered ones are dropped, so each costs a constant in the long run.
    fn drop_answered_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.rules.in_flight_max + 64 {
            let Self { seats, rules, deadlines, .. } = self;
            deadlines.retain(|(_, id)| {
                let seat = seats[id.partition.0 as usize].partition.as_ref();
                seat.is_some_and(|partition| partition.flight(*id, rules).is_some())
            });
        }
    }

    fn partition(&mut self, id: PartitionId) -> Option<(&mut Partition<P>, &Rules)> {
        let partition = self.seats.get_mut(id.0 as usize)?.partition.as_mut()?;
        Some((partition, &self.rules))
    }

    fn tenured(&mut self, id: PartitionId, tenure: Tenure) -> Option<(&mut Partition<P>, &Rules)> {
        self.partition(id).filter(|(partition, _)| partition.tenure == tenure)
    }

    fn queue_turn(&mut self, id: PartitionId) {
        let Self { seats, rules, turn, .. } = self;
        if let Some(partition) = &mut seats[id.0 as usize].partition
            && !partition.in_turn
            && partition.may_deliver(rules)
        {
            partition.in_turn = true;
            turn.push_back(id);
        }
    }

    fn consider_all(&mut self) {
        for index in 0..self.seats.len() {
            self.consider(PartitionId(index as u32));
        }
    }

    /// Some credit came back: for those that had none to take.
    fn consider_short(&mut self) {
        while let Some(id) = self.short.pop_first() {
            self.consider(id);
        }
    }

    fn consider(&mut self, id: PartitionId) {
        let Self { seats, attention, .. } = self;
        if let Some(partition) = &mut seats[id.0 as usize].partition
            && !partition.attended
        {
            partition.attended = true;
            attention.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests;
