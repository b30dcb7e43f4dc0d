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
    use crate::keep::Unreadable;

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
        let names = ["g", "a/b", "a", "b", "a%2Fb", "%", "a/", "/"];
        let mut keys = std::collections::BTreeSet::new();
        for group in names {
            for instance_id in names {
                let key = Announcement::key(group, instance_id);
                for other in names {
                    let found = Announcement::instance_of(key.as_bytes(), other);
                    let expected = (other == group).then(|| instance_id.to_owned());
                    assert_eq!(found, expected, "{key} {other}");
                }
                assert!(keys.insert(key.clone()), "{key} is two members'");
            }
        }
        for foreign in ["", "peer", "peer/g", "peer/g/", "start/g/a", "peers/g/a"] {
            assert_eq!(Announcement::instance_of(foreign.as_bytes(), "g"), None, "{foreign}");
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let value = announcement().encode();
        let text = String::from_utf8(value.clone()).unwrap();
        assert_eq!(
            text,
            r#"{"v":1,"group":"g","instance_id":"a-s","address":"10.0.0.1:8080","at_ms":5}"#
        );
        assert_eq!(Announcement::decode(&value), Ok(announcement()));
        assert_eq!(Announcement::decode(br#"{"v":2,"what":"ever"}"#), Err(Unreadable::Newer));
        let nobody = text.replace("a-s", "");
        for damaged in ["", "{}", "null", r#"{"v":1}"#, &text[..9], &nobody] {
            assert_eq!(Announcement::decode(damaged.as_bytes()), Err(Unreadable::Damaged));
        }
        let long = text.replace("a-s", &"a".repeat(Announcement::VALUE_MAX));
        assert_eq!(Announcement::decode(long.as_bytes()), Err(Unreadable::Damaged));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Announcement::decode(&bytes);
            let _ = Announcement::instance_of(&bytes, "g");
        }
    }
}
