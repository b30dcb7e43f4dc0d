//! The partitions an intake owns, and how far each has come.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;
use std::time::Instant;

use super::queue::{Mark, PartitionQueue};
use crate::native::client::native_name;
use crate::record::TopicPartition;

/// Where a partition is between being assigned and being given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Ours; where to start is being found out (the number names the question).
    LookingUp(u64),
    /// Ours, and not there: its topic has fewer partitions, as far as is known.
    Absent,
    /// The fetcher reads it.
    Flowing,
    /// The fetcher has it, paused, until its queue is down at the low mark.
    Choked,
    /// Not read: it waits for a seek.
    Held,
    /// Being drained for its next owner.
    Revoked,
    /// Drained; nothing more may be committed.
    Released,
}

pub(super) struct Slot {
    pub(super) partition: TopicPartition,
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) native_topic: CString,
    pub(super) phase: Phase,
    /// The lowest offset that may come next.
    pub(super) next: i64,
    /// Why its start is not known, as it was last found.
    pub(super) no_start: Option<String>,
    /// When the last record came, or when it began to wait for one.
    pub(super) arrived: Instant,
    /// How often in a row the watchdog found it standing still.
    pub(super) stalls: u32,
    /// Which topic it is of, once its start is known.
    pub(super) topic_id: Option<Arc<str>>,
    /// The fetcher reads another topic of this name: what it brings is not of this partition.
    pub(super) astray: bool,
    /// Its topic was made anew while it was ours: what is committed is not of this one.
    pub(super) afresh: bool,
}

impl Slot {
    pub(super) fn new(
        partition: TopicPartition,
        ticket: u64,
        room: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            native_topic: native_name(&partition.topic),
            queue: Arc::new(PartitionQueue::new(partition.clone(), room)),
            partition,
            phase: Phase::LookingUp(ticket),
            next: 0,
            no_start: None,
            arrived: Instant::now(),
            stalls: 0,
            topic_id: None,
            astray: false,
            afresh: false,
        }
    }

    /// Whether the worker knows of it.
    pub(super) fn is_announced(&self) -> bool {
        !matches!(self.phase, Phase::LookingUp(_) | Phase::Absent)
    }

    /// Whether the fetcher has it.
    pub(super) fn is_fetched(&self) -> bool {
        matches!(self.phase, Phase::Flowing | Phase::Choked)
    }

    /// Whether its offsets are ours to commit.
    pub(super) fn may_commit(&self) -> bool {
        matches!(self.phase, Phase::Flowing | Phase::Choked | Phase::Held | Phase::Revoked)
    }
}

/// All slots, found by topic and number without making a name first.
#[derive(Default)]
pub(super) struct Slots {
    topics: HashMap<Arc<str>, HashMap<i32, Slot>>,
    count: usize,
}

impl Slots {
    pub(super) fn get_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Slot> {
        self.topics.get_mut(topic)?.get_mut(&partition)
    }

    pub(super) fn of(&mut self, partition: &TopicPartition) -> Option<&mut Slot> {
        self.get_mut(&partition.topic, partition.partition)
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        let topic = self.topics.entry(slot.partition.topic.clone()).or_default();
        if topic.insert(slot.partition.partition, slot).is_none() {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) -> Option<Slot> {
        let removed = self.topics.get_mut(&partition.topic)?.remove(&partition.partition);
        self.count -= usize::from(removed.is_some());
        removed
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.topics.values_mut().flat_map(HashMap::values_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// What one partition's queue may hold, of what all may hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Fetching stops at this mark; with what one run may add it stays within the share.
    pub(super) high: Mark,
    /// Room enough to go on where fetching was only held up.
    pub(super) brim: Mark,
    /// Where it was paused it goes on at this mark, far below: a pause is dear.
    pub(super) low: Mark,
    /// Records and bytes that are moved into a queue at once.
    pub(super) run: Mark,
}

/// Large enough to spread a lock over many records, small enough not to hold up the first.
const RUN: Mark = Mark { records: 64, bytes: 64 * 1024 };

/// Records in all queues that keep a worker busy while the next ones come; more would only lie there,
/// out of the processor's cache.
const AHEAD: usize = 2048;
/// And in each of them, however many there are: two runs.
const AHEAD_MIN: usize = 2 * RUN.records;

impl Share {
    pub(super) fn new(records_max: usize, bytes_max: usize, partitions: usize) -> Self {
        let partitions = partitions.max(1);
        let ahead = (AHEAD / partitions).max(AHEAD_MIN);
        let whole = Mark {
            records: (records_max / partitions).clamp(1, ahead),
            bytes: (bytes_max / partitions).max(1),
        };
        let run = Mark {
            records: RUN.records.min(whole.records / 4).max(1),
            bytes: RUN.bytes.min(whole.bytes / 4).max(1),
        };
        Self {
            high: Mark {
                records: (whole.records + 1 - run.records).max(1),
                bytes: (whole.bytes + 1 - run.bytes).max(1),
            },
            brim: Mark { records: whole.records / 4 * 3, bytes: whole.bytes / 4 * 3 },
            low: Mark { records: whole.records / 2, bytes: whole.bytes / 2 },
            run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_beyond_the_high_mark_stays_within_the_share() {
        for records_max in [1, 2, 7, 100, 20_000] {
            for partitions in [0, 1, 3, 8, 1_000] {
                let share = Share::new(records_max, 1 << 20, partitions);
                let whole = (records_max / partitions.max(1)).max(1);
                assert!(share.high.records - 1 + share.run.records <= whole);
                assert!(share.low.records < share.high.records || whole == 1);
            }
        }
    }

    #[test]
    fn no_more_is_read_ahead_than_keeps_a_worker_busy() {
        let ahead = |partitions| Share::new(1 << 20, 1 << 30, partitions).high.records * partitions;
        assert!(ahead(1) <= AHEAD && ahead(8) <= AHEAD, "{} {}", ahead(1), ahead(8));
        assert!(ahead(100) >= 100 * RUN.records, "a partition's queue holds a run");
    }

    #[test]
    fn slots_are_counted_once() {
        let partition = TopicPartition::new("t", 0);
        let mut slots = Slots::default();
        slots.insert(Slot::new(partition.clone(), 1, Arc::new(|| ())));
        slots.insert(Slot::new(partition.clone(), 2, Arc::new(|| ())));
        assert_eq!(slots.len(), 1);
        assert!(slots.remove(&partition).is_some());
        assert!(slots.remove(&partition).is_none());
        assert_eq!(slots.len(), 0);
    }
}
