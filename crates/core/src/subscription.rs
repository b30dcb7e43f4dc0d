//! A subscription: partitions, credit, route and pool joined into the one machine that the
//! gateway and the simulator both drive.
//!
//! [`Subscription::handle`] takes what the world did, [`Subscription::poll`] says what to do next,
//! [`Subscription::next_wakeup`] when to come back though nothing happened. What it wants is
//! derived from its state when it is polled, so not polling is the back-pressure, and nothing
//! queues up. Each output has one kind of input that answers it; an answer that comes late, twice
//! or for a former tenure changes nothing (P5).

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::blame::Blame;
use crate::budget::Budget;
use crate::cap::Caps;
use crate::commit::{CommitState, Rewinds};
use crate::completion::Completion;
use crate::credit::{Credit, Load};
use crate::fault::Fault;
use crate::handover::Leftovers;
use crate::hold::Hold;
use crate::lanes::Slot;
use crate::limiter::{Bounds, Limiter};
use crate::park::ParkPlace;
use crate::partition::{HeldState, Partition, Step, Unknown, Why};
use crate::pool::{Pool, PoolRules};
use crate::rate::Bucket;
use crate::record::{CommitPoint, DeliveryId, EndpointId, Offset, PartitionId, Record, Tenure};
use crate::retry::Retries;
use crate::rng::Rng;
use crate::route::{RevisionId, Route};
use crate::rules::{Guarantee, Rules, Takeover};
use crate::time::Instant;
use crate::verdict::{Answer, TargetFault, Verdict};
use crate::view::Counts;

mod command;
mod deliver;
mod park;
mod settle;
mod view;

pub use command::{Command, CommandError};

/// All that can happen to a subscription.
#[derive(Clone, Debug)]
pub enum Input<P> {
    /// The group gave us a partition. `start` is its stored commit point, or where the start
    /// policy begins; `end` the end of its log; `stored` what was found beside the commit point;
    /// `wall_ms` the time since 1970. `parks`: whether its keys may be parked.
    Assigned {
        partition: PartitionId,
        start: CommitPoint,
        end: CommitPoint,
        stored: Option<CommitState>,
        parks: bool,
        wall_ms: i64,
    },
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
    /// Answers [`Output::DeadLetter`]: Kafka acknowledged it, or did not, or it can't be known.
    DeadLettered { partition: PartitionId, tenure: Tenure, offset: Offset, written: bool },
    /// Answers [`Output::Park`]: where Kafka has it; none where it has not, or it can't be known.
    Parked { partition: PartitionId, tenure: Tenure, offset: Offset, at: Option<ParkPlace> },
    /// The group's commit point in a partition of the park topic, and the end of the log there,
    /// when they were asked for: to be told now and then while [`Subscription::parked_in`] names
    /// the partition.
    ParkCommitted { partition: i32, asked: Instant, point: CommitPoint, end: CommitPoint },
    /// Answers [`Output::Check`]: what is wrong with the endpoint, as far as connecting tells.
    Checked { endpoint: EndpointId, asked: Instant, fault: Option<TargetFault> },
    /// The endpoints of the target, all of them.
    Endpoints(Vec<EndpointId>),
    /// The owner's rules have changed. Order and guarantee can't; the rest holds from now on.
    Rules(Rules),
}

