//! Which requests a rule is for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::millis;
use crate::delivery::{Arrival, digest};

/// Conditions on a request. All that are there must hold; none is for every request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// One of these; empty for all.
    pub keys: Vec<String>,
    pub share: Option<Share>,
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<Range>,
    pub attempt: Option<Range>,
    pub revision: Option<String>,
    pub during: Window,
    /// Each n-th of the requests that fulfil the conditions above.
    pub every: Option<u64>,
    /// No more than this many of those that are left.
    pub times: Option<u64>,
}

/// Of all keys those whose hash, divided by `of`, leaves less than `count`. Records without a key
/// are shared out by their offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub count: u64,
    pub of: u64,
}

impl Share {
    pub fn has(&self, key: &str) -> bool {
        digest(key.as_bytes()) % self.of < self.count
    }
}

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Range {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Range {
    pub fn has(&self, number: i64) -> bool {
        self.from.is_none_or(|from| from <= number) && self.to.is_none_or(|to| number <= to)
    }
}

/// A time, since the script was put in force or since a switch was turned on. While its switch is
/// off a window is shut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    pub switch: Option<String>,
    pub from_ms: u64,
    /// Exclusive.
    pub to_ms: Option<u64>,
}

impl Window {
    pub fn while_on(switch: &str) -> Self {
        Self { switch: Some(switch.to_owned()), ..Self::default() }
    }

    /// Since the script was put in force.
    pub fn between(from: Duration, to: Duration) -> Self {
        Self { switch: None, from_ms: millis(from), to_ms: Some(millis(to)) }
    }

    /// `since`: nanoseconds since its beginning; none while its switch is off.
    pub(crate) fn is_open(&self, since: Option<u64>) -> bool {
        since.is_some_and(|since| {
            let ms = since / 1_000_000;
            self.from_ms <= ms && self.to_ms.is_none_or(|to| ms < to)
        })
    }

    /// The next edge, in nanoseconds since its beginning.
    pub(crate) fn next_edge(&self, since: u64) -> Option<u64> {
        let edges = [Some(self.from_ms), self.to_ms].into_iter().flatten();
        edges.map(|ms| ms.saturating_mul(1_000_000)).find(|edge| *edge > since)
    }
}

impl When {
    /// Whether all holds but time and count.
    pub(crate) fn is_for(&self, what: &Arrival) -> bool {
        let shared = |share: Share| match &what.key {
            Some(key) => share.has(key),
            None => share.has(&what.offset.to_string()),
        };
        let key = || what.key.as_ref().is_some_and(|key| self.keys.contains(key));
        (self.keys.is_empty() || key())
            && self.share.is_none_or(shared)
            && self.topic.as_ref().is_none_or(|topic| *topic == what.topic)
            && self.partition.is_none_or(|partition| partition == what.partition)
            && self.offset.is_none_or(|range| range.has(what.offset))
            && self.attempt.is_none_or(|range| range.has(i64::from(what.attempt)))
            && self.revision.as_ref().is_none_or(|revision| *revision == what.revision)
    }
}
