//! Where a group began with a topic, as Forebay keeps it in its topic `__forebay`.
//!
//! - Key: `start/<group>/<topic>/<nonce>`. A topic's name has no slash, and neither has the nonce,
//!   so whatever the group is called, the last two parts are found from the end. The nonce makes
//!   each writer's key its own, so that compaction never removes what was written first.
//! - Value: JSON, `{"v":1,"topic_id":…,"at_ms":…,"offsets":{"0":17,…}}`; the topic's id as Kafka
//!   prints it, or null from brokers that have none (before 2.8).
//!
//! The first record of a group and topic in the log is the one that holds, whatever it says: of one
//! that can't be read, nobody knows where it has the group begin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The compacted topic of one partition in which Forebay remembers what commits can't hold.
pub const TOPIC: &str = "__forebay";

/// Longest value that is looked into, bytes; 100,000 partitions need less than half of it.
pub const VALUE_MAX: usize = 4 << 20;

const KIND: &str = "start";
const VERSION: u32 = 1;

/// The starts of all partitions that a topic had when its group first met it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    /// None where the broker has none.
    pub topic_id: Option<String>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// By partition; one that is missing begins at its beginning.
    pub offsets: BTreeMap<i32, i64>,
}

#[derive(Deserialize, Serialize)]
struct Value {
    v: u32,
    topic_id: Option<String>,
    at_ms: i64,
    offsets: BTreeMap<i32, i64>,
}

/// Why a value says nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the starts have a newer version than {VERSION}")]
    Newer,
    #[error("the starts are damaged")]
    Damaged,
}

impl Starts {
    /// A record's key.
    pub fn key(group: &str, topic: &str, nonce: &str) -> String {
        format!("{KIND}/{group}/{topic}/{nonce}")
    }

    /// The topic that a key of this group is about.
    pub fn topic_of<'a>(key: &'a [u8], group: &str) -> Option<&'a str> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(KIND)?.strip_prefix('/')?;
        let (rest, nonce) = rest.rsplit_once('/')?;
        let (of, topic) = rest.rsplit_once('/')?;
        (of == group && !topic.is_empty() && !nonce.is_empty()).then_some(topic)
    }

    pub fn encode(&self) -> Vec<u8> {
        let value = Value {
            v: VERSION,
            topic_id: self.topic_id.clone(),
            at_ms: self.at_ms,
            offsets: self.offsets.clone(),
        };
        serde_json::to_vec(&value).expect("numbers and texts can be written")
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(value: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        if value.len() > VALUE_MAX {
            return Err(Unreadable::Damaged);
        }
        let Version { v } = serde_json::from_slice(value).map_err(|_| Unreadable::Damaged)?;
        if v > VERSION {
            return Err(Unreadable::Newer);
        }
        let value: Value = serde_json::from_slice(value).map_err(|_| Unreadable::Damaged)?;
        let legal = v == VERSION
            && value.offsets.iter().all(|(partition, offset)| *partition >= 0 && *offset >= 0);
        if !legal {
            return Err(Unreadable::Damaged);
        }
        Ok(Self { topic_id: value.topic_id, at_ms: value.at_ms, offsets: value.offsets })
    }

    /// Where a partition of the topic with this id starts; none: at its beginning, for it was added
    /// since, or the topic was deleted and made anew.
    pub fn offset(&self, topic_id: Option<&str>, partition: i32) -> Option<i64> {
        let anew =
            matches!((self.topic_id.as_deref(), topic_id), (Some(was), Some(is)) if was != is);
        self.offsets.get(&partition).filter(|_| !anew).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn starts() -> Starts {
        let offsets = BTreeMap::from([(0, 17), (1, 0)]);
        Starts { topic_id: Some("id".to_owned()), at_ms: 5, offsets }
    }

    #[test]
    fn a_key_names_its_topic_whatever_the_group_is_called() {
        for group in ["g", "a/b", "start", "a/", "/"] {
            let key = Starts::key(group, "t.u-v_w", "n");
            assert_eq!(Starts::topic_of(key.as_bytes(), group), Some("t.u-v_w"), "{key}");
            assert_eq!(Starts::topic_of(key.as_bytes(), "other"), None);
        }
        for foreign in ["", "start", "start/g/t", "stop/g/t/n", "start/g//n", "start/g/t/"] {
            assert_eq!(Starts::topic_of(foreign.as_bytes(), "g"), None, "{foreign}");
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let value = starts().encode();
        let text = String::from_utf8(value.clone()).unwrap();
        assert_eq!(text, r#"{"v":1,"topic_id":"id","at_ms":5,"offsets":{"0":17,"1":0}}"#);
        assert_eq!(Starts::decode(&value), Ok(starts()));
        assert_eq!(Starts::decode(br#"{"v":2,"what":"ever"}"#), Err(Unreadable::Newer));
        for damaged in ["", "{}", "null", r#"{"v":1}"#, &text[..9], &text.replace("17", "-1")] {
            assert_eq!(Starts::decode(damaged.as_bytes()), Err(Unreadable::Damaged), "{damaged}");
        }
    }

    #[test]
    fn a_later_partition_or_a_topic_made_anew_has_no_start_here() {
        let starts = starts();
        assert_eq!(starts.offset(Some("id"), 0), Some(17));
        assert_eq!(starts.offset(None, 1), Some(0));
        assert_eq!(starts.offset(Some("id"), 2), None);
        assert_eq!(starts.offset(Some("other"), 0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Starts::decode(&bytes);
            let _ = Starts::topic_of(&bytes, "g");
        }
    }
}
