//! What a subscription's owner decided, as plain values. Configuration gives them meaning,
//! defaults and bounds; the machines only obey.

use core::time::Duration;

use crate::fault::Planted;

/// The rules of one subscription.
#[derive(Clone, Debug)]
pub struct Rules {
    pub order: Order,
    pub guarantee: Guarantee,
    /// Deliveries that may be unanswered at once, to begin with.
    pub in_flight: usize,
    /// As far as that may grow where more is accepted for it; no less than `in_flight`.
    pub in_flight_max: usize,
    /// Deliveries that may be sent in a second; none is no bound.
    pub rate_max: Option<u32>,
    /// Records that may be held: fetched and not yet settled. Each partition may have one in any
    /// case, so that none starves.
    pub records_max: usize,
    /// Bytes that may be held, but for one record of each partition, which may be of any size.
    pub bytes_max: usize,
    /// Offsets of one partition, settled or not, that may be read beyond its commit point.
    pub window_max: usize,
    /// What a partition's completion map may weigh; see [`crate::completion`].
    pub map_max: usize,
    /// How long a delivery may take.
    pub deadline: Duration,
    /// How long a lane stays shut after a deadline, for a service that is still at work.
    pub grace: Duration,
    pub backoff: Backoff,
    /// Failures charged to a record after which it is given up; at least 1.
    pub attempts: u32,
    /// Records that may be given up in five minutes beside 1 % of those accepted.
    pub given_up_free: usize,
    /// Whether there is a dead letter topic.
    pub dead_letters: bool,
    pub on_exhausted: GiveUp,
    pub on_reject: GiveUp,
    /// How long a record must have failed before its key may be moved to the park topic; none is
    /// never. Only where what is committed was settled, and lanes are keys or single records.
    pub park_after: Option<Duration>,
    /// How long a failed record waits uncharged for evidence; none is for ever.
    pub evidence_wait: Option<Duration>,
    /// Whether endpoints that are much worse than the others are put aside for a while.
    pub ejects: bool,
    /// Pause between two deliveries to an endpoint that is at fault.
    pub probe_interval: Duration,
    /// Least pause between two commits of a partition.
    pub commit_interval: Duration,
    /// Pause before a commit that failed is tried again.
    pub commit_retry: Duration,
    /// How long Kafka takes a member for alive that says nothing. Nothing is sent later than this
    /// after the last commit that it acknowledged was sent.
    pub session: Duration,
    pub takeover: Takeover,
    /// How long a revoked partition may wait for its answers.
    pub drain: Duration,
    /// How long a revoked partition may wait for its last commit after that.
    pub last_commit: Duration,
    /// A fault planted on purpose; [`Planted::NONE`] in everything that is shipped.
    pub planted: Planted,
}

/// How often a record is processed, whatever fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// At least once: what is committed was settled.
    AtLeastOnce,
    /// At most once: committed before it is delivered. What was delivered and failed, or was not
    /// delivered when the process died, is lost.
    AtMostOnce,
    /// Committed on a timer as soon as it was fetched, as Kafka's automatic commit does it: what
    /// is open when the process dies is lost or repeated, as the timer would have it.
    Automatic,
}

/// What is done with a partition whose former owner ended without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// What it may have sent is waited for: deadline and grace.
    Safe,
    /// Nothing is waited for: services may see one key twice at once, by two tenures.
    Fast,
}

/// What becomes of a record that is rejected, or fails too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// It goes to the dead letter topic.
    DeadLetter,
    /// It waits for an operator, and its key with it.
    Hold,
    /// It is settled, and counted.
    Drop,
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
