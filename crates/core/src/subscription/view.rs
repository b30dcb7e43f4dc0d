//! The snapshot of a subscription, drawn from its machines.

use crate::partition::{Partition, Stage};
use crate::pool::{Endpoint, Health};
use crate::subscription::Subscription;
use crate::view::{
    Blocked, Counts, EndpointState, EndpointView, PartitionStage, PartitionView, View,
};

impl<P: Clone> Subscription<P> {
    /// Deliveries and settlements so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A snapshot; its cost grows with partitions and endpoints, not with records.
    pub fn view(&self) -> View {
        let partitions = self.seats.iter().filter_map(|seat| seat.partition.as_ref());
        View {
            partitions: partitions.map(|partition| partition.view(self.rules.window_max)).collect(),
            endpoints: self.pool.endpoints().iter().map(Endpoint::view).collect(),
            counts: self.counts,
            in_flight: self.in_flight,
        }
    }
}

impl<P> Partition<P> {
    fn view(&self, window_max: usize) -> PartitionView {
        PartitionView {
            partition: self.id,
            tenure: self.tenure,
            stage: match self.stage {
                Stage::Claiming => PartitionStage::Claiming,
                Stage::Active => PartitionStage::Active,
                Stage::Draining { .. } => PartitionStage::Draining,
            },
            commit_point: self.committed,
            position: self.ledger.end(),
            held: self.load.records,
            held_bytes: self.load.bytes,
            in_flight: self.in_flight,
            window_full: self.ledger.window() >= window_max,
            blocked: self.blocked(),
        }
    }

    fn blocked(&self) -> Option<Blocked> {
        let (offset, slot) = self.ledger.oldest()?;
        let held = self.lanes.get(*slot);
        let failure = held.failure.as_ref()?;
        Some(Blocked {
            offset,
            deliveries: held.deliveries,
            charged: held.charged,
            endpoint: failure.endpoint,
            verdict: failure.answer.verdict,
            status: failure.answer.status,
            reason: failure.answer.reason.clone(),
            settled_behind: self.ledger.window() - self.load.records,
        })
    }
}

impl Endpoint {
    fn view(&self) -> EndpointView {
        let state = match self.health {
            _ if !self.listed => EndpointState::Leaving,
            Health::Well => EndpointState::Well,
            Health::AtFault { fault, probe_at, .. } => EndpointState::AtFault { fault, probe_at },
        };
        EndpointView { endpoint: self.id, in_flight: self.in_flight, state }
    }
}
