//! The records of one partition between the poll thread, which fills, and the worker, which takes.
//!
//! Bounded by the poll thread, which stops fetching a partition at its high mark and starts again
//! at its low mark. A closed queue gives nothing more: what it still held belongs to whoever owns
//! the partition next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::epochs::Epochs;
use crate::record::{Record, TopicPartition};

/// One partition's queue. `take` is for one worker; the poll thread is the only one that fills.
pub struct PartitionQueue {
    partition: TopicPartition,
    inner: Mutex<Inner>,
    /// The worker asked, found nothing and wants to be woken by the next record.
    wanted: AtomicBool,
    /// The poll thread stopped fetching and wants to be told when there is room.
    choked: AtomicBool,
    /// Wakes the poll thread.
    room: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    records: VecDeque<Record>,
    bytes: usize,
    epochs: Epochs,
    low: Mark,
    closed: bool,
}

/// A level of a queue, in records and in bytes (as of [`Record::size`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl PartitionQueue {
    pub(super) fn new(partition: TopicPartition, room: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            partition,
            inner: Mutex::default(),
            wanted: AtomicBool::new(true),
            choked: AtomicBool::new(false),
            room,
        }
    }

    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Moves records to the end of `into`, oldest first, and returns how many.
    ///
    /// Stops before the record that would pass `max_bytes`, except that the first one always
    /// goes if `max_records` allows it. Where it finds nothing, the waker is called at the next
    /// record; else it is not, for whoever took something asks again when it wants more.
    pub fn take(&self, max_records: usize, max_bytes: usize, into: &mut Vec<Record>) -> usize {
        let mut inner = self.lock();
        let (mut records, mut bytes) = (0, 0);
        while records < max_records {
            let Some(next) = inner.records.front() else { break };
            let size = next.size();
            if records > 0 && bytes + size > max_bytes {
                break;
            }
            records += 1;
            bytes += size;
            into.extend(inner.records.pop_front());
        }
        inner.bytes -= bytes;
        self.wanted.store(records == 0, Ordering::Relaxed);
        let has_room = inner.records.len() <= inner.low.records && inner.bytes <= inner.low.bytes;
        drop(inner);
        if has_room && self.choked.swap(false, Ordering::Relaxed) {
            (self.room)();
        }
        records
    }

    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, as of [`Record::size`].
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether the partition was revoked, lost or the intake closed: nothing more will come.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Of the leader that wrote what is before a commit point, or at it (KIP-320); none where that
    /// is not known.
    pub fn leader_epoch(&self, point: i64) -> Option<i32> {
        self.lock().epochs.of(point)
    }

    /// What comes from this offset on was written in this leader's epoch.
    pub(super) fn note_epoch(&self, offset: i64, epoch: Option<i32>) {
        self.lock().epochs.note(offset, epoch);
    }

    /// Adds records; says whether the worker waits for them, and whether `high` is reached.
    pub(super) fn fill(&self, records: &mut Vec<Record>, high: Mark) -> Filled {
        let mut inner = self.lock();
        if inner.closed {
            records.clear();
            return Filled { wake: false, full: false };
        }
        inner.bytes += records.iter().map(Record::size).sum::<usize>();
        inner.records.extend(records.drain(..));
        Filled {
            wake: self.wanted.swap(false, Ordering::Relaxed),
            full: inner.records.len() >= high.records || inner.bytes >= high.bytes,
        }
    }

    /// Asks to be told when the queue is down at `low`; false if it is already.
    pub(super) fn choke(&self, low: Mark) -> bool {
        let mut inner = self.lock();
        inner.low = low;
        let full = inner.records.len() > low.records || inner.bytes > low.bytes;
        self.choked.store(full, Ordering::Relaxed);
        full
    }

    /// Whether the worker asked for records and there were none.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn is_choked(&self) -> bool {
        self.choked.load(Ordering::Relaxed)
    }

    /// Drops what is held and gives nothing more.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.records = VecDeque::new();
        inner.bytes = 0;
    }

    /// Drops what is held, for a seek.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.records.clear();
        inner.bytes = 0;
        inner.epochs.clear();
        self.wanted.store(true, Ordering::Relaxed);
        self.choked.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing that holds the lock panics")
    }
}

/// What filling a queue led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) wake: bool,
    pub(super) full: bool,
}

#[cfg(test)]
mod tests;
