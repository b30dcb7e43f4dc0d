//! What a subscription asks for: outputs, and the deliveries, dead letters and parked records in them.
//!
//! Each is a plain value and owns its payload. When it is asked for is decided where it is polled.

use crate::commit::CommitState;
#[cfg(doc)]
use crate::commit::Rewinds;
use crate::partition::Why;
use crate::record::{CommitPoint, DeliveryId, EndpointId, Offset, PartitionId, Tenure};
use crate::route::RevisionId;
use crate::time::Instant;
use crate::verdict::Answer;

/// All that a subscription can ask for.
#[derive(Clone, Debug)]
pub enum Output<P> {
    /// Commit the point, and beside it what the next owner has to know.
    Commit {
        partition: PartitionId,
        point: CommitPoint,
        state: CommitState,
    },
    /// Hand over records as soon as there are any, at most so many and so large; the first one
    /// may be larger than the bound. It replaces the fetch of the same tenure that is still open.
    Fetch {
        partition: PartitionId,
        tenure: Tenure,
        records: usize,
        bytes: usize,
    },
    Deliver(Delivery<P>),
    /// Write the record to the dead letter topic; it is settled when Kafka has it (P6).
    DeadLetter(DeadLetter<P>),
    /// Write the record to the park topic; it is settled when Kafka has it (P6).
    Park(Park<P>),
    /// Try to connect to an endpoint, without sending anything: it lost the connections it had.
    Check {
        endpoint: EndpointId,
    },
    /// The revoked partition is drained; nothing follows for it (P11).
    Released {
        partition: PartitionId,
        /// Records that were committed before they were delivered, and now never will be.
        unsent: usize,
    },
}

/// A record on its way to an endpoint.
#[derive(Clone, Debug)]
pub struct Delivery<P> {
    pub id: DeliveryId,
    pub revision: RevisionId,
    pub endpoint: EndpointId,
    /// Which reading again of the record it is, as [`Rewinds::replay_of`] has it.
    pub replay: u32,
    /// The answer counts until then.
    pub deadline: Instant,
    pub payload: P,
}

/// A record that was given up, and its story.
#[derive(Clone, Debug)]
pub struct DeadLetter<P> {
    pub partition: PartitionId,
    pub tenure: Tenure,
    pub offset: Offset,
    /// In which reading again of it the record died.
    pub replay: u32,
    pub payload: P,
    pub why: Why,
    pub revision: RevisionId,
    /// Failures charged to it, and all deliveries.
    pub charged: u32,
    pub deliveries: u32,
    /// When it failed for the first and for the last time; none where it never was sent.
    pub failed: Option<(Instant, Instant)>,
    pub answer: Option<Answer>,
    /// Who gave it.
    pub endpoint: Option<EndpointId>,
}

/// A record that makes room for others, with its followers behind it, and its story.
#[derive(Clone, Debug)]
pub struct Park<P> {
    pub partition: PartitionId,
    pub tenure: Tenure,
    pub offset: Offset,
    /// In which reading again of it the record is parked.
    pub replay: u32,
    pub payload: P,
    /// The partition of the park topic that holds the others of its key; none where no other is
    /// known: then the one that its key belongs to.
    pub to: Option<i32>,
    /// Failures charged to it, and all deliveries.
    pub charged: u32,
    pub deliveries: u32,
    /// When it failed for the first and for the last time; none where it never was sent.
    pub failed: Option<(Instant, Instant)>,
    pub answer: Option<Answer>,
}
