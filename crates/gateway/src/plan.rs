//! What one subscription is to do, in values that were checked before.

use forebay_core::Rules;
use forebay_kafka::IntakeConfig;
use forebay_push::{Endpoint, Limits};

/// One subscription, ready to run.
#[derive(Clone)]
pub struct Plan {
    pub name: String,
    pub rules: Rules,
    pub intake: IntakeConfig,
    pub endpoints: Vec<Endpoint>,
    pub limits: Limits,
    /// Bytes; a record whose value is larger is not sent, and holds its key.
    pub max_value_bytes: usize,
}
