//! Which record may go next: one in flight for each key, oldest first, all keys side by side (P1).
//!
//! A lane is the queue of one key. A record without a key is a lane of its own. Keys come as
//! 64-bit hashes: two keys that collide share a lane, which costs them time and never order.
//! Records sit in a slab and are linked by index, so a busy partition allocates nothing.

use alloc::collections::VecDeque;
use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;
use slab::Slab;

/// Where a record sits until it is settled.
pub(crate) type Slot = usize;

type LaneId = usize;

#[derive(Debug)]
pub(crate) struct Lanes<T> {
    slots: Slab<Seat<T>>,
    lanes: Slab<Lane>,
    by_key: HashMap<u64, LaneId, BuildHasherDefault<Prehashed>>,
    /// Open lanes whose head was never sent, first come first served.
    fresh: VecDeque<LaneId>,
    /// Open lanes whose head came back.
    again: VecDeque<LaneId>,
}

#[derive(Debug)]
struct Seat<T> {
    item: T,
    lane: LaneId,
    next: Option<Slot>,
}

#[derive(Debug)]
struct Lane {
    key: Option<u64>,
    head: Slot,
    tail: Slot,
    state: State,
    /// Its records go elsewhere: none of them is sent.
    aside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    InFlight,
    /// The head failed, or may still be at work somewhere; it waits for [`Lanes::reopen`].
    Shut,
}

