//! What a dead letter says of itself, in the headers of its record.
//!
//! Key, value, timestamp and the record's own headers stay as they were; `forebay-dead-*` headers
//! tell where it is from and why it was given up (the delivery contract, "When attempts run out").
//! Beside them a subscription may ask for the names that Spring Kafka gives (`kafka_dlt-*`, numbers
//! big-endian) or those of KIP-1191 (`__dlq.errors.*`).
//!
//! Two more kinds of record are in a dead letter topic or come from it: a letter that was sent back
//! carries its [`ORIGIN`], and [`OF_ORIGIN`](crate::replay::OF_ORIGIN) if it died in a replay, so its
//! idempotency key stays the same; and a [`Mark`] says in the topic
//! itself that a letter was sent back or purged.

use std::fmt::Write as _;
use std::ops::Range;

use crate::replay::Replay;

/// All headers of ours that tell of a dead letter begin so.
pub const PREFIX: &str = "forebay-dead-";
/// The last header that is added to a letter: how many those are, this one among them. What stands
/// before them is the record's own, whatever its name.
const ADDED: &str = "forebay-dead-added";
/// On a record that was sent back: `<topic>/<topic id or ->/<partition>/<offset>` of where it first
/// was read from.
pub const ORIGIN: &str = "forebay-origin";
/// Longer than any: the longest name of a topic, a topic id, two numbers.
const LONGEST_ORIGIN: usize = 320;
/// How the [`ForeignNames`] begin.
const SPRING: &str = "kafka_dlt-";
const KIP_1191: &str = "__dlq.errors.";
/// On a mark: the offset of the letter that it is about, in the same partition.
pub const MARK_OFFSET: &str = "forebay-mark-offset";
/// On a mark: `redriven` or `purged`.
pub const MARK_WHAT: &str = "forebay-mark";

/// Where a dead letter is from, and its story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// The cluster's id, where it is known.
    pub cluster: Option<String>,
    pub topic: String,
    /// None where the broker has none.
    pub topic_id: Option<String>,
    pub partition: i32,
    pub offset: i64,
    /// In which reading again of it the record died.
    pub replay: Replay,
    /// Milliseconds since the epoch, like all times here.
    pub timestamp: i64,
    pub subscription: String,
    pub group: String,
    /// Failures charged to the record.
    pub attempts: u32,
    /// All its deliveries.
    pub deliveries: u32,
    pub first_failed: Option<i64>,
    pub last_failed: Option<i64>,
    pub revision: String,
    /// `rejected`, `exhausted` or `command`.
    pub why: String,
    /// What the last answer was read as.
    pub verdict: Option<String>,
    /// Its HTTP status.
    pub status: Option<u16>,
    /// The first 1 KiB of its body, or what went wrong.
    pub reason: Option<String>,
}

/// A set of names that tools of others know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignNames {
    /// Spring Kafka's `DeadLetterPublishingRecoverer`.
    Spring,
    /// KIP-1191, dead letter queues of share groups.
    Kip1191,
}

/// Why a record is no dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADeadLetter {
    #[error("it has no header {0}")]
    Missing(String),
    #[error("its header {name} says {value:?}")]
    Unreadable { name: String, value: String },
}

/// What a mark says of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was sent back to where it came from.
    Redriven,
    /// Nobody wants it any more.
    Purged,
}

