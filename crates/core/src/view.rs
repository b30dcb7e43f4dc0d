//! What a subscription looks like from outside at one moment: plain values for the control API,
//! metrics and people.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::hold::HoldTarget;
use crate::partition::Stuck;
use crate::pool::Ejection;
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
    /// What may be in flight now, of what was learnt.
    pub limit: usize,
    /// Answers that asked for less, or did not come in time.
    pub overloads: u64,
    pub hold: HoldView,
    /// Records that have failed and are not settled: how many, and the oldest of them.
    pub troubled: usize,
    pub troubles: Vec<Blocked>,
}

/// What keeps a subscription from sending as it would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldView {
    pub paused: bool,
    /// The budget of records given up is spent.
    pub overdrawn: bool,
    /// The target is at fault, since when.
    pub target: Option<(HoldTarget, Instant)>,
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
    /// Of those held: waiting for room in the completion map, or at most once for their commit.
    pub withheld: usize,
    /// What the completion map weighs at most, however the records settle; see [`crate::Completion`].
    pub map_weight: usize,
    /// Nothing is sent before: what earlier tenures sent may be at work until then.
    pub free_at: Instant,
    /// Keys whose records go to the park topic.
    pub parked: usize,
    /// Nothing more is fetched, for as many records as may lie beyond the commit point do.
    pub window_full: bool,
    /// The oldest unsettled record, where it has failed before.
    pub blocked: Option<Blocked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionStage {
    Claiming,
    /// What earlier tenures sent may be at work.
    Waiting,
    Active,
    Draining,
}

/// A record that failed and holds its key, and what was last heard of it.
#[derive(Clone, Debug)]
pub struct Blocked {
    pub partition: PartitionId,
    pub offset: Offset,
    pub state: BlockedState,
    /// When it failed for the first time.
    pub since: Instant,
    pub deliveries: u32,
    /// Failures that count as the record's own.
    pub charged: u32,
    /// Whether it failed without being charged for want of evidence, and the last failure still
    /// waits for some.
    pub unjudged: bool,
    pub endpoint: EndpointId,
    pub verdict: Verdict,
    pub status: Option<u16>,
    pub reason: Option<Box<str>>,
    /// Where it holds the partition's commit point back: records behind it that are settled.
    pub settled_behind: Option<usize>,
}

/// What a record that failed is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedState {
    /// Its turn, or a free slot.
    Turn,
    /// An answer.
    Answer,
    /// A pause to end.
    Pause { until: Instant },
    /// The service may still be at work on it.
    Unknown { until: Instant },
    /// Evidence of whose fault it was.
    Evidence,
    /// Its dead letter to be written.
    DeadLetter,
    /// The park topic to have it.
    Park,
    /// An operator.
    Operator(Stuck),
}

#[derive(Clone, Debug)]
pub struct EndpointView {
    pub endpoint: EndpointId,
    pub in_flight: usize,
    /// What it may have in flight now.
    pub limit: usize,
    /// Smoothed over its last answers; zero before the first.
    pub latency: Duration,
    pub state: EndpointState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    Well,
    AtFault {
        fault: TargetFault,
        probe_at: Instant,
    },
    /// Put aside for a while, for it is much worse than the others.
    Ejected {
        why: Ejection,
        until: Instant,
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
    /// Records that reached their end,
    pub settled: u64,
    /// among them: in the dead letter topic,
    pub dead_lettered: u64,
    /// dropped by rule,
    pub dropped: u64,
    /// skipped by an operator,
    pub skipped: u64,
    /// and failed where once is the most.
    pub abandoned: u64,
    /// Dead letters that Kafka did not take.
    pub dead_letters_failed: u64,
    /// Records that began to wait for an operator.
    pub stuck: u64,
    /// Records settled, for the park topic has them,
    pub parked: u64,
    /// and those that Kafka did not take at once.
    pub parks_failed: u64,
}

impl Counts {
    /// Adds what another consumer counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            deliveries,
            accepted,
            retry,
            rejected,
            back_pressure,
            target_fault,
            unknown,
            late,
            settled,
            dead_lettered,
            dropped,
            skipped,
            abandoned,
            dead_letters_failed,
            stuck,
            parked,
            parks_failed,
        } = *other;
        self.deliveries += deliveries;
        self.accepted += accepted;
        self.retry += retry;
        self.rejected += rejected;
        self.back_pressure += back_pressure;
        self.target_fault += target_fault;
        self.unknown += unknown;
        self.late += late;
        self.settled += settled;
        self.dead_lettered += dead_lettered;
        self.dropped += dropped;
        self.skipped += skipped;
        self.abandoned += abandoned;
        self.dead_letters_failed += dead_letters_failed;
        self.stuck += stuck;
        self.parked += parked;
        self.parks_failed += parks_failed;
    }

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
