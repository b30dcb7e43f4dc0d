//! Keys that make room: which are moved to the park topic, record by record, and when they may come
//! back to the service.
//!
//! A key is moved where its head's failure is its own, has lasted long enough, and its partition
//! has no room left for others. What waits for an operator, or for a target that is at fault, is
//! not.

use crate::fault::Fault;
use crate::lanes::Slot;
use crate::park::ParkPlace;
use crate::partition::{Charge, HeldState};
use crate::record::{CommitPoint, Offset, PartitionId, Tenure};
use crate::time::Instant;

use super::{Output, Park, Subscription};

/// A record that was not written waits as a record does after so many failures.
const PAUSE: u32 = 4;
/// Records in trouble, the oldest ones, among which one is chosen to make room.
const CHOICE: usize = 64;

impl<P: Clone> Subscription<P> {
    /// The partitions of the park topic that hold, or may hold, records of keys that are parked.
    pub fn parked_in(&self) -> alloc::collections::BTreeSet<i32> {
        let partitions = self.seats.iter().filter_map(|seat| seat.partition.as_ref());
        partitions.flat_map(|partition| partition.parked.partitions()).collect()
    }

    /// One record of a partition failed. Where the partition is short of room, the key that has
    /// failed for longest is moved. `due`: a shut head that is about to reopen; says whether that
    /// is the one.
    pub(super) fn make_room(&mut self, id: PartitionId, due: Option<Slot>, now: Instant) -> bool {
        let Some(after) = self.rules.park_after else { return false };
        let held_by_target =
            self.hold.target().is_some() && !self.rules.planted.is(Fault::BrokenTargetParks);
        let credit = self.credit();
        let Some((partition, rules)) = self.partition(id) else { return false };
        if !partition.parks
            || held_by_target
            || partition.is_draining()
            || !partition.is_cramped(credit, rules)
        {
            return false;
        }
        let oldest = self.troubled.iter().take(CHOICE).filter(|trouble| trouble.1 == id);
        let mut choice = oldest.map(|trouble| trouble.2).chain(due);
        let Some(slot) = choice.find(|slot| self.may_move(id, *slot, due, after, now)) else {
            return false;
        };
        self.move_aside(id, slot);
        Some(slot) == due
    }

    /// Whether a record is the head of a lane that may be moved.
    fn may_move(
        &self,
        id: PartitionId,
        slot: Slot,
        due: Option<Slot>,
        after: core::time::Duration,
        now: Instant,
    ) -> bool {
        let Some(partition) = &self.seats[id.0 as usize].partition else { return false };
        let held = partition.lanes.get(slot);
        let Some(failure) = &held.failure else { return false };
        let waits = match held.state {
            HeldState::Shut { unknown, .. } => unknown.is_none() || due == Some(slot),
            _ => false,
        };
        waits
            && failure.charge == Charge::Charged
            && failure.given_up.is_none()
            && now.since(failure.first) >= after
            && !partition.lanes.is_aside(slot)
    }

    fn move_aside(&mut self, id: PartitionId, slot: Slot) {
        let (partition, rules) = self.partition(id).expect("the caller has it");
        let HeldState::Shut { until, .. } = partition.lanes.get(slot).state else {
            unreachable!("only a shut head moves");
        };
        let Some(at_once) = partition.set_aside(slot, rules) else { return };
        self.reopenings.remove(&(until, id, slot));
        self.suspects.stands_no_more(id, slot);
        if at_once {
            self.parking.push_back((id, slot));
        }
        self.consider(id);
    }

    /// These records are the next of their keys to be parked, where the keys are named.
    pub(super) fn park_heads(&mut self, id: PartitionId, heads: impl IntoIterator<Item = Slot>) {
        let Self { seats, parking, rules, .. } = self;
        let Some(partition) = &mut seats[id.0 as usize].partition else { return };
        for slot in heads {
            let held = partition.lanes.get_mut(slot);
            if matches!(held.state, HeldState::Queued | HeldState::Parking { out: false }) {
                held.state = HeldState::Parking { out: false };
                let named =
                    partition.lanes.key(slot).is_none_or(|key| partition.parked.is_named(key));
                if named || rules.planted.is(Fault::ParkedBeforeNamed) {
                    parking.push_back((id, slot));
                }
            }
        }
    }