impl DeadLetter {
    /// The story, each name once.
    fn headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut headers = Headers(Vec::with_capacity(19));
        headers.put_some("forebay-dead-cluster", self.cluster.as_deref());
        headers.put("forebay-dead-topic", &self.topic);
        headers.put_some("forebay-dead-topic-id", self.topic_id.as_deref());
        headers.put("forebay-dead-partition", self.partition);
        headers.put("forebay-dead-offset", self.offset);
        headers.put_some("forebay-dead-replay", self.replay.said());
        headers.put("forebay-dead-timestamp", self.timestamp);
        headers.put("forebay-dead-subscription", &self.subscription);
        headers.put("forebay-dead-group", &self.group);
        headers.put("forebay-dead-attempts", self.attempts);
        headers.put("forebay-dead-deliveries", self.deliveries);
        headers.put_some("forebay-dead-first-failed", self.first_failed);
        headers.put_some("forebay-dead-last-failed", self.last_failed);
        headers.put("forebay-dead-revision", &self.revision);
        headers.put("forebay-dead-why", &self.why);
        headers.put_some("forebay-dead-verdict", self.verdict.as_deref());
        headers.put_some("forebay-dead-status", self.status);
        headers.put_some("forebay-dead-reason", self.reason.as_deref());
        headers.0
    }

    /// All that a letter's record gets behind its own headers.
    pub fn added(&self, names: Option<ForeignNames>) -> Vec<(&'static str, Vec<u8>)> {
        let mut headers = self.headers();
        if let Some(names) = names {
            headers.extend(self.foreign_headers(names));
        }
        let count = headers.len() + 1;
        headers.push((ADDED, count.to_string().into_bytes()));
        headers
    }

    /// The same under the names of others; what they have no name for is left out.
    fn foreign_headers(&self, names: ForeignNames) -> Vec<(&'static str, Vec<u8>)> {
        let reason = self.reason.as_deref().unwrap_or_default();
        let mut headers = Headers(Vec::new());
        match names {
            ForeignNames::Spring => {
                let mut raw = |name, value: &[u8]| headers.0.push((name, value.to_vec()));
                raw("kafka_dlt-original-topic", self.topic.as_bytes());
                raw("kafka_dlt-original-partition", &self.partition.to_be_bytes());
                raw("kafka_dlt-original-offset", &self.offset.to_be_bytes());
                raw("kafka_dlt-original-timestamp", &self.timestamp.to_be_bytes());
                raw("kafka_dlt-original-timestamp-type", b"CreateTime");
                raw("kafka_dlt-original-consumer-group", self.group.as_bytes());
                raw("kafka_dlt-exception-fqcn", self.why.as_bytes());
                raw("kafka_dlt-exception-message", reason.as_bytes());
            }
            ForeignNames::Kip1191 => {
                headers.put("__dlq.errors.topic", &self.topic);
                headers.put("__dlq.errors.partition", self.partition);
                headers.put("__dlq.errors.offset", self.offset);
                headers.put("__dlq.errors.group", &self.group);
                headers.put("__dlq.errors.delivery.count", self.deliveries);
                headers.put("__dlq.errors.message", reason);
            }
        }
        headers.0
    }

    /// Reads what was added, among whatever other headers; the last of a name counts.
    pub fn parse<'a, H>(headers: H) -> Result<Self, NotADeadLetter>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let added = added(headers.clone());
        let is_told = move |at: &usize| added.as_ref().is_none_or(|added| added.contains(at));
        let told = headers.enumerate().filter(move |(at, _)| is_told(at));
        let given = Given(told.map(|(_, header)| header));
        Ok(Self {
            cluster: given.text("cluster"),
            topic: given.needed("topic")?,
            topic_id: given.text("topic-id"),
            partition: given.number("partition")?,
            offset: given.number("offset")?,
            replay: given.replay()?,
            timestamp: given.number("timestamp")?,
            subscription: given.text("subscription").unwrap_or_default(),
            group: given.needed("group")?,
            attempts: given.number("attempts")?,
            deliveries: given.number("deliveries")?,
            first_failed: given.optional("first-failed")?,
            last_failed: given.optional("last-failed")?,
            revision: given.text("revision").unwrap_or_default(),
            why: given.needed("why")?,
            verdict: given.text("verdict"),
            status: given.optional("status")?,
            reason: given.text("reason"),
        })
    }

    /// What [`ORIGIN`] says on the record when it is sent back for the first time.
    pub fn origin(&self) -> String {
        let mut origin = String::new();
        let id = self.topic_id.as_deref().unwrap_or("-");
        // Writing to a string can't fail.
        let _ = write!(origin, "{}/{id}/{}/{}", self.topic, self.partition, self.offset);
        origin
    }
}

