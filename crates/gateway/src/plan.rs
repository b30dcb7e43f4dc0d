//! What one subscription is to do, in values that were checked before.

use forebay_core::Rules;
use forebay_kafka::{IntakeConfig, Properties};
use forebay_push::{Endpoint, Limits, Tls};
use forebay_wire::dead_letter::ForeignNames;

/// One subscription, ready to run.
#[derive(Clone)]
pub struct Plan {
    pub name: String,
    /// How many consumers share it in this process; all bounds are of all of them together.
    pub consumers: usize,
    pub rules: Rules,
    pub intake: IntakeConfig,
    pub endpoints: Vec<Endpoint>,
    pub discovery: Discovery,
    pub limits: Limits,
    /// For those of the endpoints that want it.
    pub tls: Tls,
    /// Bytes; a record whose value is larger is not sent, and holds its key.
    pub max_value_bytes: usize,
    /// Where dead letters go, if there are any.
    pub letters: Option<LettersPlan>,
    /// Where keys go that make room for others, if they do; the intake reads that topic as well.
    pub park: Option<ParkPlan>,
}

/// Where a subscription's dead letters go.
#[derive(Clone)]
pub struct LettersPlan {
    pub properties: Properties,
    pub topic: String,
    /// Names for others, beside our own.
    pub foreign: Option<ForeignNames>,
}

/// Where a subscription's parked records go, and come back from.
#[derive(Clone)]
pub struct ParkPlan {
    pub properties: Properties,
    pub topic: String,
}

/// Where the addresses of a target come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// They are listed.
    Listed,
    /// The names of the listed endpoints are resolved, again and again.
    Dns,
}

impl Plan {
    pub(crate) fn letter_topic(&self) -> Option<&str> {
        self.letters.as_ref().map(|letters| letters.topic.as_str())
    }

    pub(crate) fn park_topic(&self) -> Option<&str> {
        self.park.as_ref().map(|park| park.topic.as_str())
    }
}
