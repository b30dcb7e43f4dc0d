//! A run: consecutive records of one partition, moved into its queue together.
//!
//! This is the hot path: for each record it compares a place and pushes to a vector; the slot is
//! looked up, and the queue locked, once for each run.

use std::sync::Arc;

use crate::intake::shared::Shared;
use crate::intake::slots::{Share, Slots};
use crate::native::client::Place;
use crate::record::{Record, TopicPartition};

pub(super) struct Run {
    shared: Arc<Shared>,
    /// Whose run it is, by its cheap name and its real one.
    of: Option<((usize, i32), TopicPartition)>,
    /// All of its records were written in.
    leader_epoch: Option<i32>,
    records: Vec<Record>,
    bytes: usize,
    full: Option<TopicPartition>,
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, of: None, leader_epoch: None, records: Vec::new(), bytes: 0, full: None }
    }

    pub(super) fn add(&mut self, place: &Place, record: Record, slots: &mut Slots, share: Share) {
        if self.of.as_ref().is_none_or(|(key, _)| *key != place.key()) {
            self.flush(slots, share);
            let Some(slot) = slots.get_mut(place.topic(), place.partition) else { return };
            self.of = Some((place.key(), slot.partition.clone()));
        }
        if self.leader_epoch != place.leader_epoch {
            let of = self.of.clone();
            self.flush(slots, share);
            (self.of, self.leader_epoch) = (of, place.leader_epoch);
        }
        self.bytes += record.size();
        self.records.push(record);
        if self.records.len() >= share.run.records || self.bytes >= share.run.bytes {
            self.flush(slots, share);
        }
    }

    /// Moves what was gathered. Called before anything that changes slots.
    pub(super) fn flush(&mut self, slots: &mut Slots, share: Share) {
        let Some((_, partition)) = self.of.take() else { return };
        self.bytes = 0;
        let Some(slot) = slots.of(&partition) else {
            self.records.clear();
            return;
        };
        if !slot.is_fetched() || slot.astray {
            self.records.clear();
            return;
        }
        // After a pause or a restart of fetching nothing may come twice.
        self.records.retain(|record| {
            let fresh = record.offset >= slot.next;
            if fresh {
                slot.next = record.offset + 1;
            }
            fresh
        });
        let Some(first) = self.records.first() else { return };
        slot.queue.note_epoch(first.offset, self.leader_epoch);
        slot.arrived = std::time::Instant::now();
        slot.stalls = 0;
        let filled = slot.queue.fill(&mut self.records, share.high);
        if filled.full {
            self.full = Some(partition);
        }
        if filled.wake {
            self.shared.wake();
        }
    }

    /// The partition whose queue the last flush filled to its high mark.
    pub(super) fn take_full(&mut self) -> Option<TopicPartition> {
        self.full.take()
    }
}
