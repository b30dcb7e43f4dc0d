//! Back-pressure: what to do with the fetcher while a queue is full.
//!
//! Pausing a partition makes librdkafka throw away what it read ahead and fetch it again, which
//! costs more than all else the intake does. While every queue has something, nobody is harmed if
//! the fetcher is simply not asked for more: it then stops reading by itself, and the worker's
//! next take lets it go on. Only when another partition's worker waits for records that are in the
//! log is the full one paused, until its queue is down at the low mark.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;

use super::Poller;
use crate::intake::slots::Phase;
use crate::record::TopicPartition;

/// How often to look whether somebody starves.
pub(super) const LOOK: Duration = Duration::from_millis(5);
/// A worker that takes nothing for so long holds up the fetcher's own news no longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A full queue that the fetcher waits for.
pub(super) struct Block {
    partition: TopicPartition,
    since: Instant,
    looked: Instant,
}

impl Poller {
    /// Stops asking the fetcher, because of a full queue; false if it has room already.
    pub(super) fn block(&mut self, partition: TopicPartition) -> bool {
        let brim = self.share.brim;
        if !self.slots.of(&partition).is_some_and(|slot| slot.queue.choke(brim)) {
            return false;
        }
        let now = Instant::now();
        self.block = Some(Block { partition, since: now, looked: now });
        true
    }

    /// Whether the fetcher is still not to be asked.
    pub(super) fn is_blocked(&mut self) -> bool {
        let Some(block) = &mut self.block else { return false };
        let now = Instant::now();
        let full = self
            .slots
            .of(&block.partition)
            .is_some_and(|slot| slot.phase == Phase::Flowing && slot.queue.is_choked());
        if !full {
            self.block = None;
            return false;
        }
        let look = now.duration_since(block.looked) >= LOOK;
        if look {
            block.looked = now;
        }
        let impatient = now.duration_since(block.since) >= PATIENCE;
        let partition = block.partition.clone();
        if !(impatient || look && self.somebody_starves()) {
            return true;
        }
        self.block = None;
        self.choke(&partition);
        false
    }

    /// Whether a partition's worker waits for records, and its log has some as far as librdkafka
    /// knows. An empty queue alone harms nobody: what was taken from it lasts for a while.
    fn somebody_starves(&mut self) -> bool {
        let fetcher = &self.fetcher;
        self.slots.iter_mut().any(|slot| {
            let end = || fetcher.cached_watermarks(&slot.native_topic, slot.partition.partition).1;
            slot.phase == Phase::Flowing && slot.queue.is_wanted() && slot.next < end()
        })
    }

    fn choke(&mut self, partition: &TopicPartition) {
        let low = self.share.low;
        let Some(slot) = self.slots.of(partition) else { return };
        if slot.phase != Phase::Flowing || !slot.queue.choke(low) {
            return;
        }
        slot.phase = Phase::Choked;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&partition.topic, partition.partition);
        self.pause(&self.fetcher, &list, true);
    }

    /// Lets paused partitions flow again whose queues have room.
    pub(super) fn unchoke(&mut self) {
        let mut list = TopicPartitionList::new();
        let now = Instant::now();
        for slot in self.slots.iter_mut() {
            if slot.phase == Phase::Choked && !slot.queue.is_choked() {
                slot.phase = Phase::Flowing;
                slot.arrived = now;
                list.add_partition(&slot.partition.topic, slot.partition.partition);
            }
        }
        if list.count() > 0 {
            self.pause(&self.fetcher, &list, false);
        }
    }
}
