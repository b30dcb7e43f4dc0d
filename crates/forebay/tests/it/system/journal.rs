//! What the services saw, and the judgement on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// One delivery as a service saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) tenure: i64,
    pub(crate) attempt: u32,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the answer was an accept.
    pub(crate) accepted: bool,
}

/// What all services of a test saw, in the order in which they answered.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<Seen>>>);

impl Journal {
    pub(crate) fn write(&self, seen: Seen) {
        self.0.lock().unwrap().push(seen);
    }

    pub(crate) fn read(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Places of all records that were accepted at least once.
    pub(crate) fn accepted(&self) -> BTreeSet<(i32, i64)> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|seen| seen.accepted).map(|seen| (seen.partition, seen.offset)).collect()
    }

    /// Highest offset that was delivered, by partition.
    pub(crate) fn highest(&self) -> BTreeMap<i32, i64> {
        let mut highest = BTreeMap::new();
        for seen in self.0.lock().unwrap().iter() {
            let entry = highest.entry(seen.partition).or_insert(seen.offset);
            *entry = seen.offset.max(*entry);
        }
        highest
    }

    /// Asserts that for each key the first accepted completions ascend.
    pub(crate) fn assert_in_order(&self) {
        let mut done = BTreeSet::new();
        let mut last: BTreeMap<(i32, String), i64> = BTreeMap::new();
        for seen in self.read().into_iter().filter(|seen| seen.accepted) {
            if !done.insert((seen.partition, seen.offset)) {
                continue;
            }
            let last = last.entry((seen.partition, seen.key.clone())).or_insert(-1);
            assert!(seen.offset > *last, "out of order after offset {last}: {seen:?}");
            *last = seen.offset;
        }
    }

    /// Deliveries of records that had been accepted before.
    pub(crate) fn repeated(&self) -> usize {
        let accepted = self.read().iter().filter(|seen| seen.accepted).count();
        accepted - self.accepted().len()
    }
}