/// All that a subscription can ask for.
#[derive(Clone, Debug)]
pub enum Output<P> {
    /// Commit the point, and beside it what the next owner has to know.
    Commit {
        partition: PartitionId,
        point: CommitPoint,
        state: CommitState,
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
    /// Write the record to the dead letter topic; it is settled when Kafka has it (P6).
    DeadLetter(DeadLetter<P>),
    /// Write the record to the park topic; it is settled when Kafka has it (P6).
    Park(Park<P>),
    /// Try to connect to an endpoint, without sending anything: it lost the connections it had.
    Check {
        endpoint: EndpointId,
    },
    /// The revoked partition is drained; nothing follows for it (P11).
    Released {
        partition: PartitionId,
        /// Records that were committed before they were delivered, and now never will be.
        unsent: usize,
    },
}

/// A record on its way to an endpoint.
#[derive(Clone, Debug)]
pub struct Delivery<P> {
    pub id: DeliveryId,
    pub revision: RevisionId,
    pub endpoint: EndpointId,
    /// Which reading again of the record it is, as [`Rewinds::replay_of`] has it.
    pub replay: u32,
    /// The answer counts until then.
    pub deadline: Instant,
    pub payload: P,
}

/// A record that was given up, and its story.
#[derive(Clone, Debug)]
pub struct DeadLetter<P> {
    pub partition: PartitionId,
    pub tenure: Tenure,
    pub offset: Offset,
    /// In which reading again of it the record died.
    pub replay: u32,
    pub payload: P,
    pub why: Why,
    pub revision: RevisionId,
    /// Failures charged to it, and all deliveries.
    pub charged: u32,
    pub deliveries: u32,
    /// When it failed for the first and for the last time; none where it never was sent.
    pub failed: Option<(Instant, Instant)>,
    pub answer: Option<Answer>,
    /// Who gave it.
    pub endpoint: Option<EndpointId>,
}

/// A record that makes room for others, with its followers behind it, and its story.
#[derive(Clone, Debug)]
pub struct Park<P> {
    pub partition: PartitionId,
    pub tenure: Tenure,
    pub offset: Offset,
    /// In which reading again of it the record is parked.
    pub replay: u32,
    pub payload: P,
    /// The partition of the park topic that holds the others of its key; none where no other is
    /// known: then the one that its key belongs to.
    pub to: Option<i32>,
    /// Failures charged to it, and all deliveries.
    pub charged: u32,
    pub deliveries: u32,
    /// When it failed for the first and for the last time; none where it never was sent.
    pub failed: Option<(Instant, Instant)>,
    pub answer: Option<Answer>,
}

#[derive(Debug)]
pub struct Subscription<P> {
    rules: Rules,
    seats: Vec<Seat<P>>,
    assigned: usize,
    in_flight: usize,
    /// Records that are fetched and not settled.
    held: usize,
    /// What all partitions hold, and what their open fetches may bring.
    taken: Load,
    /// Partitions that would fetch if others did not hold more than their share.
    short: BTreeSet<PartitionId>,
    route: Route,
    pool: Pool,
    rng: Rng,
    limiter: Limiter,
    blame: Blame,
    budget: Budget,
    hold: Hold,
    retries: Retries,
    /// Deliveries that the owner allows.
    rate: Option<Bucket>,
    /// Back-pressure in a row.
    refusals: u32,
    /// Partitions with a record that may go for the first time, in turn,
    fresh: VecDeque<PartitionId>,
    /// and those with one that came back.
    again: VecDeque<PartitionId>,
    /// Partitions with records to send that wait for what earlier tenures left at work.
    waiting: BTreeSet<(Instant, PartitionId)>,
    /// Rejected records that wait for evidence, while others are on their way to bring some.
    awaiting: VecDeque<(PartitionId, Slot)>,
    /// Dead letters to be written.
    leaving: VecDeque<(PartitionId, Slot)>,
    /// Records to be parked.
    parking: VecDeque<(PartitionId, Slot)>,
    /// Records that have failed, by when they did first.
    troubled: BTreeSet<(Instant, PartitionId, Slot)>,
    /// Partitions that may want to commit, to fetch or to be released.
    attention: VecDeque<PartitionId>,
    /// When shut lanes reopen.
    reopenings: BTreeSet<(Instant, PartitionId, Slot)>,
    /// When a partition's commit or drain is due for another look.
    looks: BTreeSet<(Instant, PartitionId)>,
    /// Deliveries in the order of their deadlines, some of them answered. Nearly all enter at the
    /// end; changed rules let some come before others.
    deadlines: VecDeque<(Instant, DeliveryId)>,
    counts: Counts,
    last_stuck: Option<(PartitionId, Offset)>,
    caps: Caps,
}

/// The place of a partition, which outlives its tenures.
#[derive(Debug)]
struct Seat<P> {
    last_tenure: Option<Tenure>,
    /// What earlier tenures left at work, while there is none.
    leftovers: Leftovers,
    /// When what another process left at work has ended, as far as was known.
    free_at: Option<Instant>,
    partition: Option<Partition<P>>,
}

impl<P: Clone> Subscription<P> {
    pub fn new(rules: Rules, revision: RevisionId, seed: u64) -> Self {
        assert!(rules.in_flight > 0 && rules.in_flight <= rules.in_flight_max);
        assert!(rules.records_max > 0 && rules.window_max > 0 && rules.attempts > 0);
        Self {
            pool: Pool::new(pool_rules(&rules)),
            limiter: Limiter::new(bounds(&rules)),
            rate: rate(&rules),
            rules,
            seats: Vec::new(),
            assigned: 0,
            in_flight: 0,
            held: 0,
            taken: Load::default(),
            short: BTreeSet::new(),
            route: Route::single(revision),
            rng: Rng::new(seed),
            blame: Blame::new(),
            budget: Budget::default(),
            hold: Hold::default(),
            retries: Retries::new(),
            refusals: 0,
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            waiting: BTreeSet::new(),
            awaiting: VecDeque::new(),
            leaving: VecDeque::new(),
            parking: VecDeque::new(),
            troubled: BTreeSet::new(),
            attention: VecDeque::new(),
            reopenings: BTreeSet::new(),
            looks: BTreeSet::new(),
            deadlines: VecDeque::new(),
            counts: Counts::default(),
            last_stuck: None,
            caps: Caps::new(),
        }
    }

