//! How a delivery ends, and what becomes of its record: settled, tried again, or given up.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::blame::{LaneName, Unblamed};
use crate::fault::Fault;
use crate::hold::HoldTarget;
use crate::lanes::{Lanes, Slot};
use crate::partition::{Charge, Failure, Held, HeldState, Stuck, Unknown, Why};
use crate::pool::Ending;
use crate::record::{DeliveryId, EndpointId, Offset, PartitionId, Tenure};
use crate::rules::{GiveUp, Guarantee, Rules};
use crate::time::Instant;
use crate::verdict::{Answer, TargetFault, Verdict};

use super::deliver::lane_name;
use super::{DeadLetter, Output, Subscription};

/// Back-pressure and target faults in a row that are never the record's own.
const DECLINED_FREE: u32 = 5;
/// Records that wait for evidence and are looked at again with each answer.
const LOOKS: usize = 4;
/// Refusals in a row that make a target overloaded.
const REFUSALS: u32 = 8;
/// The longest pause of a record whose endpoint is suspect, where no other one is well: it will be
/// probed with something, and what waits then for long comes late.
const SUSPECT_MAX: Duration = Duration::from_secs(2);
/// A dead letter that was not written waits as a record does after so many failures.
const LETTER_PAUSE: u32 = 4;
/// For ever, as far as a clock is concerned: something else ends the wait.
const NEVER: Duration = Duration::MAX;

/// What becomes of a record whose delivery ended.
enum Next {
    Settle,
    /// Looked at again then.
    Shut(Instant),
    GiveUp(Why),
}

