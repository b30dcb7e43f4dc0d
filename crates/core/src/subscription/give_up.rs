//! Records that are given up: held for an operator, dropped, or written as a dead letter, which Kafka
//! has before its record is settled (P6).

use crate::fault::Fault;
use crate::lanes::Slot;
use crate::partition::{HeldState, Stuck, Why};
use crate::record::{Offset, PartitionId, Tenure};
use crate::rules::GiveUp;
use crate::time::Instant;

use super::{DeadLetter, Output, Subscription};

/// A dead letter that was not written waits as a record does after so many failures.
const LETTER_PAUSE: u32 = 4;

impl<P: Clone> Subscription<P> {
    /// The record goes no further by itself. Its lane is shut.
    pub(super) fn give_up(&mut self, id: PartitionId, slot: Slot, why: Why, now: Instant) {
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
}
