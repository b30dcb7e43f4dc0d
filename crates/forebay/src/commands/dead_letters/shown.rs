//! A letter for people and for programs.

use forebay_wire::dead_letter::Mark;
use serde::Serialize;

use super::topic::Letter;
use crate::output::{Table, or_dash};
use crate::text::{Header, headers, shown, text, time};

/// Of a key or a reason in a table, in characters.
const LONGEST: usize = 48;

/// A letter as JSON; times are ms since the epoch.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    partition: i32,
    offset: i64,
    state: &'static str,
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_encoding: Option<&'static str>,
    origin: Origin<'a>,
    subscription: &'a str,
    group: &'a str,
    revision: &'a str,
    why: &'a str,
    verdict: Option<&'a str>,
    status: Option<u16>,
    reason: Option<&'a str>,
    attempts: u32,
    deliveries: u32,
    first_failed: Option<i64>,
    last_failed: Option<i64>,
    #[serde(flatten)]
    content: Option<Content<'a>>,
}

/// Where the record was read from.
#[derive(Debug, Serialize)]
struct Origin<'a> {
    cluster: Option<&'a str>,
    topic: &'a str,
    topic_id: Option<&'a str>,
    partition: i32,
    offset: i64,
    timestamp: i64,
}

/// What only `show` shows.
#[derive(Debug, Serialize)]
struct Content<'a> {
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_encoding: Option<&'static str>,
    headers: Vec<Header<'a>>,
}

impl<'a> Shown<'a> {
    /// Without headers and value.
    pub(super) fn brief(letter: &'a Letter) -> Self {
        let Letter { at, record, story, .. } = letter;
        let (key, key_encoding) = text(record.key());
        Self {
            partition: at.partition,
            offset: at.offset,
            state: state(letter),
            key,
            key_encoding,
            origin: Origin {
                cluster: story.cluster.as_deref(),
                topic: &story.topic,
                topic_id: story.topic_id.as_deref(),
                partition: story.partition,
                offset: story.offset,
                timestamp: story.timestamp,
            },
            subscription: &story.subscription,
            group: &story.group,
            revision: &story.revision,
            why: &story.why,
            verdict: story.verdict.as_deref(),
            status: story.status,
            reason: story.reason.as_deref(),
            attempts: story.attempts,
            deliveries: story.deliveries,
            first_failed: story.first_failed,
            last_failed: story.last_failed,
            content: None,
        }
    }

    pub(super) fn full(letter: &'a Letter) -> Self {
        let (value, value_encoding) = text(letter.record.value());
        let headers = headers(&letter.record);
        Self { content: Some(Content { value, value_encoding, headers }), ..Self::brief(letter) }
    }
}

const fn state(letter: &Letter) -> &'static str {
    match letter.mark {
        None => "open",
        Some(Mark::Redriven) => "redriven",
        Some(Mark::Purged) => "purged",
    }
}

pub(super) const COLUMNS: [&str; 9] =
    ["LETTER", "ORIGIN", "KEY", "WHY", "STATUS", "ATTEMPTS", "AGE", "STATE", "REASON"];

pub(super) fn row(letter: &Letter, now: i64) -> [String; 9] {
    let Letter { at, record, story, .. } = letter;
    [
        at.to_string(),
        shown(Some(format!("{} {}:{}", story.topic, story.partition, story.offset).as_bytes())),
        cut(&shown(record.key())),
        shown(Some(story.why.as_bytes())),
        or_dash(story.status),
        story.attempts.to_string(),
        or_dash(story.last_failed.map(|failed| age(now - failed))),
        state(letter).to_owned(),
        cut(&shown(story.reason.as_deref().map(str::as_bytes))),
    ]
}

/// All of a letter, a line for each thing.
pub(super) fn page(letter: &Letter, topic: &str) -> String {
    let Letter { at, record, story, .. } = letter;
    let mut table = Table::new(&["LETTER", &format!("{topic} {at}, {}", state(letter))]);
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name.to_owned(), shown(Some(value.as_bytes()))]);
        }
    };
    line("origin", Some(format!("{} {}:{}", story.topic, story.partition, story.offset)));
    line("topic id", story.topic_id.clone());
    line("cluster", story.cluster.clone());
    line("timestamp", time(story.timestamp));
    line("subscription", Some(story.subscription.clone()));
    line("group", Some(story.group.clone()));
    line("revision", Some(story.revision.clone()));
    line("why", Some(story.why.clone()));
    line("verdict", story.verdict.clone());
    line("status", story.status.map(|status| status.to_string()));
    line("reason", story.reason.clone());
    line("attempts", Some(format!("{} of {} deliveries", story.attempts, story.deliveries)));
    line("first failed", story.first_failed.and_then(time));
    line("last failed", story.last_failed.and_then(time));
    let mut text = table.render();
    for (name, value) in record.headers() {
        text.push_str(&format!("header {}: {}\n", shown(Some(name.as_bytes())), shown(value)));
    }
    text.push_str(&format!("key: {}\nvalue: {}\n", shown(record.key()), shown(record.value())));
    text
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Milliseconds in the largest unit of which there is one.
fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_largest_unit() {
        let ages = [-5, 0, 59_999, 60_000, 3_599_999, 86_399_999, 86_400_000].map(age);
        assert_eq!(ages, ["0s", "0s", "59s", "1m", "59m", "23h", "1d"]);
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(LONGEST)), "é".repeat(LONGEST));
        assert_eq!(cut(&"é".repeat(LONGEST + 1)), format!("{}…", "é".repeat(LONGEST)));
    }
}
