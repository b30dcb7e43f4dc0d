//! What a subscription says and keeps of its group's rebalances.

use forebay_core::{Instant, PartitionId};
use forebay_kafka::{Rebalance, TopicPartition};

use super::Runner;
use crate::clock::Clock;

impl Runner {
    pub(super) fn rebalanced(&self, step: Rebalance) {
        self.kafka.borrow_mut().joined();
        let now = self.clock.now();
        let lost = step.lost.clone();
        let said = self.rebalances.borrow_mut().step(step, now, Clock::wall_ms());
        for lost in lost.iter().filter(|lost| !self.is_seated(lost)) {
            // Nothing of it was ever read, so there is nothing to drain.
            self.rebalances.borrow_mut().released(lost, now);
        }
        if let Some(said) = said {
            tracing::info!(subscription = self.name, "{said}");
        }
    }

    /// Once it reads, it does so for good: what comes later takes nothing back.
    pub(super) fn note_reading(&self) {
        if !self.reading.get() {
            self.reading.set(self.rebalances.borrow().has_begun());
        }
    }

    fn is_seated(&self, partition: &TopicPartition) -> bool {
        let seats = self.seats.borrow();
        seats.iter().any(|seat| seat.partition == *partition && seat.assigned.is_some())
    }

    /// We leave: what is assigned goes.
    pub(super) fn stops(&self) {
        let seats = self.seats.borrow();
        let assigned = seats.iter().filter(|seat| seat.assigned.is_some());
        let assigned: Vec<_> = assigned.map(|seat| seat.partition.clone()).collect();
        tracing::info!(
            subscription = self.name,
            "leaving the group with {} partitions",
            assigned.len()
        );
        self.rebalances.borrow_mut().stop(assigned, self.clock.now(), Clock::wall_ms());
    }

    /// The core wants records of a partition. Cheap where none is awaited.
    pub(super) fn ready(&self, id: PartitionId, now: Instant) {
        let mut rebalances = self.rebalances.borrow_mut();
        if rebalances.awaits() {
            rebalances.ready(&self.seats.borrow()[id.0 as usize].partition, now);
        }
    }

    pub(super) fn foreign_members(&self, members: Vec<String>) {
        if members.is_empty() {
            tracing::info!(subscription = self.name, "no foreign member is in the group any more");
        } else {
            tracing::error!(
                subscription = self.name,
                "group `{}` has members that are no gateways, and what they are assigned is not \
                 delivered: {}; stop them, or use another group",
                self.group,
                members.join("; ")
            );
        }
        *self.foreign.borrow_mut() = members;
    }
}
