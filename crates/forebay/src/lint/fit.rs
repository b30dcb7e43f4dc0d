//! Rules about what fits: sizes from the source to the dead letters, and how long topics keep what
//! is still needed.

use std::time::Duration;

use super::facts::Topic;
use super::topics::{Role, seen_topics};
use super::{Hit, Rule, Seen, Severity, retries};
use crate::config::{GiveUp, Subscription, Time};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "letter-too-large",
        severity: Severity::Error,
        cluster: true,
        when: "a record that its topic takes (`max.message.bytes`) may be larger than the dead letter \
               topic or park topic takes, or than `max.request.size`",
        advice: "raise `max.message.bytes` of the topic that is written, and `max.request.size`, to \
                 those of the topic that is read and 64 KiB for headers: a record that does not fit \
                 holds its partition",
        find: letter_too_large,
    },
    Rule {
        name: "value-too-large",
        severity: Severity::Warning,
        cluster: true,
        when: "a record that its topic takes may be larger than `target.max_value_bytes`",
        advice: "raise `target.max_value_bytes`: larger records are not delivered, but given up",
        find: value_too_large,
    },
    Rule {
        name: "retries-outlast-retention",
        severity: Severity::Warning,
        cluster: true,
        when: "a topic that is read keeps records for a shorter time (`retention.ms`) than their \
               retries and `evidence.wait` may take",
        advice: "raise the topic's retention.ms, or shorten the retries: what Kafka has removed is \
                 not there to be delivered after a restart",
        find: retries_outlast_retention,
    },
    Rule {
        name: "letters-kept-briefly",
        severity: Severity::Warning,
        cluster: true,
        when: "the dead letter topic keeps records for less than seven days",
        advice: "raise its retention.ms: dead letters wait for people, who also have weekends and \
                 holidays; -1 keeps them until they are purged",
        find: letters_kept_briefly,
    },
    Rule {
        name: "parked-kept-briefly",
        severity: Severity::Error,
        cluster: true,
        when: "the park topic keeps records for a shorter time than retries may take, or less than a \
               day",
        advice: "raise its retention.ms, or set it to -1: parked records are not done yet, and what \
                 Kafka removes is lost",
        find: parked_kept_briefly,
    },
    Rule {
        name: "written-topic-compacted",
        severity: Severity::Error,
        cluster: true,
        when: "the dead letter topic or park topic has a `cleanup.policy` with compact",
        advice: "set cleanup.policy=delete: of the records of a key only the last would be kept",
        find: written_topic_compacted,
    },
];

/// Room for the headers that tell a letter's story.
const HEADERS: i64 = 64 << 10;
/// Kafka's default of `max.message.bytes`. Where the source has it too, only records within a few
/// KiB of it could not be written, and nobody has to change anything for those.
const DEFAULT_BATCH: i64 = 1_048_588;
const DAY: Duration = Duration::from_secs(86_400);
/// Java's default of `max.request.size`.
const REQUEST: i64 = 1 << 20;

/// The largest batch that any topic of a subscription takes, which bounds its records.
fn largest(seen: &Seen<'_>, subscription: &Subscription) -> Option<i64> {
    let of = |name: &String| seen.facts().topics.get(name)?.number("max.message.bytes");
    subscription.topics.get_ref().iter().filter_map(of).max()
}

fn letter_too_large(seen: &Seen<'_>) -> Vec<Hit> {
    let request = seen.number("max.request.size", REQUEST);
    let mut hits = Vec::new();
    for (it, topic) in seen_topics(seen) {
        let (Some(largest), Some(takes)) =
            (largest(seen, it.subscription), topic.number("max.message.bytes"))
        else {
            continue;
        };
        if !it.role.is_written() || largest <= DEFAULT_BATCH {
            continue;
        }
        if takes.min(request) < largest.saturating_add(HEADERS) {
            let what = format!(
                "records of up to {largest} bytes, a {} that takes {takes} and requests of {request}",
                it.role.name()
            );
            hits.push(Hit::at(it.span, what));
        }
    }
    hits
}

fn value_too_large(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for subscription in seen.subscriptions() {
        let most = subscription.target.get_ref().max_value_bytes.get_ref();
        let largest = largest(seen, subscription).and_then(|it| usize::try_from(it).ok());
        if let Some(largest) = largest.filter(|largest| *largest > most.0) {
            let what = format!("records of up to {largest} bytes, deliveries of {most}");
            hits.push(Hit::at(subscription.topics.span(), what));
        }
    }
    hits
}

/// How long a topic keeps records, where it does not keep them for ever.
fn kept(topic: &Topic) -> Option<Duration> {
    let kept = u64::try_from(topic.number("retention.ms")?).ok()?;
    let removes = topic.settings.get("cleanup.policy").is_none_or(|it| it.contains("delete"));
    removes.then(|| Duration::from_millis(kept))
}

/// How long a record may be under way before it is given up; `None` without an end.
fn under_way(subscription: &Subscription) -> Option<Duration> {
    let retry = &subscription.retry;
    let holds = retry.on_exhausted.as_ref().is_some_and(|rule| *rule.get_ref() == GiveUp::Hold);
    let ends = subscription.dead_letter.is_some() && !holds;
    let deadline = subscription.target.get_ref().deadline.get_ref().0;
    let tries = deadline.saturating_mul(retry.attempts.get_ref().number());
    let evidence = subscription.evidence.wait.0.unwrap_or_default();
    ends.then(|| retries(subscription))?.map(|pauses| pauses + tries + evidence)
}

fn retries_outlast_retention(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (it, topic) in seen_topics(seen) {
        // One that never ends is somebody's decision, and is seen by its age.
        let (Some(kept), Some(needed)) = (kept(topic), under_way(it.subscription)) else {
            continue;
        };
        if it.role == Role::Read && kept < needed {
            let (kept, needed) = (Time(kept), Time(needed));
            let what = format!("`{}` keeps records for {kept}; retries take {needed}", it.name);
            hits.push(Hit::at(it.span, what));
        }
    }
    hits
}

fn letters_kept_briefly(seen: &Seen<'_>) -> Vec<Hit> {
    let letters = seen_topics(seen).into_iter().filter(|(it, _)| it.role == Role::DeadLetter);
    let brief = letters.filter_map(|(it, topic)| {
        let kept = kept(topic).filter(|kept| *kept < 7 * DAY)?;
        Some(Hit::at(it.span, format!("`{}` keeps dead letters for {}", it.name, Time(kept))))
    });
    brief.collect()
}

fn parked_kept_briefly(seen: &Seen<'_>) -> Vec<Hit> {
    let parked = seen_topics(seen).into_iter().filter(|(it, _)| it.role == Role::Park);
    let brief = parked.filter_map(|(it, topic)| {
        let needed = under_way(it.subscription).unwrap_or(DAY).max(DAY);
        let kept = kept(topic).filter(|kept| *kept < needed)?;
        let what = format!("`{}` keeps records for {}, not {}", it.name, Time(kept), Time(needed));
        Some(Hit::at(it.span, what))
    });
    brief.collect()
}

fn written_topic_compacted(seen: &Seen<'_>) -> Vec<Hit> {
    let written = seen_topics(seen).into_iter().filter(|(it, _)| it.role.is_written());
    let compacted = written.filter_map(|(it, topic)| {
        let policy = topic.settings.get("cleanup.policy")?;
        let what = || format!("{} `{}` has cleanup.policy={policy}", it.role.name(), it.name);
        policy.contains("compact").then(|| Hit::at(it.span.clone(), what()))
    });
    compacted.collect()
}
