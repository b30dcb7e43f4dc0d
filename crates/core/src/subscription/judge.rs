//! Whose fault a failure was, when its record's time has come: charged to the record, waiting for
//! evidence, or nobody's yet. The evidence itself is `blame.rs`.

use core::time::Duration;

use crate::blame::{LaneName, Unblamed};
use crate::fault::Fault;
use crate::lanes::Slot;
use crate::partition::{Charge, Failure, HeldState, Why};
use crate::record::{EndpointId, PartitionId};
use crate::rules::Rules;
use crate::time::Instant;
use crate::verdict::{Answer, UnknownCause, Verdict};

use super::Subscription;
use super::deliver::lane_name;

/// Back-pressure and target faults in a row that are never the record's own.
const DECLINED_FREE: u32 = 5;
/// Records that wait for evidence and are looked at again with each answer.
const LOOKS: usize = 4;
/// For ever, as far as a clock is concerned: something else ends the wait.
pub(super) const NEVER: Duration = Duration::MAX;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug)]
enum Ruling {
    /// Its record's.
    Charged,
    /// Not known, and others are on their way to show it.
    Waits,
    /// Not known.
    Open,
}

impl<P: Clone> Subscription<P> {
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
        let (partition, _) = self.partition(id).expect("its lanes go with it");
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
        match self.ruling(id, slot, now) {
            Some(ruling) => self.obey(ruling, id, slot, now),
            None => false,
        }
    }

    /// What came back before anybody could be blamed is judged once more when it has its turn:
    /// what was sent meanwhile may have shown that the target is well. Says whether it lost its
    /// turn.
    pub(super) fn judge_again(&mut self, id: PartitionId, now: Instant) -> bool {
        let (partition, _) = self.partition(id).expect("it has its turn");
        let slot = partition.lanes.peek_again().expect("it has a lane that came back");
        let once = self.rules.planted.is(Fault::JudgedOnce);
        match self.ruling(id, slot, now).filter(|_| !once) {
            None | Some(Ruling::Open) => self.stands_back(id, slot, now),
            Some(ruling) => {
                self.lanes_of(id).shut_again();
                if !self.obey(ruling, id, slot, now) {
                    self.reopen(id, slot);
                }
                true
            }
        }
    }

    /// Whose fault a failure is, as far as is known; none where that is no question (any more).
    fn ruling(&self, id: PartitionId, slot: Slot, now: Instant) -> Option<Ruling> {
        let Self { rules, hold, blame, pool, .. } = self;
        let partition = self.seats[id.0 as usize].partition.as_ref();
        let partition = partition.filter(|partition| !partition.is_draining())?;
        let failure = partition.lanes.get(slot).failure.as_ref();
        let failure = failure.filter(|failure| failure.charge == Charge::Open)?;
        let unblamed = failure.unblamed(lane_name(partition, slot));
        let wait = rules.evidence_wait;
        // What failed before the target was found at fault was the beginning of that.
        if hold.target().is_some() || failure.spells != hold.spells() {
            let charged = blame.charges_the_only_one(&unblamed, wait, now);
            return charged.then_some(Ruling::Charged);
        }
        if blame.charges(&unblamed, wait, now, rules.planted) {
            return Some(Ruling::Charged);
        }
        // Sent again at once, it might break a service that has just come back.
        let waits = matches!(
            failure.answer.verdict,
            Verdict::Reject { .. } | Verdict::Unknown(UnknownCause::ConnectionLost)
        );
        let evidence_comes = (self.in_flight > 0 || !self.fresh.is_empty())
            && pool.is_well(failure.endpoint)
            && !blame.doubts_endpoint(&unblamed, rules.planted);
        Some(if waits && evidence_comes { Ruling::Waits } else { Ruling::Open })
    }

    /// Says whether the lane, which is shut, stays so.
    fn obey(&mut self, ruling: Ruling, id: PartitionId, slot: Slot, now: Instant) -> bool {
        let Self { seats, rules, awaiting, .. } = self;
        let partition = seats[id.0 as usize].partition.as_mut().expect("its lanes go with it");
        let held = partition.lanes.get_mut(slot);
        let failure = held.failure.as_mut().expect("a shut lane's head has failed");
        match ruling {
            Ruling::Charged => {
                failure.charge = Charge::Charged;
                failure.uncharged = 0;
                held.charged += 1;
                let why = given_up(failure.answer.verdict, held.charged, rules);
                why.inspect(|why| self.give_up(id, slot, *why, now)).is_some()
            }
            Ruling::Waits => {
                held.state = HeldState::Shut { until: now + NEVER, unknown: None };
                awaiting.push_back((id, slot));
                true
            }
            Ruling::Open => {
                failure.uncharged += 1;
                false
            }
        }
    }

    /// There is new evidence: looks at some of the records that wait for it.
    pub(super) fn judge_awaiting(&mut self, now: Instant) {
        for _ in 0..LOOKS.min(self.awaiting.len()) {
            if let Some((id, slot)) = self.awaiting.pop_front() {
                self.due(id, slot, now);
            }
        }
    }

    /// Lets go what waits for evidence where nothing is on its way to bring any. Says whether there
    /// was anything.
    pub(super) fn await_no_more(&mut self, now: Instant) -> bool {
        if self.in_flight > 0 {
            return false;
        }
        let any = !self.awaiting.is_empty();
        for (id, slot) in core::mem::take(&mut self.awaiting) {
            self.due(id, slot, now);
        }
        self.call_suspect(now) || any
    }
}

/// Whose fault it is as far as the answer alone says.
pub(super) fn charge(verdict: Verdict, declined: u32, rules: &Rules) -> Charge {
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
pub(super) fn given_up(verdict: Verdict, charged: u32, rules: &Rules) -> Option<Why> {
    match verdict {
        Verdict::Reject { .. } => Some(Why::Rejected),
        _ if charged >= rules.attempts => Some(Why::Exhausted),
        _ => None,
    }
}

impl Failure {
    pub(super) fn new(endpoint: EndpointId, now: Instant) -> Self {
        Self {
            endpoint,
            answer: Answer::overdue(),
            answered: now,
            first: now,
            failed_at: None,
            elsewhere: false,
            losses: 0,
            declined: 0,
            uncharged: 0,
            charge: Charge::Waived,
            spells: 0,
            given_up: None,
        }
    }

    pub(super) fn answered(&mut self, endpoint: EndpointId, answer: Answer, now: Instant) {
        let declines =
            matches!(answer.verdict, Verdict::BackPressure { .. } | Verdict::TargetFault(_));
        self.declined = if declines { self.declined + 1 } else { 0 };
        if answer.verdict == Verdict::Unknown(UnknownCause::ConnectionLost) {
            self.losses += 1;
        }
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
        (self.declined, self.uncharged, self.losses) = (0, 0, 0);
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
