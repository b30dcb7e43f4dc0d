//! Where a process of a group answers, as Forebay keeps it in its topic `__forebay`.
//!
//! - Key: `peer/<group>/<instance id>`, `/` and `%` of the instance id percent-encoded, so that no
//!   two members share a key. Each member writes its own; the last record of a key holds, and
//!   compaction keeps it.
//! - Value: JSON, `{"v":1,"group":…,"instance_id":…,"address":"host:port","at_ms":…}`; null once the
//!   member has left for good.
//!
//! Whoever may write to the topic may name any address. A reader sends nothing there that it would
//! not show to those who may write.

use serde::{Deserialize, Serialize};

use crate::keep::{self, Kept};

/// A group's member, and where its control API answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Announcement {
    pub group: String,
    /// Its `group.instance.id`.
    pub instance_id: String,
    /// `host:port`.
    pub address: String,
    /// When it was written, milliseconds since the epoch by the writer's clock.
    pub at_ms: i64,
}

impl Kept for Announcement {
    const KIND: &'static str = "peer";
    const VALUE_MAX: usize = 4 << 10;

    fn is_legal(&self) -> bool {
        !self.instance_id.is_empty()
    }
}

impl Announcement {
    /// The record's key; it says whose it is, not where.
    pub fn key(group: &str, instance_id: &str) -> String {
        format!("{}/{group}/{}", Self::KIND, keep::escape(instance_id))
    }

    /// The instance id in a key that is of this group's.
    pub fn instance_of(key: &[u8], group: &str) -> Option<String> {
        keep::part::<Self>(key, group).map(keep::unescape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keep::tests::{is_read_as_written, keys_are_members_own};

    fn announcement() -> Announcement {
        Announcement {
            group: "g".to_owned(),
            instance_id: "a-s".to_owned(),
            address: "10.0.0.1:8080".to_owned(),
            at_ms: 5,
        }
    }

    #[test]
    fn a_key_is_its_members_alone_whatever_the_names_are() {
        keys_are_members_own(Announcement::key, Announcement::instance_of);
        for foreign in ["", "peer", "peer/g", "peer/g/", "start/g/a", "peers/g/a"] {
            assert_eq!(Announcement::instance_of(foreign.as_bytes(), "g"), None, "{foreign}");
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let text = r#"{"v":1,"group":"g","instance_id":"a-s","address":"10.0.0.1:8080","at_ms":5}"#;
        let nobody = text.replace("a-s", "");
        let long = text.replace("a-s", &"a".repeat(Announcement::VALUE_MAX));
        is_read_as_written(&announcement(), text, &[&nobody, &long]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Announcement::decode(&bytes);
            let _ = Announcement::instance_of(&bytes, "g");
        }
    }
}
