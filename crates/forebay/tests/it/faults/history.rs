//! What stands in Kafka when all is over: the records, their dead letters, and every commit.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use forebay_kafka::{Properties, ReadFrom, Reader, ReaderItem, Record};
use forebay_trial::{Committed, Place, Sent, digest};
use forebay_wire::commit_metadata::CommitMetadata;
use forebay_wire::dead_letter::DeadLetter;
use forebay_wire::offsets_topic::{self, Entry};

use super::load::Said;

const WAIT: Duration = Duration::from_secs(30);

/// The whole topic, partition for partition in its order.
fn read(properties: &Properties, topic: &str) -> Vec<(i32, Record)> {
    let mut reader = Reader::start(properties, topic, None, ReadFrom::Beginning, WAIT)
        .unwrap_or_else(|error| panic!("{topic}: {error}"));
    let mut records = Vec::new();
    while !reader.is_at_end() {
        match reader.next(WAIT).expect("the topic has an end") {
            ReaderItem::Record(partition, record) => records.push((partition.partition, record)),
            ReaderItem::End(_) => {}
            // librdkafka tells of brokers that come and go, and reads on.
            ReaderItem::Failed(error) => eprintln!("{topic}: {error}"),
        }
    }
    records.sort_by_key(|(partition, record)| (*partition, record.offset));
    records
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// What the judge holds deliveries against: each record of the topic. One whose acknowledgement
/// never came counts as sent at the end of time: nobody waited for it.
pub(super) fn sent(properties: &Properties, topic: &str, said: &Said) -> Vec<Sent> {
    let records = read(properties, topic).into_iter();
    let sent = |(partition, record): (i32, Record)| Sent {
        place: Place::new(topic, partition, record.offset),
        key: record.key().map(|key| text(Some(key))),
        digest: digest(record.value().unwrap_or_default()),
        acknowledged: said.acknowledged.get(&text(record.value())).copied().unwrap_or(u64::MAX),
    };
    records.map(sent).collect()
}

/// Acknowledged records that Kafka does not have: then it is Kafka that lost them.
pub(super) fn missing(sent: &[Sent], said: &Said) -> usize {
    let there: HashSet<u64> = sent.iter().map(|sent| sent.digest).collect();
    said.acknowledged.keys().filter(|value| !there.contains(&digest(value.as_bytes()))).count()
}

/// Where the records stood that went to the dead letters; none where there is no such topic.
pub(super) fn dead_letters(properties: &Properties, topic: &str) -> BTreeSet<Place> {
    let letters = read(properties, topic).into_iter();
    let place = |(_, record): (i32, Record)| {
        let letter = DeadLetter::parse(record.headers()).expect("a dead letter");
        Place::new(letter.topic, letter.partition, letter.offset)
    };
    letters.map(place).collect()
}

/// All commits of a group, those of a partition in their order.
pub(super) fn commits(properties: &Properties, group: &str) -> Vec<Committed> {
    let records = read(properties, offsets_topic::TOPIC).into_iter();
    let commit = |(_, record): (i32, Record)| {
        let entry = Entry::decode(record.key().unwrap_or_default(), record.value());
        let Ok(Entry::Offset { key, value: Some(value) }) = entry else { return None };
        let metadata = CommitMetadata::decode(&value.metadata).ok()?;
        (key.group == group).then(|| Committed {
            topic: key.topic,
            partition: key.partition,
            tenure: metadata.tenure,
            offset: value.offset,
            beyond: BTreeSet::new(),
        })
    };
    records.filter_map(commit).collect()
}
