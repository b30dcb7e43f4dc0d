//! What a record of a park topic says of itself, in its headers.
//!
//! Key, value, timestamp and the record's own headers stay as they were; `forebay-parked-*` headers
//! tell where it is from and what it has been through, so that its deliveries go on from there.
//! Beside them stands [`ORIGIN`](crate::dead_letter::ORIGIN), unless the record has one of its own.

use crate::dead_letter::ORIGIN;
use crate::replay::Replay;

/// All headers of ours that tell of a parked record begin so.
pub const PREFIX: &str = "forebay-parked-";

const TOPIC: &str = "forebay-parked-topic";
const TOPIC_ID: &str = "forebay-parked-topic-id";
const PARTITION: &str = "forebay-parked-partition";
const OFFSET: &str = "forebay-parked-offset";
const REPLAY: &str = "forebay-parked-replay";
const ATTEMPTS: &str = "forebay-parked-attempts";
const DELIVERIES: &str = "forebay-parked-deliveries";
const FIRST_FAILED: &str = "forebay-parked-first-failed";
const LAST_FAILED: &str = "forebay-parked-last-failed";
const VERDICT: &str = "forebay-parked-verdict";
const STATUS: &str = "forebay-parked-status";
const REASON: &str = "forebay-parked-reason";

/// Where a parked record is from, and its story so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parked {
    pub topic: String,
    /// None where the broker has none.
    pub topic_id: Option<String>,
    pub partition: i32,
    pub offset: i64,
    /// In which reading again of it the record was parked.
    pub replay: Replay,
    /// Failures charged to the record.
    pub attempts: u32,
    /// All its deliveries.
    pub deliveries: u32,
    /// Milliseconds since the epoch; none where the record follows one that failed.
    pub first_failed: Option<i64>,
    pub last_failed: Option<i64>,
    /// What the last answer was read as.
    pub verdict: Option<String>,
    /// Its HTTP status.
    pub status: Option<u16>,
    /// The first 1 KiB of its body, or what went wrong.
    pub reason: Option<String>,
}

impl Parked {
    /// The headers to add, each name once, [`ORIGIN`] first.
    pub fn headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut headers = vec![
            (ORIGIN, self.origin().into_bytes()),
            (TOPIC, self.topic.clone().into_bytes()),
            (PARTITION, self.partition.to_string().into_bytes()),
            (OFFSET, self.offset.to_string().into_bytes()),
            (ATTEMPTS, self.attempts.to_string().into_bytes()),
            (DELIVERIES, self.deliveries.to_string().into_bytes()),
        ];
        let optional = [
            (TOPIC_ID, self.topic_id.clone()),
            (REPLAY, self.replay.said().map(|replay| replay.to_string())),
            (FIRST_FAILED, self.first_failed.map(|at| at.to_string())),
            (LAST_FAILED, self.last_failed.map(|at| at.to_string())),
            (VERDICT, self.verdict.clone()),
            (STATUS, self.status.map(|status| status.to_string())),
            (REASON, self.reason.clone()),
        ];
        let given = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        headers.extend(given.map(|(name, value)| (name, value.into_bytes())));
        headers
    }

    /// Reads what [`Self::headers`] wrote, among whatever other headers; the last of a name counts.
    /// None where the record does not say where it is from.
    pub fn parse<'a, H>(headers: H) -> Option<Self>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let text = |name: &str| -> Option<String> {
            let value = headers.clone().filter(|(given, _)| *given == name).last()?.1?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        Some(Self {
            topic: text(TOPIC)?,
            topic_id: text(TOPIC_ID),
            partition: text(PARTITION)?.parse().ok()?,
            offset: text(OFFSET)?.parse().ok()?,
            replay: match text(REPLAY) {
                Some(said) => Replay::parse(said.as_bytes())?,
                None => Replay::FIRST_READING,
            },
            attempts: text(ATTEMPTS)?.parse().ok()?,
            deliveries: text(DELIVERIES)?.parse().ok()?,
            first_failed: text(FIRST_FAILED).and_then(|at| at.parse().ok()),
            last_failed: text(LAST_FAILED).and_then(|at| at.parse().ok()),
            verdict: text(VERDICT),
            status: text(STATUS).and_then(|status| status.parse().ok()),
            reason: text(REASON),
        })
    }

    /// Whether a header was added when the record was parked, and is not its own.
    pub fn added(&self, name: &str, value: Option<&[u8]>) -> bool {
        name.starts_with(PREFIX) || (name == ORIGIN && value == Some(self.origin().as_bytes()))
    }

    fn origin(&self) -> String {
        let id = self.topic_id.as_deref().unwrap_or("-");
        format!("{}/{id}/{}/{}", self.topic, self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_record_reads_as_it_was_written() {
        let bare = Parked { topic: "t".into(), partition: 1, offset: 2, ..Parked::default() };
        let told = Parked {
            topic_id: Some("id".into()),
            replay: Replay { number: 2, of_park: 1 },
            attempts: 3,
            deliveries: 4,
            first_failed: Some(5),
            last_failed: Some(6),
            verdict: Some("retry".into()),
            status: Some(500),
            reason: Some("no".into()),
            ..bare.clone()
        };
        for parked in [bare, told] {
            let headers = parked.headers();
            let given = || headers.iter().map(|(name, value)| (*name, Some(&**value)));
            assert_eq!(Parked::parse(given()), Some(parked.clone()));
            assert!(given().all(|(name, value)| parked.added(name, value)));
            assert!(!parked.added("own", None) && !parked.added(ORIGIN, Some(b"a/b/0/1")));
        }
    }

    #[test]
    fn a_record_that_does_not_say_where_it_is_from_is_none_of_ours() {
        let none = std::iter::empty::<(&str, Option<&[u8]>)>();
        assert_eq!(Parked::parse(none), None);
        let wrong = [(TOPIC, Some(&b"t"[..])), (PARTITION, Some(b"x"))];
        assert_eq!(Parked::parse(wrong.into_iter()), None);
    }
}
