//! Kafka's client properties by their own (Java) names, translated for librdkafka.
//!
//! Placeholder of the table; the API stands.

use std::collections::BTreeMap;
use std::fmt;

/// Checked properties of one cluster. Secrets never show in `Debug`.
#[derive(Clone)]
pub struct Properties {
    servers: String,
    translated: Vec<(String, String)>,
}

/// What is wrong with one property.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {fault}")]
pub struct PropertyError {
    pub name: String,
    pub fault: PropertyFault,
}

/// The ways in which a property can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyFault {
    #[error("no such property{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown { nearest: Option<String> },
    #[error("can't be set here: {reason}")]
    Refused { reason: String },
    #[error("impossible value: {reason}")]
    Impossible { reason: String },
    #[error("contradicts {other}: {reason}")]
    Contradiction { other: String, reason: String },
}

impl Properties {
    /// Reads properties as a user wrote them; all that is wrong is told at once.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, Vec<PropertyError>> {
        let servers = given.get("bootstrap.servers").cloned().unwrap_or_default();
        let translated = given.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(Self { servers, translated })
    }

    /// For consumers, as librdkafka wants it.
    pub(crate) fn consumer(&self) -> rdkafka::ClientConfig {
        let mut c = rdkafka::ClientConfig::new();
        for (k, v) in &self.translated {
            c.set(k, v);
        }
        c.set("fetch.queue.backoff.ms", "5");
        c
    }

    pub(crate) fn producer(&self) -> rdkafka::ClientConfig {
        let mut c = rdkafka::ClientConfig::new();
        for (k, v) in &self.translated {
            c.set(k, v);
        }
        c.set("enable.idempotence", "true").set("acks", "all").set("partitioner", "murmur2_random");
        c
    }

    pub(crate) fn admin(&self) -> rdkafka::ClientConfig {
        let mut c = rdkafka::ClientConfig::new();
        for (k, v) in &self.translated {
            c.set(k, v);
        }
        c
    }

    /// `bootstrap.servers`, for messages.
    pub fn servers(&self) -> &str {
        &self.servers
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = &self.translated;
        f.debug_struct("Properties").field("servers", &self.servers).finish_non_exhaustive()
    }
}
