//! The snapshot of a subscription, drawn from its machines.

use alloc::vec::Vec;
use core::time::Duration;

use crate::cap::CapTimes;
use crate::lanes::Slot;
use crate::partition::{Charge, HeldState, Partition, Stage};
use crate::pool::{Endpoint, Health};
use crate::record::{Offset, PartitionId};
use crate::subscription::Subscription;
use crate::time::Instant;
use crate::view::{
    Blocked, BlockedState, Counts, EndpointState, EndpointView, HoldView, PartitionStage,
    PartitionView, View,
};

/// Records in trouble that a snapshot tells of, the oldest ones.
const TROUBLES_MAX: usize = 20;

impl<P: Clone> Subscription<P> {
    /// Deliveries and settlements so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How long each cap held so far.
    pub fn cap_times(&self, now: Instant) -> CapTimes {
        self.caps.times(now)
    }

    /// A snapshot; its cost grows with partitions and endpoints, not with records.
    pub fn view(&self) -> View {
        let partitions = self.seats.iter().filter_map(|seat| seat.partition.as_ref());
        View {
            partitions: partitions.map(|partition| partition.view(self.rules.window_max)).collect(),
            endpoints: self.pool.endpoints().iter().map(Endpoint::view).collect(),
            counts: self.counts,
            in_flight: self.in_flight,
            limit: self.limiter.limit(),
            overloads: self.limiter.overloads(),
            hold: HoldView {
                paused: self.hold.is_paused(),
                overdrawn: self.hold.is_overdrawn(),
                target: self.hold.target(),
            },
            troubled: self.troubled.len(),
            troubles: self.troubles(),
        }
    }

    /// Before when nothing of a partition is sent: what earlier tenures sent may be at work.
    pub fn free_at(&self, id: PartitionId) -> Option<Instant> {
        let partition = self.seats.get(id.0 as usize)?.partition.as_ref()?;
        Some(partition.free_at())
    }

    /// The record that last began to wait for an operator; it may be settled by now.
    pub fn last_stuck(&self) -> Option<(PartitionId, Offset)> {
        self.last_stuck
    }

    /// One record in trouble; none where it never failed, was settled, or is not ours.
    pub fn trouble(&self, id: PartitionId, offset: Offset) -> Option<Blocked> {
        let partition = self.seats.get(id.0 as usize)?.partition.as_ref()?;
        partition.blocked_at(offset, *partition.ledger.ticket(offset)?)
    }

    fn troubles(&self) -> Vec<Blocked> {
        let oldest = self.troubled.iter().take(TROUBLES_MAX);
        let blocked = oldest.filter_map(|&(_, id, slot)| {
            let partition = self.seats[id.0 as usize].partition.as_ref()?;
            partition.blocked_at(partition.lanes.get(slot).offset, slot)
        });
        blocked.collect()
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
            position: self.position(),
            held: self.load.records,
            held_bytes: self.load.bytes,
            in_flight: self.in_flight,
            withheld: self.withheld(),
            map_weight: self.ledger.weight(),
            free_at: self.free_at(),
            parked: self.parked.len(),
            window_full: self.ledger.window() >= window_max,
            blocked: self.ledger.oldest().and_then(|(offset, slot)| self.blocked_at(offset, *slot)),
        }
    }

    fn blocked_at(&self, offset: Offset, slot: Slot) -> Option<Blocked> {
        let held = self.lanes.get(slot);
        let failure = held.failure.as_ref()?;
        let state = match held.state {
            HeldState::Queued => BlockedState::Turn,
            HeldState::InFlight { .. } => BlockedState::Answer,
            HeldState::Shut { until, unknown: Some(_) } => BlockedState::Unknown { until },
            HeldState::Shut { until, unknown: None } if until == Instant::ZERO + Duration::MAX => {
                BlockedState::Evidence
            }
            HeldState::Shut { until, unknown: None } => BlockedState::Pause { until },
            HeldState::Parking { .. } => BlockedState::Park,
            HeldState::Leaving => BlockedState::DeadLetter,
            HeldState::Stuck(stuck) => BlockedState::Operator(stuck),
        };
        Some(Blocked {
            partition: self.id,
            offset,
            state,
            since: failure.first,
            deliveries: held.deliveries,
            charged: held.charged,
            unjudged: failure.charge == Charge::Open && failure.uncharged > 0,
            endpoint: failure.endpoint,
            verdict: failure.answer.verdict,
            status: failure.answer.status,
            reason: failure.answer.reason.clone(),
            settled_behind: self
                .ledger
                .oldest()
                .filter(|oldest| oldest.0 == offset)
                .map(|_| self.ledger.window() - self.lanes.len()),
        })
    }
}

impl Endpoint {
    fn view(&self) -> EndpointView {
        let state = match self.health {
            _ if !self.listed => EndpointState::Leaving,
            Health::Well => EndpointState::Well,
            Health::AtFault { fault, probe_at } => EndpointState::AtFault { fault, probe_at },
            Health::Ejected { why, until, .. } => EndpointState::Ejected { why, until },
        };
        EndpointView {
            endpoint: self.id,
            in_flight: self.in_flight,
            limit: self.limiter.limit(),
            latency: self.latency(),
            state,
        }
    }
}