    pub fn handle(&mut self, input: Input<P>, now: Instant) {
        // An answer that comes at its deadline is late, whether or not that was polled in between.
        self.advance(now);
        match input {
            Input::Assigned { partition, start, end, stored, parks, wall_ms } => {
                self.assigned(partition, (start, end), stored, parks, wall_ms, now);
            }
            Input::Fetched { partition, tenure, records } => {
                self.fetched(partition, tenure, records);
            }
            Input::Answered { id, answer } => self.answered(id, answer, now),
            Input::Committed { partition, tenure, point } => {
                if let Some((committed, rules)) = self.tenured(partition, tenure) {
                    let named = committed.committed(point, now, rules);
                    self.park_heads(partition, named);
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
                    self.park_no_more(partition);
                    self.waiting.retain(|(_, waits)| *waits != partition);
                    self.queue_turn(partition);
                    self.consider(partition);
                }
            }
            Input::Lost { .. } if self.rules.planted.is(Fault::LostIgnored) => {}
            Input::Lost { partition } => self.remove(partition, now),
            Input::DeadLettered { partition, tenure, offset, written } => {
                self.dead_lettered(partition, tenure, offset, written, now);
            }
            Input::Parked { partition, tenure, offset, at } => {
                self.parked(partition, tenure, offset, at, now);
            }
            Input::ParkCommitted { partition, asked, point, end } => {
                self.park_committed(partition, asked, point, end);
            }
            Input::Checked { endpoint, asked, fault } => {
                self.pool.checked(endpoint, fault, now);
                if fault == Some(TargetFault::Refused) {
                    self.refused(endpoint, asked, now);
                }
            }
            Input::Rules(rules) => self.take_rules(rules),
            Input::Endpoints(endpoints) => {
                self.pool.set(&endpoints, now);
                self.open_lanes(now, |pool, unknown| pool.has_left(unknown.endpoint));
            }
        }
    }

