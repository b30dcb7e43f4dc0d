//! Reads partitions without joining a group, for looking at a topic. Commits nothing.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::error::{Asked, KafkaError};
use crate::logs::Logs;
use crate::native::client::{EventConsumer, EventHandler, Place};
use crate::native::{Row, rows};
use crate::properties::Properties;
use crate::record::{Record, TopicPartition};

/// Where a reader starts in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    Beginning,
    End,
    Offset(i64),
    /// The first record whose timestamp (ms since the epoch) is not before this.
    Time(i64),
}

/// What [`Reader::next`] found.
#[derive(Debug)]
pub enum ReaderItem {
    Record(TopicPartition, Record),
    /// All that was in this partition when the reader began has been read.
    End(TopicPartition),
    /// Something went wrong; reading goes on where it can.
    Failed(KafkaError),
}

/// A reader of one topic.
pub struct Reader {
    consumer: EventConsumer,
    servers: String,
    ear: Ear,
    /// Partitions that have not told their end.
    unread: BTreeSet<i32>,
    topic: Arc<str>,
}

/// How long a log's ends are asked for, to explain an error.
const LOOK: Duration = Duration::from_secs(1);

/// librdkafka has no fetching without the name of a group; nobody ever joins this one.
const GROUP: &str = "forebay-reader";

impl Reader {
    /// Reads all partitions of `topic`, or those named. Fails if the topic does not exist.
    pub fn start(
        properties: &Properties,
        topic: &str,
        partitions: Option<&[i32]>,
        from: ReadFrom,
        timeout: Duration,
    ) -> Result<Self, KafkaError> {
        let mut client = properties.consumer();
        client
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        let consumer = EventConsumer::new(&client, properties.token(), Logs::new("reader"), || ())
            .map_err(|error| KafkaError::made(&error))?;
        let servers = properties.servers().to_owned();
        let doing = format!("read topic {topic}");
        let asked = Asked { doing: &doing, servers: &servers, waited: timeout };
        let known = partitions_of(&consumer, topic, asked)?;
        let unread: BTreeSet<i32> = match partitions {
            None => known,
            Some(named) => named.iter().copied().collect(),
        };
        let list = starts(&consumer, topic, &unread, from, asked)?;
        consumer.base().assign(&list).map_err(|error| asked.error(&error))?;
        let topic: Arc<str> = topic.into();
        let ear = Ear { topic: topic.clone(), found: VecDeque::new() };
        Ok(Self { consumer, servers, ear, unread, topic })
    }

    /// The next item, waiting at most `wait`.
    pub fn next(&mut self, wait: Duration) -> Option<ReaderItem> {
        let end = Instant::now() + wait;
        loop {
            if let Some(found) = self.ear.found.pop_front() {
                return Some(self.item(found));
            }
            let left = end.saturating_duration_since(Instant::now());
            if !self.consumer.poll(left, &mut self.ear) && left.is_zero() {
                return None;
            }
        }
    }

    /// Whether every partition has told [`ReaderItem::End`].
    pub fn is_at_end(&self) -> bool {
        self.unread.is_empty()
    }

    /// What is in the log, in words.
    fn held(&self, partition: i32) -> Option<String> {
        let ends = self.consumer.base().fetch_watermarks(&self.topic, partition, LOOK).ok()?;
        Some(format!("the offset asked for is not there: the log holds {} to {}", ends.0, ends.1))
    }

    fn item(&mut self, found: Heard) -> ReaderItem {
        match found {
            Heard::Record(partition, record) => {
                ReaderItem::Record(TopicPartition::new(self.topic.clone(), partition), record)
            }
            Heard::Failed(Code::PartitionEOF, _, Some(row)) => {
                self.unread.remove(&row.partition);
                ReaderItem::End(TopicPartition::new(self.topic.clone(), row.partition))
            }
            Heard::Failed(code, reason, about) => {
                let doing = match &about {
                    Some(row) => format!("read {}-{}", row.topic, row.partition),
                    None => format!("read topic {}", self.topic),
                };
                let held = about.filter(|_| code == Code::OffsetOutOfRange);
                let reason = held.and_then(|row| self.held(row.partition)).unwrap_or(reason);
                let asked = Asked { doing: &doing, servers: &self.servers, waited: Duration::ZERO };
                ReaderItem::Failed(asked.failed(code, Some(reason)))
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Err(error) = self.consumer.base().unassign() {
            tracing::debug!(%error, "a reader could not stop fetching");
        }
    }
}

enum Heard {
    Record(i32, Record),
    Failed(Code, String, Option<Row>),
}

struct Ear {
    topic: Arc<str>,
    found: VecDeque<Heard>,
}

impl EventHandler for Ear {
    fn record(&mut self, place: &Place, record: Record) {
        debug_assert_eq!(place.topic(), &*self.topic, "only this topic was assigned");
        self.found.push_back(Heard::Record(place.partition, record));
    }

    fn rebalance(&mut self, _: bool, _: &TopicPartitionList) {}

    fn committed(&mut self, _: Option<Code>, _: Vec<Row>) {}

    fn failed(&mut self, code: Code, _: bool, reason: &str, about: Option<Row>) {
        self.found.push_back(Heard::Failed(code, reason.to_owned(), about));
    }
}

fn partitions_of(
    consumer: &EventConsumer,
    topic: &str,
    asked: Asked<'_>,
) -> Result<BTreeSet<i32>, KafkaError> {
    let metadata = consumer
        .base()
        .fetch_metadata(Some(topic), asked.waited)
        .map_err(|error| asked.error(&error))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let error =
        found.map_or(Some(Code::UnknownTopicOrPartition), |found| found.error().map(Code::from));
    match (found, error) {
        (Some(found), None) => {
            Ok(found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect())
        }
        (_, error) => Err(asked.failed(error.unwrap_or(Code::UnknownTopicOrPartition), None)),
    }
}

fn starts(
    consumer: &EventConsumer,
    topic: &str,
    partitions: &BTreeSet<i32>,
    from: ReadFrom,
    asked: Asked<'_>,
) -> Result<TopicPartitionList, KafkaError> {
    let at = match from {
        ReadFrom::Beginning => Offset::Beginning,
        ReadFrom::End => Offset::End,
        ReadFrom::Offset(offset) => Offset::Offset(offset.max(0)),
        ReadFrom::Time(ms) => Offset::Offset(ms.max(0)),
    };
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, *partition, at).expect("these are representable");
    }
    if !matches!(from, ReadFrom::Time(_)) {
        return Ok(list);
    }
    let mut found = consumer
        .base()
        .offsets_for_times(list, asked.waited)
        .map_err(|error| asked.error(&error))?;
    for row in rows(&found) {
        if let Some(code) = row.error {
            return Err(asked.failed(code, None));
        }
        if row.offset < 0 {
            found
                .set_partition_offset(topic, row.partition, Offset::End)
                .map_err(|error| asked.error(&error))?;
        }
    }
    Ok(found)
}