impl<P: Clone> Subscription<P> {
    pub(super) fn answered(&mut self, id: DeliveryId, answer: Answer, now: Instant) {
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

    /// A delivery ended, by its answer or its deadline.
    pub(super) fn end_flight(&mut self, id: PartitionId, slot: Slot, answer: Answer, now: Instant) {
        let Self { seats, rules, pool, blame, limiter, counts, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("a flight has a partition");
        let lane = lane_name(partition, slot);
        let held = partition.lanes.get(slot);
        let HeldState::InFlight { endpoint, sent, deadline } = held.state else {
            unreachable!("only a record in flight ends a flight");
        };
        let verdict = match answer.verdict {
            Verdict::Unknown(_) if rules.planted.is(Fault::UnknownIsSuccess) => Verdict::Accept,
            verdict => verdict,
        };
        counts.count(answer.verdict);
        limiter.answered(verdict, self.in_flight, now);
        blame.answered(lane, endpoint, sent, verdict, now);
        pool.ended(endpoint, Ending { verdict, took: now.since(sent) }, now);
        partition.in_flight -= 1;
        self.in_flight -= 1;
        self.look_at_target(verdict, now);
        match self.what_next(id, slot, endpoint, verdict, &answer, deadline, now) {
            Next::Settle => self.settle(id, slot),
            Next::Shut(until) => {
                let unknown = matches!(verdict, Verdict::Unknown(_));
                let unknown = unknown.then_some(Unknown { endpoint, since: now });
                self.shut(id, slot, until, unknown);
            }
            Next::GiveUp(why) => {
                self.lanes_of(id).shut(slot);
                self.give_up(id, slot, why, now);
            }
        }
        if answer.verdict != Verdict::Accept {
            self.make_room(id, None, now);
        }
        self.queue_turn(id);
        self.consider(id);
        self.consider_short();
        if answer.verdict == Verdict::TargetFault(TargetFault::Refused) {
            self.refused(endpoint, sent, now);
        }
        self.judge_awaiting(now);
    }

    /// An endpoint refused a connection that was tried after `asked`. Only what had ended before
    /// has ended with the process that refuses; another one may have come and gone there since.
    pub(super) fn refused(&mut self, endpoint: EndpointId, asked: Instant, now: Instant) {
        let too_much = self.rules.planted.is(Fault::RefusalProvesTooMuch);
        self.open_lanes(now, |_, unknown| {
            unknown.endpoint == endpoint && (unknown.since <= asked || too_much)
        });
    }

    /// Begins and ends the hold of a target at fault.
    fn look_at_target(&mut self, verdict: Verdict, now: Instant) {
        let pause = self.rules.probe_interval;
        match verdict {
            Verdict::Accept => {
                self.refusals = 0;
                self.budget.accepted(now);
                if self.hold.target_works() {
                    self.blame.forget();
                    self.limiter.slow_start(self.in_flight, now);
                    self.pool.slow_start(now);
                    if self.next_fresh(now).is_some() {
                        self.retries.spend(now);
                    }
                }
            }
            Verdict::BackPressure { .. } => {
                self.refusals += 1;
                if self.refusals >= REFUSALS {
                    self.hold.target_fails(HoldTarget::Overloaded, pause, now);
                }
            }
            _ => self.refusals = 0,
        }
        if self.blame.target_fails() && !self.rules.planted.is(Fault::BrokenTargetNotHeld) {
            self.hold.target_fails(HoldTarget::Failing, pause, now);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one delivery's end, taken apart by its caller")]
    fn what_next(
        &mut self,
        id: PartitionId,
        slot: Slot,
        endpoint: EndpointId,
        verdict: Verdict,
        answer: &Answer,
        deadline: Instant,
        now: Instant,
    ) -> Next {
        if verdict == Verdict::Accept {
            let (partition, _) = self.partition(id).expect("a flight has a partition");
            if partition.lanes.get(slot).failure.is_some() {
                self.retries.retry_accepted();
            }
            return Next::Settle;
        }
        // Where the service may still be at work, its key waits for that as ever.
        let spent = self.is_spent(verdict);
        if spent && !matches!(verdict, Verdict::Unknown(_)) {
            self.counts.abandoned += 1;
            return Next::Settle;
        }
        let Self { seats, rules, rng, hold, pool, troubled, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("a flight has a partition");
        partition.is_troubled(slot);
        let held = partition.lanes.get_mut(slot);
        let failure = held.failure.get_or_insert_with(|| {
            troubled.insert((now, id, slot));
            Box::new(Failure::new(endpoint, now))
        });
        failure.answered(endpoint, answer.clone(), now);
        failure.charge = match spent {
            true => Charge::Spent,
            false => charge(verdict, failure.declined, rules),
        };
        failure.spells = hold.spells();
        if failure.charge == Charge::Charged {
            held.charged += 1;
            if let Some(why) = given_up(verdict, held.charged, rules) {
                return Next::GiveUp(why);
            }
        }
        let failures = held.charged + failure.uncharged + 1;
        let mut pause = |failures: u32, after| now + rules.backoff.pause(failures, after, rng);
        // The probes' pace is pause enough.
        let held_by_target = hold.target().is_some();
        Next::Shut(match verdict {
            Verdict::Accept => unreachable!("it is settled"),
            Verdict::Retry { after: None, .. } | Verdict::Reject { .. } if held_by_target => now,
            Verdict::Retry { after, .. } => pause(failures, after),
            Verdict::Reject { .. } => pause(failures, None),
            Verdict::BackPressure { after: None } if held_by_target => now,
            Verdict::BackPressure { after } => pause(failure.declined, after),
            // Only a status may be the record's own doing.
            Verdict::TargetFault(TargetFault::Status) if failure.declined > 1 => {
                let until = pause(failure.declined - 1, None);
                if pool.has_well() { until } else { until.min(now + SUSPECT_MAX) }
            }
            Verdict::TargetFault(_) => now,
            Verdict::Unknown(_) if rules.planted.is(Fault::UnknownOpensLane) => now,
            Verdict::Unknown(_) if pool.has_left(endpoint) => now + rules.grace,
            Verdict::Unknown(_) => deadline.max(now) + rules.grace,
        })
    }

    /// At most once: whether the record has had its only chance. An answer shows that the request
    /// was read, and only back-pressure says that nothing was made of it.
    fn is_spent(&self, verdict: Verdict) -> bool {
        let unprocessed = match verdict {
            Verdict::BackPressure { .. } => true,
            Verdict::TargetFault(fault) => fault != TargetFault::Status,
            _ => false,
        };
        self.rules.guarantee == Guarantee::AtMostOnce
            && !unprocessed
            && !self.rules.planted.is(Fault::OnceMoreThanOnce)
    }

    /// A shut lane's time has come: its head is charged, given up, or tried again.
    pub(super) fn due(&mut self, id: PartitionId, slot: Slot, now: Instant) {
        self.consider(id);
        if self.parks_again(id, slot) || self.judge(id, slot, now) {
            return;
        }
        if !self.make_room(id, Some(slot), now) {
            self.reopen(id, slot);
        }
    }

    /// Settles whose fault the last failure was, as far as is known. Says whether the lane stays
    /// shut: its head is given up, or waits for evidence that is on its way.
    fn judge(&mut self, id: PartitionId, slot: Slot, now: Instant) -> bool {
        let others = self.in_flight > 0 || !self.fresh.is_empty();
        let Self { seats, rules, hold, blame, awaiting, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("its lanes go with it");
        let lane = lane_name(partition, slot);
        let draining = partition.is_draining();
        let held = partition.lanes.get_mut(slot);
        let failure = held.failure.as_mut().expect("a shut lane's head has failed");
        if failure.charge == Charge::Spent {
            self.counts.abandoned += 1;
            self.settle(id, slot);
            return true;
        }
        if failure.given_up.is_some() {
            held.state = HeldState::Leaving;
            partition.leaving += 1;
            self.leaving.push_back((id, slot));
            return true;
        }
        let (verdict, wait) = (failure.answer.verdict, rules.evidence_wait);
        if failure.charge != Charge::Open || draining {
            return false;
        }
        let unblamed = failure.unblamed(lane);
        // What failed before the target was found at fault was the beginning of that.
        let target_failed = hold.target().is_some() || failure.spells != hold.spells();
        if target_failed && !blame.charges_the_only_one(&unblamed, wait, now) {
            return false;
        }
        if target_failed || blame.charges(&unblamed, wait, now, rules.planted) {
            failure.charge = Charge::Charged;
            failure.uncharged = 0;
            held.charged += 1;
            let why = given_up(verdict, held.charged, rules);
            why.inspect(|why| self.give_up(id, slot, *why, now)).is_some()
        } else if matches!(verdict, Verdict::Reject { .. })
            && others
            && !blame.doubts_endpoint(&unblamed, rules.planted)
        {
            held.state = HeldState::Shut { until: now + NEVER, unknown: None };
            awaiting.push_back((id, slot));
            true
        } else {
            failure.uncharged += 1;
            false
        }
    }

    /// There is new evidence: looks at some of the records that wait for it.
    fn judge_awaiting(&mut self, now: Instant) {
        for _ in 0..LOOKS.min(self.awaiting.len()) {
            if let Some((id, slot)) = self.awaiting.pop_front() {
                self.due(id, slot, now);
            }
        }
    }

    /// Lets go what waits for evidence where nothing is on its way to bring any. Says whether there
    /// was anything.
    pub(super) fn await_no_more(&mut self, now: Instant) -> bool {
        if self.in_flight > 0 || self.awaiting.is_empty() {
            return false;
        }
        for (id, slot) in core::mem::take(&mut self.awaiting) {
            self.due(id, slot, now);
        }
        true
    }

    pub(super) fn reopen(&mut self, id: PartitionId, slot: Slot) {
        let (partition, rules) = self.partition(id).expect("its lanes reopen no more when it goes");
        partition.lanes.get_mut(slot).state = HeldState::Queued;
        partition.lanes.reopen(slot);
        if rules.planted.is(Fault::RetryGoesLast) {
            partition.lanes.send_to_back(slot);
        }
        self.queue_turn(id);
    }

    fn shut(&mut self, id: PartitionId, slot: Slot, until: Instant, unknown: Option<Unknown>) {
        let (partition, _) = self.partition(id).expect("the caller has it");
        if unknown.is_some() {
            partition.unknown_until = partition.unknown_until.max(until);
        }
        partition.lanes.get_mut(slot).state = HeldState::Shut { until, unknown };
        partition.lanes.shut(slot);
        self.reopenings.insert((until, id, slot));
    }

    /// The record goes no further by itself. Its lane is shut.
    fn give_up(&mut self, id: PartitionId, slot: Slot, why: Why, now: Instant) {
        let rule = match why {
            Why::Rejected => self.rules.on_reject,
            Why::Exhausted => self.rules.on_exhausted,
            Why::Command => GiveUp::DeadLetter,
        };
        if rule == GiveUp::Hold {
            return self.stick(id, slot, Stuck::Rule);
        }
        let free = why == Why::Command || self.rules.planted.is(Fault::BudgetForgotten);
        if !free && !self.budget.give_up(self.rules.given_up_free, now) {
            self.hold.overdraw(true);
            return self.stick(id, slot, Stuck::Budget);
        }
        if rule == GiveUp::Drop {
            self.counts.dropped += 1;
            return self.settle(id, slot);
        }
        self.leave(id, slot, why);
        if self.rules.planted.is(Fault::SettledBeforeDeadLetter) {
            self.leaving.pop_back();
            let (partition, _) = self.partition(id).expect("the caller has it");
            partition.leaving -= 1;
            self.settle(id, slot);
        }
    }

    fn stick(&mut self, id: PartitionId, slot: Slot, stuck: Stuck) {
        let held = self.lanes_of(id).get_mut(slot);
        held.state = HeldState::Stuck(stuck);
        let offset = held.offset;
        self.counts.stuck += 1;
        self.last_stuck = Some((id, offset));
    }

    /// The record goes to the dead letter topic.
    pub(super) fn leave(&mut self, id: PartitionId, slot: Slot, why: Why) {
        let (partition, _) = self.partition(id).expect("the caller has it");
        partition.leaving += 1;
        let held = partition.lanes.get_mut(slot);
        held.state = HeldState::Leaving;
        if let Some(failure) = &mut held.failure {
            failure.given_up = Some(why);
        }
        self.leaving.push_back((id, slot));
    }

    pub(super) fn poll_leaving(&mut self) -> Option<Output<P>> {
        let (id, slot) = self.leaving.pop_front()?;
        let revision = self.route.revision();
        let (partition, _) = self.partition(id).expect("what leaves goes with its partition");
        let tenure = partition.tenure;
        let held = partition.lanes.get(slot);
        let failure = held.failure.as_deref();
        Some(Output::DeadLetter(DeadLetter {
            partition: id,
            tenure,
            offset: held.offset,
            replay: partition.rewinds.replay_of(held.offset),
            payload: held.payload.clone(),
            why: failure.and_then(|failure| failure.given_up).unwrap_or(Why::Command),
            revision,
            charged: held.charged,
            deliveries: held.deliveries,
            failed: failure.map(|failure| (failure.first, failure.answered)),
            answer: failure.map(|failure| failure.answer.clone()),
            endpoint: failure.map(|failure| failure.endpoint),
        }))
    }

    /// Kafka has the dead letter, or has not: then it is written again after a pause.
    pub(super) fn dead_lettered(
        &mut self,
        id: PartitionId,
        tenure: Tenure,
        offset: Offset,
        written: bool,
        now: Instant,
    ) {
        let Self { seats, rules, rng, .. } = self;
        let seat = seats.get_mut(id.0 as usize).and_then(|seat| seat.partition.as_mut());
        let Some(partition) = seat.filter(|partition| partition.tenure == tenure) else { return };
        let Some(&slot) = partition.ledger.ticket(offset) else { return };
        if partition.lanes.get(slot).state != HeldState::Leaving {
            return;
        }
        partition.leaving -= 1;
        if written {
            self.counts.dead_lettered += 1;
            self.settle(id, slot);
        } else {
            self.counts.dead_letters_failed += 1;
            let until = now + rules.backoff.pause(LETTER_PAUSE, None, rng);
            partition.lanes.get_mut(slot).state = HeldState::Shut { until, unknown: None };
            self.reopenings.insert((until, id, slot));
            self.consider(id);
        }
    }

    /// The record reached its end.
    pub(super) fn settle(&mut self, id: PartitionId, slot: Slot) {
        let Self { seats, rules, taken, held, troubled, counts, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("the caller has it");
        if let Some(failure) = &partition.lanes.get(slot).failure {
            troubled.remove(&(failure.first, id, slot));
        }
        let follower = partition.lanes.is_aside(slot).then(|| partition.lanes.next(slot)).flatten();
        taken.remove(partition.settle(slot));
        *held -= 1;
        counts.settled += 1;
        let admitted = match partition.withholds(rules) {
            true => partition.admit(rules),
            false => Vec::new(),
        };
        self.park_heads(id, follower.into_iter().chain(admitted));
        // The next of its key may go, and there may be something to commit and room to fetch.
        self.queue_turn(id);
        self.consider(id);
        self.consider_short();
    }

    fn lanes_of(&mut self, id: PartitionId) -> &mut Lanes<Held<P>> {
        &mut self.partition(id).expect("the caller has it").0.lanes
    }
}

/// Whose fault it is as far as the answer alone says.
fn charge(verdict: Verdict, declined: u32, rules: &Rules) -> Charge {
    match verdict {
        Verdict::Retry { said: true, .. } | Verdict::Reject { said: true } => Charge::Charged,
        Verdict::TargetFault(_) if rules.planted.is(Fault::FaultBurnsAttempt) => Charge::Charged,
        Verdict::BackPressure { .. } | Verdict::TargetFault(_) if declined <= DECLINED_FREE => {
            Charge::Waived
        }
        _ => Charge::Open,
    }
}

/// Why a record that was charged is given up, if it is.
fn given_up(verdict: Verdict, charged: u32, rules: &Rules) -> Option<Why> {
    match verdict {
        Verdict::Reject { .. } => Some(Why::Rejected),
        _ if charged >= rules.attempts => Some(Why::Exhausted),
        _ => None,
    }
}

impl Failure {
    fn new(endpoint: EndpointId, now: Instant) -> Self {
        Self {
            endpoint,
            answer: Answer::overdue(),
            answered: now,
            first: now,
            failed_at: None,
            elsewhere: false,
            declined: 0,
            uncharged: 0,
            charge: Charge::Waived,
            spells: 0,
            given_up: None,
        }
    }

    fn answered(&mut self, endpoint: EndpointId, answer: Answer, now: Instant) {
        let declines =
            matches!(answer.verdict, Verdict::BackPressure { .. } | Verdict::TargetFault(_));
        self.declined = if declines { self.declined + 1 } else { 0 };
        if !declines {
            let before = self.failed_at.replace(endpoint);
            self.elsewhere |= before.is_some_and(|before| before != endpoint);
        }
        self.endpoint = endpoint;
        self.answer = answer;
        self.answered = now;
    }

    /// An operator gives the record another chance.
    pub(super) fn forgive(&mut self) {
        (self.declined, self.uncharged) = (0, 0);
        (self.charge, self.given_up) = (Charge::Waived, None);
    }

    fn unblamed(&self, lane: LaneName) -> Unblamed {
        Unblamed {
            lane,
            endpoint: self.endpoint,
            elsewhere: self.elsewhere,
            answered: self.answered,
            first: self.first,
        }
    }
}
