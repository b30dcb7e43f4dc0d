//! One delivery as the service that got it tells it, by the headers of delivery contract v1.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Where a record stands in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl Place {
    pub fn new(topic: impl Into<String>, partition: i32, offset: i64) -> Self {
        Self { topic: topic.into(), partition, offset }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} of partition {} of {}", self.offset, self.partition, self.topic)
    }
}

/// A delivery as its request tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Arrival {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// As text; one that is not UTF-8 is `base64:` and what the header says.
    pub key: Option<String>,
    /// [`digest`] of the value; none where the service did not read it.
    pub digest: Option<u64>,
    pub tenure: i64,
    pub attempt: u32,
    pub revision: String,
    pub idempotency_key: String,
    /// How long the sender waits from now on.
    pub timeout_ms: Option<u64>,
}

impl Arrival {
    /// `header` gives a request's header by its lower-case name. None where topic, partition,
    /// offset, tenure or attempt are missing or no numbers: not a delivery of contract v1.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let key = match (header("forebay-key"), header("forebay-key-base64")) {
            (Some(key), _) => Some(percent_decode_str(key).decode_utf8().ok()?.into_owned()),
            (None, Some(key)) => Some(format!("base64:{key}")),
            (None, None) => None,
        };
        let text = |name| header(name).unwrap_or_default().to_owned();
        Some(Self {
            topic: header("forebay-topic")?.to_owned(),
            partition: header("forebay-partition")?.parse().ok()?,
            offset: header("forebay-offset")?.parse().ok()?,
            key,
            digest: None,
            tenure: header("forebay-tenure")?.parse().ok()?,
            attempt: header("forebay-attempt")?.parse().ok()?,
            revision: text("forebay-revision"),
            idempotency_key: text("idempotency-key"),
            timeout_ms: header("forebay-timeout-ms").and_then(|value| value.parse().ok()),
        })
    }
}

/// What a service answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// A well-formed answer with this status; `verdict` is the service's own word, where it said it.
    Whole {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<String>,
    },
    /// Nothing, or nothing that is an answer: the name of what was done instead.
    Broken { by: String },
    /// Its work was not kept, by a service that refuses former owners and late work.
    Refused { by: String },
}

impl Answered {
    pub fn status(status: u16) -> Self {
        Self::Whole { status, verdict: None }
    }

    pub fn broken(by: &str) -> Self {
        Self::Broken { by: by.to_owned() }
    }

    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether contract v1 reads it as accepted.
    pub fn is_accept(&self) -> bool {
        match self {
            Self::Whole { verdict: Some(verdict), .. } => verdict == "accept",
            Self::Whole { status, verdict: None } => (200..300).contains(status),
            Self::Broken { .. } | Self::Refused { .. } => false,
        }
    }
}

/// How a delivery ended, for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Just before the answer was sent.
    pub at: u64,
    pub answered: Answered,
    /// False where the service knows that the client was gone before it had all of the answer.
    pub told: bool,
}

/// One delivery, from its request to its end. Times are those of [`crate::clock`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the service's process, or of its journal.
    pub instance: usize,
    pub what: Arrival,
    pub started: u64,
    /// None where the service never came so far.
    pub ended: Option<Ended>,
}

impl Delivery {
    pub fn place(&self) -> Place {
        Place::new(self.what.topic.clone(), self.what.partition, self.what.offset)
    }

    /// Whether its work was not kept.
    pub fn is_refused(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.answered.is_refused())
    }

    /// When it was accepted.
    pub fn accepted(&self) -> Option<u64> {
        self.ended.as_ref().filter(|ended| ended.answered.is_accept()).map(|ended| ended.at)
    }
}

/// 64 bits of FNV-1a, the upper half folded into the lower: the same in every build, so that
/// journals of different binaries can be held against each other.
pub fn digest(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    fnv ^ (fnv >> 32)
}