    /// What to do next; `None` until there is new input or [`Subscription::next_wakeup`] has come.
    pub fn poll(&mut self, now: Instant) -> Option<Output<P>> {
        self.advance(now);
        let quiet = self.poll_quiet(now).or_else(|| self.poll_delivery(now));
        // Where there was nothing to deliver, what waited in vain for others may have been given up.
        let output = quiet.or_else(|| self.poll_quiet(now));
        if output.is_none() {
            self.caps.is(self.cap(now), now);
        }
        output
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

    /// Asserts every invariant that can be seen from inside.
    pub fn check(&self) {
        let partitions = self.seats.iter().filter_map(|seat| seat.partition.as_ref());
        let mut in_flight = 0;
        let mut taken = Load::default();
        let mut held = 0;
        for partition in partitions {
            held += partition.load.records;
            partition.check();
            in_flight += partition.in_flight;
            taken = taken.plus(partition.taken());
        }
        assert_eq!(held, self.held, "what is held is what is counted");
        assert_eq!(taken, self.taken, "what is held, and to come, is what is counted");
        assert_eq!(in_flight, self.in_flight, "what is out is what is counted");
    }

    fn assigned(
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
            self.seats.push(Seat {
                last_tenure: None,
                leftovers: Leftovers::default(),
                free_at: None,
                partition: None,
            });
        }
        let Self { seats, rules, .. } = self;
        let seat = &mut seats[index];
        assert!(seat.partition.is_none(), "a partition is released before it is assigned again");
        let last = stored.as_ref().map(|stored| stored.tenure).max(seat.last_tenure);
        let elsewhere = stored.as_ref().filter(|stored| {
            // Where nothing is committed before it is settled, what was at work lies beyond the
            // commit point.
            let any = start < end || rules.guarantee != Guarantee::AtLeastOnce;
            !stored.quiet && Some(stored.tenure) > seat.last_tenure && any
        });
        let waits = elsewhere.is_some()
            && rules.takeover == Takeover::Safe
            && !rules.planted.is(Fault::TakenOverAtOnce);
        let ends = if waits { now + rules.deadline + rules.grace } else { now };
        // A wait that was begun is not cut short by a rebalance.
        let free_at = seat.free_at.map_or(ends, |begun| begun.max(ends));
        let mut leftovers = core::mem::take(&mut seat.leftovers);
        leftovers.forget_ended(now);
        let mut tenure = last.map_or(wall_ms, |last| wall_ms.max(last.0 + 1));
        if self.rules.planted.is(Fault::TenureNotRaised) {
            tenure = last.map_or(wall_ms, |last| last.0);
        }
        let back = i64::from(self.rules.planted.is(Fault::CommitGoesBack) && start.0 > 0);
        let start = CommitPoint(start.0 - back);
        seat.last_tenure = Some(Tenure(tenure));
        let mut stored = stored.unwrap_or_else(|| CommitState::unknown(Tenure(tenure)));
        if self.rules.planted.is(Fault::ParkForgotten) {
            stored.parked.clear();
        }
        if self.rules.planted.is(Fault::MapIgnored) {
            stored.completion = Completion::default();
        }
        if self.rules.planted.is(Fault::PastsForgotten) {
            stored.pasts.clear();
        }
        if self.rules.planted.is(Fault::RewindsForgotten) {
            stored.rewinds = Rewinds::default();
        }
        let waits = (leftovers, free_at);
        let partition = Partition::new(id, Tenure(tenure), start, stored, parks, waits, now);
        seat.partition = Some(partition);
        self.assigned += 1;
        // Their shares have shrunk.
        self.consider_all();
    }

    fn fetched(&mut self, id: PartitionId, tenure: Tenure, records: Vec<Record<P>>) {
        assert!(!records.is_empty(), "a fetch is answered when there are records");
        let Some((partition, rules)) = self.tenured(id, tenure) else { return };
        let (before, held) = (partition.taken(), partition.load.records);
        partition.fetched(rules);
        let parked = match partition.is_draining() {
            true => Vec::new(),
            false => partition.take(records, rules),
        };
        let (after, now_held) = (partition.taken(), partition.load.records);
        self.held += now_held - held;
        self.taken = self.taken.minus(before).plus(after);
        self.park_heads(id, parked);
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
            None => {
                self.counts.late += 1;
                self.leftover_ended(id, answer.verdict);
            }
        }
    }

    /// Takes the partition off all books; answers to what it had in flight will be late.
    fn remove(&mut self, id: PartitionId, now: Instant) {
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
        self.fresh.retain(|queued| *queued != id);
        self.again.retain(|queued| *queued != id);
        self.waiting.retain(|(_, waits)| *waits != id);
        self.awaiting.retain(|(partition, _)| *partition != id);
        self.leaving.retain(|(partition, _)| *partition != id);
        self.parking.retain(|(partition, _)| *partition != id);
        self.troubled.retain(|(_, partition, _)| *partition != id);
        self.attention.retain(|queued| *queued != id);
        self.reopenings.retain(|(_, partition, _)| *partition != id);
        self.looks.retain(|(_, partition)| *partition != id);
        self.deadlines.retain(|(_, delivery)| delivery.partition != id);
        self.short.remove(&id);
        self.consider_all();
    }

