//! A record that is fetched and not settled: where it stands, and what is known of its failures.

use alloc::boxed::Box;

use crate::record::{EndpointId, Offset};
use crate::time::Instant;
use crate::verdict::Answer;

/// A record that is fetched and not settled.
#[derive(Debug)]
pub(crate) struct Held<P> {
    pub(crate) offset: Offset,
    pub(crate) bytes: usize,
    pub(crate) payload: P,
    /// Deliveries in this tenure, charged or not.
    pub(crate) deliveries: u32,
    /// Deliveries whose failure counts as the record's own.
    pub(crate) charged: u32,
    pub(crate) state: HeldState,
    pub(crate) failure: Option<Box<Failure>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldState {
    /// Waits for its turn.
    Queued,
    InFlight {
        endpoint: EndpointId,
        sent: Instant,
        deadline: Instant,
    },
    /// Failed; looked at again at `until`.
    Shut {
        until: Instant,
        unknown: Option<Unknown>,
    },
    /// On its way to the dead letter topic, or about to be.
    Leaving,
    /// Head of a lane that goes to the park topic; `out` where Kafka is at it.
    Parking {
        out: bool,
    },
    /// Given up, and waits for an operator.
    Stuck(Stuck),
}

/// What an operator has to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The rules say that a record given up is held.
    Rule,
    /// The budget of records given up is spent.
    Budget,
}

/// Where a record may still be at work, and since when nothing more will be heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) endpoint: EndpointId,
    pub(crate) since: Instant,
}

/// What is known of a record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The last endpoint, and what it answered.
    pub(crate) endpoint: EndpointId,
    pub(crate) answer: Answer,
    pub(crate) answered: Instant,
    /// When it failed for the first time.
    pub(crate) first: Instant,
    /// Where it failed last, but for back-pressure and target faults.
    pub(crate) failed_at: Option<EndpointId>,
    /// Whether it failed so at more than one endpoint.
    pub(crate) elsewhere: bool,
    /// Connections that it cost.
    pub(crate) losses: u32,
    /// Back-pressure and target faults in a row.
    pub(crate) declined: u32,
    /// Failures, and waits for evidence, since the last charge.
    pub(crate) uncharged: u32,
    pub(crate) charge: Charge,
    /// How often the target had been found at fault, and well again, by then.
    pub(crate) spells: u64,
    /// Set when the dead letter topic is where it goes.
    pub(crate) given_up: Option<Why>,
}

/// Whether the last failure is the record's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// To be decided by evidence.
    Open,
    Charged,
    /// The target's fault.
    Waived,
    /// At most once: this was its only chance, and it is settled when its lane opens.
    Spent,
}

/// Why a record was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Rejected,
    /// It failed as often as it may.
    Exhausted,
    /// An operator said so.
    Command,
}