/// What stood on a letter's record before it died: all but what was added, which is counted. A
/// letter from before they were counted has all headers before our first, and behind that whatever
/// is neither ours nor one of the [`ForeignNames`].
pub fn own_headers<'a, H>(headers: H) -> impl Iterator<Item = H::Item> + Clone
where
    H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
{
    let added = added(headers.clone());
    let mut told = false;
    let own = headers.enumerate().filter(move |(at, (name, _))| {
        if let Some(added) = &added {
            return !added.contains(at);
        }
        let ours = name.starts_with(PREFIX);
        told |= ours;
        let foreign = name.starts_with(SPRING) || name.starts_with(KIP_1191);
        !(ours || told && foreign)
    });
    own.map(|(_, header)| header)
}

/// Which of a letter's headers were added, where they are counted.
fn added<'a, H>(headers: H) -> Option<Range<usize>>
where
    H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
{
    let (at, (_, count)) = headers.enumerate().filter(|(_, (name, _))| *name == ADDED).last()?;
    let count: usize = std::str::from_utf8(count?).ok()?.parse().ok()?;
    Some((at + 1).checked_sub(count)?..at + 1)
}

/// Whether this can be the [`ORIGIN`] of a record that is read from `topic`. One of another topic
/// is none: services hand headers on to what they produce, and two outputs of one input must not
/// look like one record.
pub fn is_origin(said: &[u8], topic: &str) -> bool {
    if said.len() > LONGEST_ORIGIN {
        return false;
    }
    let Some(rest) = said.strip_prefix(topic.as_bytes()) else { return false };
    let mut parts = rest.split(|byte| *byte == b'/');
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    // Before the first slash is nothing: the topic has ended there.
    parts.next().is_some_and(<[u8]>::is_empty)
        && parts.next().is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_graphic))
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none()
}

impl Mark {
    /// The headers of a mark about the letter at `offset`.
    pub fn headers(self, offset: i64) -> [(&'static str, Vec<u8>); 2] {
        let what = match self {
            Self::Redriven => "redriven",
            Self::Purged => "purged",
        };
        [(MARK_WHAT, what.into()), (MARK_OFFSET, offset.to_string().into_bytes())]
    }

    /// The mark and the offset that it is about; none where the record is no mark. A mark has no
    /// value. A letter is none, whatever its record's own headers say.
    pub fn parse<'a, H>(headers: H, value: Option<&[u8]>) -> Option<(Self, i64)>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let given = Given(headers.clone());
        let what = match given.raw(MARK_WHAT)? {
            b"redriven" => Self::Redriven,
            b"purged" => Self::Purged,
            _ => return None,
        };
        if value.is_some() || DeadLetter::parse(headers).is_ok() {
            return None;
        }
        let offset = std::str::from_utf8(given.raw(MARK_OFFSET)?).ok()?.parse().ok()?;
        Some((what, offset))
    }
}

struct Headers(Vec<(&'static str, Vec<u8>)>);

impl Headers {
    fn put(&mut self, name: &'static str, value: impl ToString) {
        self.0.push((name, value.to_string().into_bytes()));
    }

    fn put_some(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

struct Given<H>(H);

impl<'a, H> Given<H>
where
    H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
{
    fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.0.clone().filter(|(given, _)| *given == name).last()?.1
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.raw(&format!("{PREFIX}{name}"))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn needed(&self, name: &str) -> Result<String, NotADeadLetter> {
        self.text(name).ok_or_else(|| NotADeadLetter::Missing(format!("{PREFIX}{name}")))
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, NotADeadLetter> {
        let value = self.needed(name)?;
        let name = format!("{PREFIX}{name}");
        value.parse().map_err(|_| NotADeadLetter::Unreadable { name, value })
    }

    fn replay(&self) -> Result<Replay, NotADeadLetter> {
        let Some(value) = self.text("replay") else { return Ok(Replay::FIRST_READING) };
        let name = format!("{PREFIX}replay");
        Replay::parse(value.as_bytes()).ok_or(NotADeadLetter::Unreadable { name, value })
    }

    fn optional<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, NotADeadLetter> {
        match self.text(name) {
            Some(_) => self.number(name).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
