//! `forebay dead-letters redrive`.

use std::collections::BTreeMap;

use forebay_kafka::{Producer, Send};
use forebay_wire::dead_letter::{self, Mark, ORIGIN};
use forebay_wire::replay::{OF_ORIGIN, Replay};

use super::outbox::Outbox;
use super::topic::{Letter, LetterTopic};
use super::work::{Working, dry_run};
use crate::cli::dead_letters::Redrive;
use crate::cluster::failure;
use crate::exit::{Exit, Failure, Outcome};
use crate::process::Interrupt;

pub(super) fn run(args: &Redrive) -> Outcome {
    let Redrive { selection, pace: work, .. } = args;
    let interrupt = Interrupt::listen().map_err(Failure::of(Exit::Usage))?;
    let (mut cluster, name) = super::find(&args.place, selection.subscription.as_deref())?;
    let topic = LetterTopic::open(&cluster, &name, &selection.partitions(), &interrupt)?;
    let mark = Mark::Redriven;
    if work.dry_run {
        return dry_run(&topic, selection, work, mark, &interrupt);
    }
    let known = cluster.admin.topics().map_err(failure)?;
    let partitions: BTreeMap<String, usize> =
        known.into_iter().map(|topic| (topic.name, topic.partitions.len())).collect();
    let origins = topic.origins.iter().map(String::as_str);
    let retention = super::fit(
        &mut cluster,
        origins.filter(|name| partitions.contains_key(*name)).chain([&*name]),
    )?;
    let producer = Producer::new(&cluster.properties, "redrive").map_err(failure)?;
    let working = Working {
        outbox: Outbox::new(producer, &name, mark),
        topic: &topic,
        selection,
        work,
        mark,
        interrupt: &interrupt,
        patience: cluster.timeout,
    };
    working.run(|outbox, letter| match destination(letter, args.by_key, &partitions) {
        Ok(partition) => {
            let kept = retention.get(&letter.story.topic).copied();
            let timestamp =
                timestamp(letter.story.timestamp, kept, jiff::Timestamp::now().as_millisecond());
            send_back(outbox, letter, (partition, timestamp), &interrupt);
        }
        Err(reason) => outbox.fail(letter.record.key(), reason),
    })
}

/// The partition to send to; none is by the key. Nothing is sent to a topic that is not there:
/// some brokers would make it.
fn destination(
    letter: &Letter,
    by_key: bool,
    partitions: &BTreeMap<String, usize>,
) -> Result<Option<i32>, String> {
    let Letter { at, story, .. } = letter;
    let Some(count) = partitions.get(&story.topic) else {
        return Err(format!("letter {at}: there is no topic `{}` any more", story.topic));
    };
    if by_key {
        return Ok(None);
    }
    match usize::try_from(story.partition) {
        Ok(partition) if partition < *count => Ok(Some(story.partition)),
        _ => Err(format!(
            "letter {at}: topic `{}` has no partition {} any more; --by-key sends it to another",
            story.topic, story.partition
        )),
    }
}

/// The record's own, but for one that retention would remove before long, for that counts from the
/// timestamp: none, which is the present time.
fn timestamp(own: i64, kept: Option<i64>, now: i64) -> Option<i64> {
    let old = kept.is_some_and(|kept| now.saturating_sub(own) > kept / 2);
    (own >= 0 && !old).then_some(own)
}

fn send_back(
    outbox: &mut Outbox,
    letter: &Letter,
    (partition, timestamp_ms): (Option<i32>, Option<i64>),
    interrupt: &Interrupt,
) {
    let Letter { at, record, story, .. } = letter;
    let origin = story.origin();
    let is_origin = |(name, value): &(&str, Option<&[u8]>)| {
        *name == ORIGIN && value.is_some_and(|value| dead_letter::is_origin(value, &story.topic))
    };
    let mut headers: Vec<(&str, Option<&[u8]>)> =
        dead_letter::own_headers(record.headers()).collect();
    let replay = story.replay.said().map(|replay| replay.to_origin(&story.group));
    if let Some(replay) = &replay {
        let is_former = |header| Replay::of_origin([header].into_iter(), &story.group).said();
        headers.retain(|header| is_former(*header).is_none());
        headers.push((OF_ORIGIN, Some(replay.as_bytes())));
    }
    if !headers.iter().any(is_origin) {
        headers.push((ORIGIN, Some(origin.as_bytes())));
    }
    let record = Send {
        topic: &story.topic,
        partition,
        key: record.key(),
        value: record.value(),
        headers: &headers,
        timestamp_ms,
    };
    outbox.send_back(*at, record, interrupt);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_kept_unless_retention_would_remove_its_record() {
        assert_eq!(timestamp(900, Some(200), 1_000), Some(900));
        assert_eq!(timestamp(899, Some(200), 1_000), None);
        assert_eq!(timestamp(0, None, 1_000), Some(0));
        assert_eq!(timestamp(-1, None, 1_000), None);
    }
}
