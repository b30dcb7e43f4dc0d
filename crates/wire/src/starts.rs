//! Where a group began with a topic, as Forebay keeps it in its topic `__forebay`.
//!
//! - Key: `start/<group>/<topic>/<nonce>`. The nonce makes each writer's key its own, so that
//!   compaction never removes what was written first.
//! - Value: JSON, `{"v":1,"topic_id":…,"at_ms":…,"offsets":{"0":17,…}}`; the topic's id as Kafka
//!   prints it, or null from brokers that have none (before 2.8).
//!
//! The first record of a group and topic in the log is the one that holds, whatever it says: of one
//! that can't be read, nobody knows where it has the group begin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::keep::{self, Kept};

/// The starts of all partitions that a topic had when its group first met it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Starts {
    /// None where the broker has none.
    pub topic_id: Option<String>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// By partition; one that is missing begins at its beginning.
    pub offsets: BTreeMap<i32, i64>,
}

impl Kept for Starts {
    const KIND: &'static str = "start";
    // 100,000 partitions need less than half of it.
    const VALUE_MAX: usize = 4 << 20;

    fn is_legal(&self) -> bool {
        self.offsets.iter().all(|(partition, offset)| *partition >= 0 && *offset >= 0)
    }
}

impl Starts {
    /// A record's key.
    pub fn key(group: &str, topic: &str, nonce: &str) -> String {
        format!("{}/{group}/{topic}/{nonce}", Self::KIND)
    }

    /// The topic that a key of this group is about.
    pub fn topic_of<'a>(key: &'a [u8], group: &str) -> Option<&'a str> {
        keep::parts::<Self>(key, group).map(|(topic, _)| topic)
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
    use crate::keep::tests::is_read_as_written;

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
        let text = r#"{"v":1,"topic_id":"id","at_ms":5,"offsets":{"0":17,"1":0}}"#;
        is_read_as_written(&starts(), text, &[&text.replace("17", "-1")]);
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
