//! Which reading again a delivery belongs to: what is behind the last slash of its idempotency key,
//! `…/replay-<replay>`, and nothing where an operator never had the record read again.
//!
//! `<n>` is the count of rewinds of the record's partition; `<n>.<m>` where the park topic's
//! partition, by which it came, was rewound `m` times. Neither count ever falls, so no key comes
//! back. A group has counts of its own: what one group reads again is new to no other.

use std::fmt;

/// On a record that was sent back from a dead letter topic: `<group>/<replay>`, where it died in a
/// replay of that group.
pub const OF_ORIGIN: &str = "forebay-origin-replay";

/// Which reading again it is; the default is the first reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replay {
    /// Rewinds of the partition that the record is from.
    pub number: u32,
    /// Rewinds of the partition of the park topic.
    pub of_park: u32,
}

impl Replay {
    pub const FIRST_READING: Self = Self { number: 0, of_park: 0 };

    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (number, of_park) = text.split_once('.').unwrap_or((text, "0"));
        let count = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        Some(Self { number: count(number)?, of_park: count(of_park)? })
    }

    /// None for a first reading, which is not said anywhere.
    pub fn said(self) -> Option<Self> {
        (self != Self::FIRST_READING).then_some(self)
    }

    /// The replay of this group in which a record died that was sent back.
    pub fn of_origin<'a, H>(headers: H, group: &str) -> Self
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        let said = headers.filter(|(name, _)| *name == OF_ORIGIN).filter_map(|(_, value)| {
            let replay = value?.strip_prefix(group.as_bytes())?.strip_prefix(b"/")?;
            Self::parse(replay)
        });
        said.max().unwrap_or_default()
    }

    /// The value of [`OF_ORIGIN`].
    pub fn to_origin(self, group: &str) -> String {
        format!("{group}/{self}")
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of_park {
            0 => write!(f, "{}", self.number),
            of_park => write!(f, "{}.{of_park}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_reads_as_it_was_written() {
        for (number, of_park, text) in [(0, 0, "0"), (7, 0, "7"), (0, 2, "0.2"), (3, 1, "3.1")] {
            let replay = Replay { number, of_park };
            assert_eq!((replay.to_string().as_str(), replay), (text, replay));
            assert_eq!(Replay::parse(text.as_bytes()), Some(replay));
        }
        for text in ["", "x", "+1", "1.", ".1", "1.2.3", "-1", "4294967296", "1 "] {
            assert_eq!(Replay::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_replay_is_its_groups_alone() {
        let replay = Replay { number: 2, of_park: 0 };
        let (own, other) = (replay.to_origin("a/b"), Replay::default().to_origin("a"));
        let headers = || [&own, &other].into_iter().map(|said| (OF_ORIGIN, Some(said.as_bytes())));
        assert_eq!(Replay::of_origin(headers(), "a/b"), replay);
        for group in ["a", "b", "a/", ""] {
            assert_eq!(Replay::of_origin(headers(), group), Replay::FIRST_READING, "{group}");
        }
    }
}
