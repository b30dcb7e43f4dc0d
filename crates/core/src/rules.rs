//! What a subscription's owner decided, as plain values. Configuration gives them meaning,
//! defaults and bounds; the machines only obey.

use core::time::Duration;

use crate::fault::Planted;

/// The rules of one subscription.
#[derive(Clone, Debug)]
pub struct Rules {
    pub order: Order,
    /// Deliveries that may be unanswered at once.
    pub in_flight_max: usize,
    /// Records that may be held: fetched and not yet settled. Each partition may have one in any
    /// case, so that none starves.
    pub records_max: usize,
    /// Bytes that may be held, but for one record of each partition, which may be of any size.
    pub bytes_max: usize,
    /// Records of one partition, settled or not, that may lie beyond its commit point.
    pub window_max: usize,
    /// How long a delivery may take.
    pub deadline: Duration,
    /// How long a lane stays shut after a deadline, for a service that is still at work.
    pub grace: Duration,
    pub backoff: Backoff,
    /// Pause between two deliveries to an endpoint that is at fault.
    pub probe_interval: Duration,
    /// Least pause between two commits of a partition.
    pub commit_interval: Duration,
    /// Pause before a commit that failed is tried again.
    pub commit_retry: Duration,
    /// How long a revoked partition may wait for its answers.
    pub drain: Duration,
    /// How long a revoked partition may wait for its last commit after that.
    pub last_commit: Duration,
    /// A fault planted on purpose; [`Planted::NONE`] in everything that is shipped.
    pub planted: Planted,
}

/// What is delivered one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Records of one key; records without a key run side by side.
    Key,
    /// All records of a partition.
    Partition,
    /// Nothing.
    None,
}

/// Capped exponential backoff with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first pause; it doubles with each further failure.
    pub first: Duration,
    /// Upper bound of every pause.
    pub most: Duration,
}
