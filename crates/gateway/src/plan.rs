//! What one subscription is to do, in values that were checked before.

use forebay_core::Rules;
use forebay_kafka::IntakeConfig;
use forebay_push::{Endpoint, Limits};

use crate::letters::LettersPlan;

/// One subscription, ready to run.
#[derive(Clone)]
pub struct Plan {
    pub name: String,
    pub rules: Rules,
    pub intake: IntakeConfig,
    pub endpoints: Vec<Endpoint>,
    pub discovery: Discovery,
    pub limits: Limits,
    /// Bytes; a record whose value is larger is not sent, and holds its key.
    pub max_value_bytes: usize,
    /// Where dead letters go, if there are any.
    pub letters: Option<LettersPlan>,
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
}