    pub(super) fn poll_parking(&mut self) -> Option<Output<P>> {
        loop {
            let (id, mut slot) = self.parking.pop_front()?;
            let (partition, rules) = self.partition(id).expect("what is parked goes with it");
            // What has not gone by then is the next owner's to park.
            if partition.is_draining() {
                continue;
            }
            let hurries = rules.planted.is(Fault::ParkedBeforeAcknowledged);
            if rules.planted.is(Fault::FollowersOvertake)
                && let Some(next) = partition.lanes.next(slot)
            {
                partition.lanes.get_mut(slot).state = HeldState::Queued;
                partition.lanes.send_to_back(slot);
                slot = next;
            }
            partition.parking += 1;
            let to = partition.lanes.key(slot).and_then(|key| partition.parked.partition(key));
            let rewinds = partition.rewinds;
            let held = partition.lanes.get_mut(slot);
            held.state = HeldState::Parking { out: true };
            let failure = held.failure.as_deref();
            let park = Park {
                partition: id,
                tenure: partition.tenure,
                offset: held.offset,
                replay: rewinds.replay_of(held.offset),
                payload: held.payload.clone(),
                to,
                charged: held.charged,
                deliveries: held.deliveries,
                failed: failure.map(|failure| (failure.first, failure.answered)),
                answer: failure.map(|failure| failure.answer.clone()),
            };
            if hurries {
                partition.parking -= 1;
                self.counts.parked += 1;
                self.settle(id, slot);
            }
            return Some(Output::Park(park));
        }
    }

    /// Kafka has the record, or has not: then it is written again after a pause.
    pub(super) fn parked(
        &mut self,
        id: PartitionId,
        tenure: Tenure,
        offset: Offset,
        at: Option<ParkPlace>,
        now: Instant,
    ) {
        let Self { seats, rules, rng, .. } = self;
        let seat = seats.get_mut(id.0 as usize).and_then(|seat| seat.partition.as_mut());
        let Some(partition) = seat.filter(|partition| partition.tenure == tenure) else { return };
        let Some(&slot) = partition.ledger.ticket(offset) else { return };
        if partition.lanes.get(slot).state != (HeldState::Parking { out: true }) {
            return;
        }
        partition.parking -= 1;
        match at {
            Some(place) => {
                if let Some(key) = partition.lanes.key(slot) {
                    partition.parked.written(key, place);
                }
                self.counts.parked += 1;
                self.settle(id, slot);
                if self.rules.planted.is(Fault::UnparkedEarly) {
                    let (partition, _) = self.partition(id).expect("it was there");
                    let lanes = &partition.lanes;
                    partition.parked.release_early(|key| lanes.head(key).is_some());
                }
            }
            None => {
                self.counts.parks_failed += 1;
                let until = now + rules.backoff.pause(PAUSE, None, rng);
                partition.lanes.get_mut(slot).state = HeldState::Shut { until, unknown: None };
                if !partition.is_draining() {
                    self.reopenings.insert((until, id, slot));
                }
                self.consider(id);
            }
        }
    }

    /// A record that was not parked has waited; it is parked again. Says whether it is such a one.
    pub(super) fn parks_again(&mut self, id: PartitionId, slot: Slot) -> bool {
        let (partition, _) = self.partition(id).expect("its lanes go with it");
        let is_aside = partition.lanes.is_aside(slot);
        if is_aside {
            partition.lanes.get_mut(slot).state = HeldState::Parking { out: false };
            self.parking.push_back((id, slot));
        }
        is_aside
    }

    /// A partition that drains parks nothing more; what waits to be parked again is the next owner's.
    pub(super) fn park_no_more(&mut self, id: PartitionId) {
        let Self { seats, reopenings, .. } = self;
        let Some(partition) = &seats[id.0 as usize].partition else { return };
        reopenings.retain(|(_, of, slot)| *of != id || !partition.lanes.is_aside(*slot));
    }

    /// How far the group is done with a partition of the park topic.
    pub(super) fn park_committed(
        &mut self,
        place: i32,
        asked: Instant,
        point: CommitPoint,
        end: CommitPoint,
    ) {
        for partition in self.seats.iter_mut().filter_map(|seat| seat.partition.as_mut()) {
            let lanes = &partition.lanes;
            let busy = |key| lanes.head(key).is_some();
            partition.parked.release(place, asked, (point, end), busy);
        }
    }

    /// A partition of the park topic is gone, or another topic of that name has it.
    pub(super) fn park_gone(&mut self, place: i32) {
        for partition in self.seats.iter_mut().filter_map(|seat| seat.partition.as_mut()) {
            let lanes = &partition.lanes;
            let head = |key| lanes.head(key).map(|slot| lanes.get(slot).offset);
            partition.parked.gone(place, head);
        }
    }
}
