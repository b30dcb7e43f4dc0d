//! Which keys of a partition are parked: moved to the park topic, record by record and in order, so
//! that one key that fails does not hold the partition's commit point and room.
//!
//! The order of a key across both topics (P1) rests on three things. A key is named in the commit
//! metadata before the first of its records is written, so whoever reads the same records again
//! parks them again instead of sending them. What is written last is named there as well, with
//! every commit that passes it. And a key is let go only when the group has committed all of it in
//! the park topic; after a new tenure, all that the park topic held then, for the former owner may
//! have written more than it committed.
//!
//! Writing, and asking how far the park topic is committed, are the shell's.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::record::{CommitPoint, Offset};
use crate::time::Instant;

/// Keys of one partition that may be parked at once: their rows have to fit into what Kafka stores
/// beside a commit.
pub const PARKED_MAX: usize = 64;

/// A row of the commit metadata: a key that is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedKey {
    /// As in [`crate::Record::key`].
    pub key: u64,
    pub last: ParkedLast,
}

/// How far a key has come on its way to the park topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkedLast {
    /// Nothing of it is known to be written; the first record to go has this offset.
    Named(Offset),
    /// Its last record that Kafka acknowledged.
    At(ParkPlace),
}

/// A record's place in the park topic, in Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkPlace {
    pub partition: i32,
    pub offset: i64,
}

/// The parked keys of one partition in one tenure.
#[derive(Debug, Default)]
pub(crate) struct ParkedKeys(BTreeMap<u64, Key>);

#[derive(Clone, Copy, Debug)]
struct Key {
    last: ParkedLast,
    naming: Naming,
    /// Taken over then; the park topic may hold more of it than the row says.
    inherited: Option<Instant>,
}

/// Whether Kafka has a commit that names the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    Wanted,
    Sent,
    Done,
}

