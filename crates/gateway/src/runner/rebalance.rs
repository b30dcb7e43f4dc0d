//! What a subscription says and keeps of its group's rebalances.

use forebay_core::PartitionId;
use forebay_kafka::{Fellow, Rebalance, TopicPartition};

use super::Runner;
use crate::clock::Clock;
use crate::consumers::first_id;

impl Runner {
    pub(super) fn rebalanced(&self, step: Rebalance) {
        self.kafka.borrow_mut().joined();
        let now = self.transit.now();
        let lost = step.lost.clone();
        let said = self.rebalances.borrow_mut().step(step, now, Clock::wall_ms());
        for lost in lost.iter().filter(|lost| !self.is_seated(lost)) {
            // Nothing of it was ever read, so there is nothing to drain.
            self.rebalances.borrow_mut().released(lost, now);
        }
        if let Some(said) = said {
            say!(self, info, "{said}");
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
        say!(self, info, "leaving the group with {} partitions", assigned.len());
        self.rebalances.borrow_mut().stop(assigned, self.transit.now(), Clock::wall_ms());
    }

    /// The core wants records of a partition. Cheap where none is awaited.
    pub(super) fn ready(&self, id: PartitionId) {
        let mut rebalances = self.rebalances.borrow_mut();
        if rebalances.awaits() {
            let partition = &self.seats.borrow()[id.0 as usize].partition;
            rebalances.ready(partition, self.transit.now());
        }
    }

    /// Whether the lag of a partition that is ours is not known yet.
    pub(super) fn has_unknown(&self) -> bool {
        self.rebalances.borrow().coming().any(|partition| !self.is_seated(partition))
    }

    /// Kafka says who is in the group.
    pub(super) fn take_fellows(&self, fellows: Vec<Fellow>) {
        let id = self.plan.borrow().intake.instance_id.clone();
        if let Some(own) = id.as_deref().and_then(|id| first_id(id, &self.name)) {
            self.transit.look(&fellows, own, &self.name);
        }
        self.fellows.send_replace(Some(fellows.into()));
    }

    pub(super) fn foreign_members(&self, members: Vec<String>) {
        if members.is_empty() {
            say!(self, info, "no foreign member is in the group any more");
        } else {
            say!(
                self,
                error,
                "group `{}` has members that are no gateways, and what they are assigned is not \
                 delivered: {}; stop them, or use another group",
                self.group,
                members.join("; ")
            );
        }
        *self.foreign.borrow_mut() = members;
    }
}
