//! How many records and bytes may be held, so that memory has a ceiling (P3).
//!
//! Each assigned partition has an equal share, so one that is stuck fills its own and no other.
//! Shares shrink when partitions come, and what is held by then is more than they allow; so all
//! partitions together keep the bounds as well, open fetches counted in, but for one record that
//! each may always have: none starves, and a record of any size gets through.
//!
//! Nor is more held than is of use: a partition fetches when few of its lanes are ready to be sent, so
//! where keys are many, a small part of what may be held keeps the service busy, and stays in the
//! processor's cache. Where keys are few, or stuck, the bounds are what is left to go to.
//!
//! What librdkafka and the intake's queues hold is bounded by the shell, out of the same budget.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Load {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.records -= 1;
        self.bytes -= bytes;
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { records: self.records + other.records, bytes: self.bytes + other.bytes }
    }

    /// What is left; nothing where less was there.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    pub(crate) fn most(self, other: Self) -> Self {
        Self { records: self.records.min(other.records), bytes: self.bytes.min(other.bytes) }
    }

    pub(crate) fn exceeds(self, other: Self) -> bool {
        self.records > other.records || self.bytes > other.bytes
    }
}

/// What one partition may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credit {
    share: Load,
    /// What all partitions together may still take.
    spare: Load,
    /// Records that are ready to be sent, past which more would only wait.
    plenty: usize,
}

/// Ready records for each delivery that may be in flight, over all partitions.
const READY: usize = 4;
/// Ready records of a partition, however many there are: fetching goes by batches.
const READY_MIN: usize = 16;

impl Credit {
    /// An equal share of the subscription's bounds, at least one record, and what is left of the
    /// bounds after all that was taken.
    /// `in_flight`: how many deliveries may be out.
    pub(crate) fn share(most: Load, partitions: usize, taken: Load, in_flight: usize) -> Self {
        let part = |most: usize| (most / partitions.max(1)).max(1);
        let share = Load { records: part(most.records), bytes: part(most.bytes) };
        let plenty = part(in_flight.saturating_mul(READY)).max(READY_MIN);
        Self { share, spare: most.minus(taken), plenty }
    }

    /// How many records are of use beside those that are ready; none until half of them are sent.
    pub(crate) fn appetite(self, ready: usize) -> Option<usize> {
        (ready <= self.plenty / 2).then(|| self.plenty - ready)
    }

    /// What may be fetched on top of `held`; with nothing held, always something.
    pub(crate) fn room(self, held: Load) -> Option<Load> {
        let room = self.own_room(held)?.most(self.spare);
        if held.records == 0 {
            return Some(Load { records: room.records.max(1), bytes: room.bytes.max(1) });
        }
        (room.records > 0 && room.bytes > 0).then_some(room)
    }

    /// What the share leaves. Nothing until a quarter is free, so that fetching goes by batches
    /// and not by records.
    pub(crate) fn own_room(self, held: Load) -> Option<Load> {
        let room = self.share.minus(held);
        let worthwhile = room.records.saturating_mul(4) >= self.share.records
            && room.bytes.saturating_mul(4) >= self.share.bytes
            && room.records > 0;
        worthwhile.then_some(room)
    }

    /// What an open fetch may bring after the share has shrunk; one record in any case.
    pub(crate) fn shrunk(self, open: Load, held: Load) -> Option<Load> {
        let room = self.share.minus(held);
        let room = Load { records: room.records.max(1), bytes: room.bytes.max(1) };
        open.exceeds(room).then_some(open.most(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Load = Load { records: 0, bytes: 0 };

    fn load(records: usize, bytes: usize) -> Load {
        Load { records, bytes }
    }

    #[test]
    fn a_share_is_an_equal_part_and_never_nothing() {
        let share = |most, partitions| Credit::share(most, partitions, NONE, 8).share;
        assert_eq!(share(load(20_000, 800), 8), load(2_500, 100));
        assert_eq!(share(load(3, 2), 8), load(1, 1));
        assert_eq!(share(load(10, 10), 0), load(10, 10));
    }

    #[test]
    fn room_opens_when_a_quarter_is_free() {
        let credit = Credit::share(load(100, 1_000), 1, NONE, 8);
        let room = |records, bytes| credit.room(load(records, bytes));
        assert_eq!(room(0, 0), Some(load(100, 1_000)));
        assert_eq!(room(75, 10), Some(load(25, 990)));
        assert_eq!(room(76, 10), None);
        assert_eq!(room(1, 751), None);
        assert_eq!(room(200, 5_000), None, "a share that shrank is overdrawn, not negative");
    }

    #[test]
    fn a_record_over_the_byte_bound_leaves_no_room_until_it_is_gone() {
        let credit = Credit::share(load(100, 10), 1, NONE, 8);
        let mut held = Load::default();
        held.add(50);
        assert_eq!(credit.room(held), None);
        held.remove(50);
        assert!(credit.room(held).is_some());
    }

    #[test]
    fn where_others_hold_more_than_their_share_one_record_is_left() {
        let credit = Credit::share(load(100, 1_000), 2, load(100, 500), 8);
        assert_eq!(credit.room(NONE), Some(load(1, 500)));
        assert_eq!(credit.room(load(1, 1)), None);
        assert_eq!(credit.own_room(load(1, 1)), Some(load(49, 499)));
    }

    #[test]
    fn more_is_fetched_when_half_of_what_is_plenty_is_sent() {
        let appetite = |partitions, ready| {
            Credit::share(load(10_000, 1_000), partitions, NONE, 256).appetite(ready)
        };
        assert_eq!(appetite(8, 0), Some(128));
        assert_eq!((appetite(8, 64), appetite(8, 65)), (Some(64), None));
        assert_eq!(appetite(1_000, 0), Some(16), "batches, where partitions are many");
    }

    #[test]
    fn an_open_fetch_shrinks_with_the_share() {
        let credit = Credit::share(load(100, 1_000), 2, NONE, 8);
        assert_eq!(credit.shrunk(load(100, 1_000), load(10, 0)), Some(load(40, 500)));
        assert_eq!(credit.shrunk(load(100, 1_000), load(80, 900)), Some(load(1, 1)));
        assert_eq!(credit.shrunk(load(50, 500), NONE), None);
    }
}
