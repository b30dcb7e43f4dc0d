//! How a delivery ends, and what becomes of its record: settled, tried again (`judge.rs`), or given
//! up (`give_up.rs`).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::fault::Fault;
use crate::hold::HoldTarget;
use crate::lanes::{Lanes, Slot};
use crate::partition::{Charge, Failure, Held, HeldState, Unknown, Why};
use crate::pool::Ending;
use crate::record::{DeliveryId, EndpointId, PartitionId};
use crate::rules::Guarantee;
use crate::time::Instant;
use crate::verdict::{Answer, TargetFault, Verdict};

use super::Subscription;
use super::deliver::lane_name;
use super::judge::{charge, given_up};

/// Refusals in a row that make a target overloaded.
const REFUSALS: u32 = 8;
/// The longest pause of a record whose endpoint is at fault, where no other one is well: it will be
/// probed with something, and what waits then for long comes late.
const PROBED_MAX: Duration = Duration::from_secs(2);

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
        let offset = partition.lanes.get(slot).offset;
        self.suspects.ended(id, offset);
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
        self.call_suspect(now);
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
                if pool.has_well() { until } else { until.min(now + PROBED_MAX) }
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

    pub(super) fn lanes_of(&mut self, id: PartitionId) -> &mut Lanes<Held<P>> {
        &mut self.partition(id).expect("the caller has it").0.lanes
    }
}