impl<T> Lanes<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slab::new(),
            lanes: Slab::new(),
            by_key: HashMap::default(),
            fresh: VecDeque::new(),
            again: VecDeque::new(),
        }
    }

    /// Queues a record behind the others of its key.
    pub(crate) fn push(&mut self, key: Option<u64>, item: T) -> Slot {
        self.enter(key, item, false).0
    }

    /// As [`Lanes::push`], of a key that is set aside: a lane that is new is shut, and its head is
    /// the caller's to move. Says whether it is.
    pub(crate) fn push_aside(&mut self, key: u64, item: T) -> (Slot, bool) {
        self.enter(Some(key), item, true)
    }

    fn enter(&mut self, key: Option<u64>, item: T, aside: bool) -> (Slot, bool) {
        let known = key.and_then(|key| self.by_key.get(&key).copied());
        let slot = self.slots.insert(Seat { item, lane: known.unwrap_or(usize::MAX), next: None });
        if let Some(lane) = known {
            let lane = &mut self.lanes[lane];
            self.slots[lane.tail].next = Some(slot);
            lane.tail = slot;
            return (slot, false);
        }
        let state = if aside { State::Shut } else { State::Ready };
        let lane = self.lanes.insert(Lane { key, head: slot, tail: slot, state, aside });
        self.slots[slot].lane = lane;
        if let Some(key) = key {
            self.by_key.insert(key, lane);
        }
        if !aside {
            self.fresh.push_back(lane);
        }
        (slot, aside)
    }

    /// As [`Lanes::push`], but never finds the lane of the key: a fault to plant.
    pub(crate) fn push_unlinked(&mut self, item: T) -> Slot {
        self.push(None, item)
    }

    /// Records in all lanes.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Open lanes whose head was never sent.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    pub(crate) fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// The key of the lane that a record is in.
    pub(crate) fn key(&self, slot: Slot) -> Option<u64> {
        self.lanes[self.slots[slot].lane].key
    }

    pub(crate) fn get(&self, slot: Slot) -> &T {
        &self.slots[slot].item
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.slots[slot].item
    }

    /// Sends off the head of the lane that waited longest among those never sent.
    pub(crate) fn start_fresh(&mut self) -> Option<Slot> {
        let lane = self.fresh.pop_front()?;
        Some(self.start(lane))
    }

    /// Sends off the head of the lane that waited longest among those that came back.
    pub(crate) fn start_again(&mut self) -> Option<Slot> {
        let lane = self.again.pop_front()?;
        Some(self.start(lane))
    }

    /// The head that [`Lanes::start_again`] would send.
    pub(crate) fn peek_again(&self) -> Option<Slot> {
        Some(self.lanes[*self.again.front()?].head)
    }

    fn start(&mut self, lane: LaneId) -> Slot {
        let lane = &mut self.lanes[lane];
        assert_eq!(lane.state, State::Ready, "P1: a lane in the ready queue is ready");
        lane.state = State::InFlight;
        lane.head
    }

    /// The head came back unsettled; its lane waits.
    pub(crate) fn shut(&mut self, slot: Slot) {
        let lane = self.lane_of(slot);
        assert_eq!(lane.state, State::InFlight, "only a head in flight can fail");
        lane.state = State::Shut;
    }

    /// The lane that [`Lanes::start_again`] would take goes on waiting.
    pub(crate) fn shut_again(&mut self) {
        let lane = self.again.pop_front().expect("the caller saw one");
        self.lanes[lane].state = State::Shut;
    }

    /// A shut lane may go on, with the same head.
    pub(crate) fn reopen(&mut self, slot: Slot) {
        let lane = self.lane_of(slot);
        assert_eq!(lane.state, State::Shut, "only a shut lane reopens");
        lane.state = State::Ready;
        let lane = self.slots[slot].lane;
        self.again.push_back(lane);
    }

    /// Sets the lane of a shut head aside: none of its records is sent any more.
    pub(crate) fn set_aside(&mut self, slot: Slot) {
        let lane = self.lane_of(slot);
        assert_eq!(lane.state, State::Shut, "what may be at work elsewhere stays");
        lane.aside = true;
    }

    pub(crate) fn is_aside(&self, slot: Slot) -> bool {
        self.lanes[self.slots[slot].lane].aside
    }

    /// The oldest record of a key.
    pub(crate) fn head(&self, key: u64) -> Option<Slot> {
        self.by_key.get(&key).map(|lane| self.lanes[*lane].head)
    }

    /// The record behind this one.
    pub(crate) fn next(&self, slot: Slot) -> Option<Slot> {
        self.slots[slot].next
    }

    /// Removes the head, which is in flight or shut; the next of its key may go.
    pub(crate) fn finish(&mut self, slot: Slot) -> T {
        let id = self.slots[slot].lane;
        assert_ne!(self.lane_of(slot).state, State::Ready, "a record settles after it was sent");
        let seat = self.slots.remove(slot);
        match seat.next {
            Some(next) => {
                let lane = &mut self.lanes[id];
                lane.head = next;
                if !lane.aside {
                    lane.state = State::Ready;
                    self.fresh.push_back(id);
                }
            }
            None => {
                let lane = self.lanes.remove(id);
                if let Some(key) = lane.key {
                    self.by_key.remove(&key);
                }
            }
        }
        seat.item
    }

    /// Moves a shut head behind the later records of its key: a fault to plant.
    pub(crate) fn send_to_back(&mut self, slot: Slot) {
        let id = self.slots[slot].lane;
        if let Some(next) = self.slots[slot].next.take() {
            let lane = &mut self.lanes[id];
            lane.head = next;
            let tail = core::mem::replace(&mut lane.tail, slot);
            self.slots[tail].next = Some(slot);
        }
    }

    /// Asserts that the parts agree.
    pub(crate) fn check(&self) {
        let ready = self.lanes.iter().filter(|(_, lane)| lane.state == State::Ready).count();
        let queued = self.fresh.len() + self.again.len();
        assert_eq!(ready, queued, "each ready lane is queued once");
        let mut seats = 0;
        for (id, lane) in &self.lanes {
            let mut at = Some(lane.head);
            while let Some(slot) = at {
                assert_eq!(self.slots[slot].lane, id, "a record knows its lane");
                seats += 1;
                at = self.slots[slot].next;
            }
        }
        assert_eq!(seats, self.slots.len(), "each record is in one lane");
    }

    fn lane_of(&mut self, slot: Slot) -> &mut Lane {
        let lane = &mut self.lanes[self.slots[slot].lane];
        assert_eq!(lane.head, slot, "P1: only the head of a lane moves");
        lane
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys of lanes are u64");
    }

    fn write_u64(&mut self, key: u64) {
        // The table looks at the low and at the topmost bits; the shell's hash need not fill both.
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

#[cfg(test)]
mod tests;