impl ParkedKeys {
    /// What the commit metadata said when the tenure began.
    pub(crate) fn inherit(rows: &[ParkedKey], now: Instant) -> Self {
        let key = |row: &ParkedKey| {
            let inherited = Some(now);
            (row.key, Key { last: row.last, naming: Naming::Done, inherited })
        };
        Self(rows.iter().map(key).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has(&self, key: u64) -> bool {
        self.0.contains_key(&key)
    }

    /// Parks a key, whose head has this offset. Says whether there is room for its row.
    pub(crate) fn add(&mut self, key: u64, head: Offset) -> bool {
        let fits = self.0.len() < PARKED_MAX;
        if fits {
            let last = ParkedLast::Named(head);
            self.0.insert(key, Key { last, naming: Naming::Wanted, inherited: None });
        }
        fits
    }

    /// Whether Kafka knows that the key is parked, so that its records may be written.
    pub(crate) fn is_named(&self, key: u64) -> bool {
        self.0.get(&key).is_some_and(|key| key.naming == Naming::Done)
    }

    /// The partition of the park topic that the key has gone to, where that is known.
    pub(crate) fn partition(&self, key: u64) -> Option<i32> {
        match self.0.get(&key)?.last {
            ParkedLast::Named(_) => None,
            ParkedLast::At(place) => Some(place.partition),
        }
    }

    /// Kafka has one more record of the key.
    pub(crate) fn written(&mut self, key: u64, place: ParkPlace) {
        if let Some(key) = self.0.get_mut(&key) {
            key.last = ParkedLast::At(place);
            // What a former owner wrote lies before it, in the same partition.
            key.inherited = None;
        }
    }

    /// The partitions of the park topic that the keys have gone to.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.0.values().filter_map(|key| match key.last {
            ParkedLast::Named(_) => None,
            ParkedLast::At(place) => Some(place.partition),
        })
    }

    pub(crate) fn rows(&self) -> Vec<ParkedKey> {
        self.0.iter().map(|(key, parked)| ParkedKey { key: *key, last: parked.last }).collect()
    }

    /// Whether a key waits to be named.
    pub(crate) fn wants_naming(&self) -> bool {
        self.0.values().any(|key| key.naming == Naming::Wanted)
    }

    pub(crate) fn commit_sent(&mut self) {
        self.rename(Naming::Wanted, Naming::Sent, |_| {});
    }

    pub(crate) fn commit_failed(&mut self) {
        self.rename(Naming::Sent, Naming::Wanted, |_| {});
    }

    /// Returns the keys that may be written from now on.
    pub(crate) fn committed(&mut self) -> Vec<u64> {
        let mut named = Vec::new();
        self.rename(Naming::Sent, Naming::Done, |key| named.push(key));
        named
    }

    fn rename(&mut self, from: Naming, to: Naming, mut told: impl FnMut(u64)) {
        for (name, key) in self.0.iter_mut().filter(|(_, key)| key.naming == from) {
            key.naming = to;
            told(*name);
        }
    }

    /// The group has committed a partition of the park topic up to `point`, and `end` was the end
    /// of its log, when that was `asked`. Lets go the keys that have nothing left there, nor on
    /// its way there (`busy`).
    pub(crate) fn release(
        &mut self,
        partition: i32,
        asked: Instant,
        (point, end): (CommitPoint, CommitPoint),
        busy: impl Fn(u64) -> bool,
    ) {
        self.0.retain(|name, key| {
            let ParkedLast::At(place) = &mut key.last else { return true };
            if place.partition != partition {
                return true;
            }
            if let Some(since) = key.inherited {
                if asked < since {
                    return true;
                }
                place.offset = place.offset.max(end.0 - 1);
                key.inherited = None;
            }
            place.offset >= point.0 || busy(*name)
        });
    }

    /// A partition of the park topic is gone with all that it held. What is left of its keys, the
    /// record with this offset first, goes anywhere there.
    pub(crate) fn gone(&mut self, partition: i32, head: impl Fn(u64) -> Option<Offset>) {
        self.0.retain(|name, key| match key.last {
            ParkedLast::At(place) if place.partition == partition => {
                let head = head(*name);
                if let Some(head) = head {
                    (key.last, key.inherited) = (ParkedLast::Named(head), None);
                }
                head.is_some()
            }
            ParkedLast::At(_) | ParkedLast::Named(_) => true,
        });
    }

    /// Lets go the keys that were named only, and whose record is gone from the log: what is read
    /// has passed it, and there is nothing of the key.
    pub(crate) fn forget_gone(&mut self, read: CommitPoint, busy: impl Fn(u64) -> bool) {
        self.0.retain(|name, key| match key.last {
            ParkedLast::Named(head) => head.0 >= read.0 || busy(*name),
            ParkedLast::At(_) => true,
        });
    }

    /// Lets every key go that has nothing on its way: a fault to plant.
    pub(crate) fn release_early(&mut self, busy: impl Fn(u64) -> bool) {
        self.0.retain(|name, _| busy(*name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: ParkPlace = ParkPlace { partition: 2, offset: 10 };

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn release(keys: &mut ParkedKeys, asked: u64, point: i64, end: i64) -> usize {
        keys.release(2, at(asked), (CommitPoint(point), CommitPoint(end)), |_| false);
        keys.len()
    }

    #[test]
    fn a_key_is_written_once_kafka_knows_its_name() {
        let mut keys = ParkedKeys::default();
        assert!(keys.add(7, Offset(3)) && keys.wants_naming() && !keys.is_named(7));
        keys.commit_sent();
        keys.commit_failed();
        assert!(keys.wants_naming());
        keys.commit_sent();
        assert_eq!(keys.committed(), [7]);
        assert!(keys.is_named(7) && keys.committed().is_empty());
    }

    #[test]
    fn a_key_goes_when_the_park_topic_is_done_with_it() {
        let mut keys = ParkedKeys::default();
        keys.add(7, Offset(3));
        keys.written(7, AT);
        assert_eq!(release(&mut keys, 0, 10, 99), 1, "its last one is not committed");
        keys.release(2, at(0), (CommitPoint(11), CommitPoint(99)), |_| true);
        assert_eq!(keys.len(), 1, "more of it is on its way");
        keys.release(1, at(0), (CommitPoint(11), CommitPoint(99)), |_| false);
        assert_eq!(keys.len(), 1, "that is another partition");
        assert_eq!(release(&mut keys, 0, 11, 99), 0);
    }

    #[test]
    fn what_a_former_owner_may_have_written_is_waited_for() {
        let row = ParkedKey { key: 7, last: ParkedLast::At(AT) };
        let mut keys = ParkedKeys::inherit(&[row], at(50));
        assert_eq!(release(&mut keys, 49, 11, 11), 1, "asked before the tenure began");
        assert_eq!(release(&mut keys, 51, 11, 14), 1, "three more may be its own");
        assert_eq!(release(&mut keys, 52, 13, 20), 1);
        assert_eq!(release(&mut keys, 53, 14, 20), 0);
    }

    #[test]
    fn a_key_that_was_only_named_goes_with_its_record() {
        let row = ParkedKey { key: 7, last: ParkedLast::Named(Offset(5)) };
        let mut keys = ParkedKeys::inherit(&[row], at(0));
        keys.forget_gone(CommitPoint(5), |_| false);
        assert_eq!(keys.len(), 1);
        keys.forget_gone(CommitPoint(6), |_| true);
        assert_eq!(keys.len(), 1);
        keys.forget_gone(CommitPoint(6), |_| false);
        assert_eq!(keys.len(), 0);
    }

    #[test]
    fn keys_whose_place_is_gone_go_or_are_placed_anew() {
        let mut keys = ParkedKeys::default();
        for (key, partition) in [(7, 2), (8, 2), (9, 1)] {
            keys.add(key, Offset(3));
            keys.written(key, ParkPlace { partition, offset: 10 });
        }
        keys.commit_sent();
        keys.committed();
        keys.gone(2, |key| (key == 8).then_some(Offset(40)));
        assert!(!keys.has(7), "nothing is left of it");
        assert_eq!((keys.partition(8), keys.partition(9)), (None, Some(1)));
        assert!(keys.is_named(8), "Kafka knows that it is parked");
        keys.written(8, ParkPlace { partition: 0, offset: 0 });
        assert_eq!(keys.partition(8), Some(0));
    }

    #[test]
    fn no_more_keys_are_parked_than_kafka_has_room_for() {
        let mut keys = ParkedKeys::default();
        assert!((0..64).all(|key| keys.add(key, Offset(0))));
        assert!(!keys.add(64, Offset(0)));
    }
}
