//! The topic `__forebay`, in which small records outlive processes: what all their kinds have in
//! common.
//!
//! - Key: `<kind>/<group>/…`; what follows has no slash in any of its parts, so that no two groups
//!   share a key, whatever they are called.
//! - Value: a JSON object, `{"v":1,…}`, with the version of its kind; null where the kind says that
//!   something has ended.
//!
//! Which of several records holds, and what it means, is in each kind's own file.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The compacted topic of one partition in which Forebay remembers what commits can't hold.
pub const TOPIC: &str = "__forebay";

/// Why a value says nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it has a newer version than can be read")]
    Newer,
    #[error("it is damaged")]
    Damaged,
}

/// A kind of record.
pub trait Kept: DeserializeOwned + Serialize {
    const KIND: &'static str;
    const VERSION: u32 = 1;
    /// Longest value that is looked into, bytes.
    const VALUE_MAX: usize;

    /// Whether one of us can have written it.
    fn is_legal(&self) -> bool;

    fn encode(&self) -> Vec<u8> {
        let value = Versioned { v: Self::VERSION, value: self };
        serde_json::to_vec(&value).expect("numbers and texts can be written")
    }

    /// Reads what [`Self::encode`] wrote.
    fn decode(value: &[u8]) -> Result<Self, Unreadable> {
        if value.len() > Self::VALUE_MAX {
            return Err(Unreadable::Damaged);
        }
        let Version { v } = serde_json::from_slice(value).map_err(|_| Unreadable::Damaged)?;
        if v > Self::VERSION {
            return Err(Unreadable::Newer);
        }
        let read: Self = serde_json::from_slice(value).map_err(|_| Unreadable::Damaged)?;
        if v == Self::VERSION && read.is_legal() { Ok(read) } else { Err(Unreadable::Damaged) }
    }
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u32,
    #[serde(flatten)]
    value: &'a T,
}

/// The two parts of a key behind its kind and its group; none of a key that is no such.
pub(crate) fn parts<'a, T: Kept>(key: &'a [u8], group: &str) -> Option<(&'a str, &'a str)> {
    let (one, other) = behind::<T>(key, group)?.split_once('/')?;
    (!one.is_empty() && !other.is_empty() && !other.contains('/')).then_some((one, other))
}

/// The one part.
pub(crate) fn part<'a, T: Kept>(key: &'a [u8], group: &str) -> Option<&'a str> {
    behind::<T>(key, group).filter(|part| !part.is_empty() && !part.contains('/'))
}

fn behind<'a, T: Kept>(key: &'a [u8], group: &str) -> Option<&'a str> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(T::KIND)?.strip_prefix('/')?;
    rest.strip_prefix(group)?.strip_prefix('/')
}

/// A name as a part of a key.
pub(crate) fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

pub(crate) fn unescape(part: &str) -> String {
    part.replace("%2F", "/").replace("%25", "%")
}

/// What every kind shows of itself in its own tests.
#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Debug;

    use super::*;

    /// Each member of each group has a key of its own, and is found in it by its group alone.
    pub(crate) fn keys_are_members_own(
        key: impl Fn(&str, &str) -> String,
        found: impl Fn(&[u8], &str) -> Option<String>,
    ) {
        let names = ["g", "a/b", "a", "b", "a%2Fb", "%", "a/", "/", "a/b/7"];
        let mut keys = BTreeSet::new();
        for group in names {
            for member in names {
                let key = key(group, member);
                for other in names {
                    let expected = (other == group).then(|| member.to_owned());
                    assert_eq!(found(key.as_bytes(), other), expected, "{key} {other}");
                }
                assert!(keys.insert(key.clone()), "{key} is two members'");
            }
        }
    }

    /// It is written as `text` and read as it was. What is newer is told from what is damaged, as
    /// these are.
    pub(crate) fn is_read_as_written<T>(it: &T, text: &str, damaged: &[&str])
    where
        T: Kept + Debug + PartialEq,
    {
        assert_eq!(str::from_utf8(&it.encode()), Ok(text));
        assert_eq!(T::decode(text.as_bytes()).as_ref(), Ok(it));
        assert_eq!(T::decode(br#"{"v":2,"what":"ever"}"#), Err(Unreadable::Newer));
        let damaged_always = ["", "{}", "null", r#"{"v":1}"#, &text[..9]];
        for damaged in damaged_always.iter().chain(damaged) {
            assert_eq!(T::decode(damaged.as_bytes()), Err(Unreadable::Damaged), "{damaged}");
        }
    }
}