    /// A service is done with what an earlier tenure sent.
    fn leftover_ended(&mut self, id: DeliveryId, verdict: Verdict) {
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
        while let Some(&(at, id)) = self.waiting.first().filter(|waits| waits.0 <= now) {
            self.waiting.remove(&(at, id));
            self.queue_turn(id);
        }
        while let Some(&(at, id, slot)) = self.reopenings.first().filter(|lane| lane.0 <= now) {
            self.reopenings.remove(&(at, id, slot));
            self.due(id, slot, now);
        }
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
                partition.count_unknown();
                self.reopenings.remove(&(until, id, slot));
                self.reopenings.insert((soon, id, slot));
                self.consider(id);
            }
        }
    }

    fn poll_quiet(&mut self, now: Instant) -> Option<Output<P>> {
        let quiet = self.poll_attention(now).or_else(|| self.poll_leaving());
        let quiet = quiet.or_else(|| self.poll_parking());
        quiet.or_else(|| Some(Output::Check { endpoint: self.pool.next_check(now)? }))
    }

    /// What a partition may hold.
    pub(super) fn credit(&self) -> Credit {
        let most = Load { records: self.rules.records_max, bytes: self.rules.bytes_max };
        Credit::share(most, self.assigned, self.taken, self.limiter.limit())
    }

    fn poll_attention(&mut self, now: Instant) -> Option<Output<P>> {
        while let Some(&id) = self.attention.front() {
            let credit = self.credit();
            let Self { seats, rules, .. } = self;
            let partition = seats[id.0 as usize].partition.as_mut().expect("attention has one");
            let tenure = partition.tenure;
            match partition.next_step(now, credit, rules) {
                Some(Step::Commit(point)) => {
                    let state = partition.commit_sent(point, now, rules);
                    return Some(Output::Commit { partition: id, point, state });
                }
                Some(Step::Fetch(room)) => {
                    let open = partition.fetching.replace(room).unwrap_or_default();
                    self.taken = self.taken.minus(open).plus(room);
                    let (records, bytes) = (room.records, room.bytes);
                    return Some(Output::Fetch { partition: id, tenure, records, bytes });
                }
                Some(Step::Release) => {
                    let unsent = partition.unsent(rules);
                    self.remove(id, now);
                    return Some(Output::Released { partition: id, unsent });
                }
                None => {
                    let look = partition.next_look(now, rules);
                    if partition.is_short(credit) {
                        self.short.insert(id);
                    }
                    partition.attended = false;
                    self.attention.pop_front();
                    // Nearly every settled record asks for the look that is set already.
                    if look != partition.look {
                        let former = core::mem::replace(&mut partition.look, look);
                        former.map(|former| self.looks.remove(&(former, id)));
                        self.looks.extend(look.map(|look| (look, id)));
                    }
                }
            }
        }
        None
    }

    fn partition(&mut self, id: PartitionId) -> Option<(&mut Partition<P>, &Rules)> {
        let partition = self.seats.get_mut(id.0 as usize)?.partition.as_mut()?;
        Some((partition, &self.rules))
    }

    fn tenured(&mut self, id: PartitionId, tenure: Tenure) -> Option<(&mut Partition<P>, &Rules)> {
        self.partition(id).filter(|(partition, _)| partition.tenure == tenure)
    }

    fn queue_turn(&mut self, id: PartitionId) {
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

fn bounds(rules: &Rules) -> Bounds {
    Bounds { first: rules.in_flight, most: rules.in_flight_max }
}

fn rate(rules: &Rules) -> Option<Bucket> {
    // A tenth of a second's worth at once: a cap is a cap, and a pause is not saved up.
    rules.rate_max.map(|rate| Bucket::new(rate.into(), u64::from(rate) / 10))
}

fn pool_rules(rules: &Rules) -> PoolRules {
    let probe_interval = match rules.planted.is(Fault::NoProbePause) {
        true => Duration::ZERO,
        false => rules.probe_interval,
    };
    let (in_flight_max, ejects) = (rules.in_flight_max, rules.ejects);
    PoolRules { probe_interval, in_flight_max, ejects }
}

#[cfg(test)]
pub(crate) mod tests;
