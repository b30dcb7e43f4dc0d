//! What a subscription looks like from outside at one moment: plain values for the control API,
//! metrics and people.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::record::{CommitPoint, EndpointId, Offset, PartitionId, Tenure};
use crate::time::Instant;
use crate::verdict::{TargetFault, Verdict};

/// A snapshot of one subscription.
#[derive(Clone, Debug)]
pub struct View {
    pub partitions: Vec<PartitionView>,
    pub endpoints: Vec<EndpointView>,
    pub counts: Counts,
    pub in_flight: usize,
}

#[derive(Clone, Debug)]
pub struct PartitionView {
    pub partition: PartitionId,
    pub tenure: Tenure,
    pub stage: PartitionStage,
    /// Acknowledged by Kafka.
    pub commit_point: CommitPoint,
    /// Where the next record will be read.
    pub position: CommitPoint,
    /// Fetched and not settled.
    pub held: usize,
    pub held_bytes: usize,
    pub in_flight: usize,
    /// Nothing more is fetched, for as many records as may lie beyond the commit point do.
    pub window_full: bool,
    /// The oldest unsettled record, where it has failed before.
    pub blocked: Option<Blocked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionStage {
    Claiming,
    Active,
    Draining,
}

/// A record that holds the commit point back, and what was last heard of it.
#[derive(Clone, Debug)]
pub struct Blocked {
    pub offset: Offset,
    pub deliveries: u32,
    /// Failures that count as the record's own.
    pub charged: u32,
    pub endpoint: EndpointId,
    pub verdict: Verdict,
    pub status: Option<u16>,
    pub reason: Option<Box<str>>,
    /// Records behind it that are settled already.
    pub settled_behind: usize,
}

#[derive(Clone, Debug)]
pub struct EndpointView {
    pub endpoint: EndpointId,
    pub in_flight: usize,
    pub state: EndpointState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    Well,
    AtFault {
        fault: TargetFault,
        probe_at: Instant,
    },
    /// No longer listed; its last answers are awaited.
    Leaving,
}

/// Deliveries by how they ended, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub deliveries: u64,
    pub accepted: u64,
    pub retry: u64,
    pub rejected: u64,
    pub back_pressure: u64,
    pub target_fault: u64,
    pub unknown: u64,
    /// Answers that came late, twice or for a former tenure, and changed nothing.
    pub late: u64,
    /// Records that reached their end.
    pub settled: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, verdict: Verdict) {
        let count = match verdict {
            Verdict::Accept => &mut self.accepted,
            Verdict::Retry { .. } => &mut self.retry,
            Verdict::Reject { .. } => &mut self.rejected,
            Verdict::BackPressure { .. } => &mut self.back_pressure,
            Verdict::TargetFault(_) => &mut self.target_fault,
            Verdict::Unknown(_) => &mut self.unknown,
        };
        *count += 1;
    }
}
