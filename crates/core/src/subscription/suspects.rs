//! Records that may be what breaks their service: they cost their connections again and again.
//!
//! A process that dies takes with it all that is at work there, and each of those looks like what
//! killed it. Two rules find out which one it is, and spare the others:
//!
//! - *Room.* While a suspect is out, or wants to go, no more is in flight than might all fail
//!   without the target being taken for broken. With hundreds lost at once nobody would ever be
//!   charged, and the service would be broken for ever.
//! - *Last chance.* What one more loss would give up goes without others of that kind, so that
//!   nobody is given up with what breaks the service.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::fault::Fault;
use crate::hold::Gate;
use crate::lanes::Slot;
use crate::partition::{Held, HeldState};
use crate::record::{DeliveryId, Offset, PartitionId};
use crate::rules::Rules;
use crate::time::Instant;

use super::Subscription;
use super::judge::NEVER;

/// Connections lost that are no accident.
const LOSSES: u32 = 2;

/// Suspects that are in flight, and those that want to be.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    out: Vec<Suspect>,
    standing: VecDeque<(PartitionId, Slot)>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    partition: PartitionId,
    offset: Offset,
    is_last: bool,
}

impl Suspects {
    /// The partition is not ours any more.
    pub(super) fn leave(&mut self, id: PartitionId) {
        self.out.retain(|suspect| suspect.partition != id);
        self.standing.retain(|(partition, _)| *partition != id);
    }

    /// The record is an operator's, or goes to the park topic.
    pub(super) fn stands_no_more(&mut self, id: PartitionId, slot: Slot) {
        self.standing.retain(|stands| *stands != (id, slot));
    }

    pub(super) fn sent<P>(&mut self, id: DeliveryId, held: &Held<P>, rules: &Rules) {
        if is_suspect(held, rules) {
            let is_last = is_last(held, rules);
            self.out.push(Suspect { partition: id.partition, offset: id.offset, is_last });
        }
    }

    pub(super) fn ended(&mut self, id: PartitionId, offset: Offset) {
        self.out.retain(|suspect| (suspect.partition, suspect.offset) != (id, offset));
    }
}

impl<P: Clone> Subscription<P> {
    /// Whether a suspect needs what else might be sent to wait.
    pub(super) fn is_crowded(&self) -> bool {
        let any = !self.suspects.out.is_empty() || !self.suspects.standing.is_empty();
        any && self.has_no_room()
    }

    fn has_no_room(&self) -> bool {
        self.hold.gate() == Gate::Open
            && self.in_flight >= self.blame.room()
            && !self.rules.planted.is(Fault::SuspectsCrowded)
    }

    /// Whether a lane that has its turn lost it, for its head is a suspect and there is no room, or
    /// another one has its last chance.
    pub(super) fn stands_back(&mut self, id: PartitionId, slot: Slot, now: Instant) -> bool {
        let stands = self.must_stand(id, slot);
        if stands {
            let lanes = self.lanes_of(id);
            lanes.shut_again();
            lanes.get_mut(slot).state = HeldState::Shut { until: now + NEVER, unknown: None };
            self.suspects.standing.push_back((id, slot));
        }
        stands
    }

    fn must_stand(&self, id: PartitionId, slot: Slot) -> bool {
        let partition = self.seats[id.0 as usize].partition.as_ref().expect("its lanes go with it");
        let held = partition.lanes.get(slot);
        let shared = self.rules.planted.is(Fault::LastChanceShared);
        let taken = self.suspects.out.iter().any(|suspect| suspect.is_last) && !shared;
        let (suspect, last) = (is_suspect(held, &self.rules), is_last(held, &self.rules));
        suspect && self.has_no_room() || last && taken
    }

    /// Gives the first of those that stand back its turn where it may go now. Says whether it did.
    pub(super) fn call_suspect(&mut self, now: Instant) -> bool {
        let Some(&(id, slot)) = self.suspects.standing.front() else { return false };
        let goes = !self.must_stand(id, slot);
        if goes {
            self.suspects.standing.pop_front();
            self.due(id, slot, now);
        }
        goes
    }
}

fn is_suspect<P>(held: &Held<P>, rules: &Rules) -> bool {
    held.failure.as_ref().is_some_and(|failure| failure.losses >= LOSSES) || is_last(held, rules)
}

/// Whether one more loss would have the record given up.
fn is_last<P>(held: &Held<P>, rules: &Rules) -> bool {
    let lost = held.failure.as_ref().is_some_and(|failure| failure.losses > 0);
    lost && held.charged + 1 >= rules.attempts
}
