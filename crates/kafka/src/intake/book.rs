//! The book of starts: where a group began with each topic, kept in the topic `__forebay`.
//!
//! It promises that all processes of a group agree, for ever, on one record for each topic, and
//! that this record is in the log before anything of the topic is delivered. That holds because
//!
//! 1. the log of one partition is a total order, and the first record of a group and topic wins;
//! 2. each writer has a key of its own, so that compaction, which keeps the last record of a key,
//!    removes none, and the first stays the first;
//! 3. a writer reads from the beginning until it has read its own record, which Kafka had
//!    acknowledged by all replicas in sync, so that what it takes for the first is the first;
//! 4. whoever finds a record when reading from the beginning has read all that is before it.
//!
//! Those who start at once may write several; all but the first are inert. A write whose outcome is
//! not known is written again under another key, and may come later than it, never before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_wire::Starts;
use forebay_wire::starts::TOPIC;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::{Asked, KafkaError};
use crate::native::admin::AdminClient;
use crate::produce::{Producer, Send, SendError};
use crate::properties::Properties;
use crate::reader::{ReadFrom, Reader, ReaderItem};

/// How long writing, and reading all there is, may take each.
const PATIENCE: Duration = Duration::from_secs(20);
/// The only partition that is used: an order over several does not exist.
const PARTITION: i32 = 0;

pub(super) struct Book {
    properties: Properties,
    group: String,
    /// What was found or decided; it never changes.
    known: BTreeMap<Arc<str>, Starts>,
}

impl Book {
    pub(super) fn new(properties: Properties, group: String) -> Self {
        Self { properties, group, known: BTreeMap::new() }
    }

    /// Where the group began with the topic; none where nobody wrote it down.
    pub(super) fn find(
        &mut self,
        admin: &AdminClient<'_>,
        topic: &str,
    ) -> Result<Option<&Starts>, KafkaError> {
        if !self.known.contains_key(topic) && self.exists(admin)? {
            self.read(None)?;
        }
        Ok(self.known.get(topic))
    }

    /// Writes down where the group begins with the topic, unless somebody was first; gives what
    /// holds.
    pub(super) fn write(
        &mut self,
        admin: &AdminClient<'_>,
        topic: &str,
        starts: &Starts,
    ) -> Result<&Starts, KafkaError> {
        if !self.exists(admin)? {
            self.create(admin)?;
        }
        let own = self.produce(topic, starts)?;
        self.read(Some(own))?;
        let found = self.known.get(topic);
        found.ok_or_else(|| self.refused("it was read to its end without what was just written"))
    }

    /// For those who keep no book: holds as long as this process.
    pub(super) fn remember(&mut self, topic: &str, starts: Starts) -> &Starts {
        self.known.entry(topic.into()).or_insert(starts)
    }

    pub(super) fn remembered(&self, topic: &str) -> Option<&Starts> {
        self.known.get(topic)
    }

    fn exists(&self, admin: &AdminClient<'_>) -> Result<bool, KafkaError> {
        let described = match admin.topics(&[TOPIC]) {
            Ok(described) => described,
            // Whoever takes it for missing makes it, which is refused, and reads it then.
            Err((Code::UnsupportedFeature | Code::UnsupportedVersion, _)) => return Ok(false),
            Err(failed) => return Err(self.failed(failed)),
        };
        match described.into_iter().next() {
            Some(topic) => match topic.error {
                None => Ok(true),
                Some((Code::UnknownTopicOrPartition | Code::UnknownTopic, _)) => Ok(false),
                Some(failed) => Err(self.failed(failed)),
            },
            None => Ok(false),
        }
    }

    fn create(&self, admin: &AdminClient<'_>) -> Result<(), KafkaError> {
        let configs = [("cleanup.policy".to_owned(), "compact".to_owned())];
        match admin.create_topic(TOPIC, 1, -1, configs.into_iter()) {
            Ok(()) => {
                tracing::info!("made {TOPIC}, where groups remember where they began");
                Ok(())
            }
            Err((Code::TopicAlreadyExists, _)) => Ok(()),
            Err(failed) => Err(self.failed(failed)),
        }
    }

    /// The offset at which it was acknowledged.
    fn produce(&self, topic: &str, starts: &Starts) -> Result<i64, KafkaError> {
        let producer = Producer::impatient(&self.properties, "starts", PATIENCE)?;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let key = Starts::key(&self.group, topic, &nonce);
        let value = starts.encode();
        let record = Send {
            topic: TOPIC,
            partition: Some(PARTITION),
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &[],
            timestamp_ms: None,
        };
        let (told, heard) = std::sync::mpsc::sync_channel(1);
        let delivery = Box::new(move |outcome| {
            // Whoever waited may have given up.
            let _ = told.try_send(outcome);
        });
        match producer.send(record, delivery) {
            Ok(()) => {}
            Err(SendError::Refused(error)) => return Err(error),
            Err(SendError::Full(_)) => return Err(self.refused("the producer's queue is full")),
        }
        let outcome = heard.recv_timeout(PATIENCE + Duration::from_secs(1));
        Ok(outcome.map_err(|_| self.timeout())??.offset)
    }

    /// Takes the first record of each topic of this group, as far as `own`, or the end.
    fn read(&mut self, own: Option<i64>) -> Result<(), KafkaError> {
        let end = Instant::now() + PATIENCE;
        let from = ReadFrom::Beginning;
        let mut reader =
            Reader::start(&self.properties, TOPIC, Some(&[PARTITION]), from, PATIENCE)?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match reader.next(left).ok_or_else(|| self.timeout())? {
                ReaderItem::Record(_, record) => {
                    if let Some(topic) = Starts::topic_of(record.key().unwrap_or(&[]), &self.group)
                        && !self.known.contains_key(topic)
                        && let Some(value) = record.value()
                    {
                        let starts = Starts::decode(value).unwrap_or_else(|error| {
                            tracing::warn!(group = self.group, "{TOPIC}, {topic}: {error}");
                            Starts::default()
                        });
                        self.known.insert(topic.into(), starts);
                    }
                    if own.is_some_and(|own| record.offset >= own) {
                        return Ok(());
                    }
                }
                // A new leader may not yet show all that was acknowledged.
                ReaderItem::End(_) if own.is_none() => return Ok(()),
                ReaderItem::End(_) => {}
                ReaderItem::Failed(error) if error.may_retry() => {}
                ReaderItem::Failed(error) => return Err(error),
            }
        }
    }

    fn asked(&self) -> Asked<'_> {
        const DOING: &str = "keep in __forebay where the group begins";
        Asked { doing: DOING, servers: self.properties.servers(), waited: PATIENCE }
    }

    fn failed(&self, (code, reason): (Code, String)) -> KafkaError {
        self.asked().failed(code, Some(reason))
    }

    fn refused(&self, reason: &str) -> KafkaError {
        self.asked().failed(Code::Unknown, Some(reason.to_owned()))
    }

    fn timeout(&self) -> KafkaError {
        self.asked().failed(Code::OperationTimedOut, None)
    }
}
