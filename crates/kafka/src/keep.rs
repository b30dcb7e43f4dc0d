//! The topic `__forebay`, in which small records outlive processes: made where it is missing,
//! written with the acknowledgement of all replicas in sync, read from its beginning.
//!
//! It is compacted and has one partition, for an order over several does not exist. What a record
//! means, and which of several holds, is its readers' affair. Each call makes a client of its own
//! and blocks its thread for as long as [`PATIENCE`] at most.

use std::time::{Duration, Instant};

use forebay_wire::keep::TOPIC;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::{Asked, KafkaError};
use crate::native::admin::AdminClient;
use crate::produce::{Producer, Send, SendError};
use crate::properties::Properties;
use crate::reader::{ReadFrom, Reader, ReaderItem};
use crate::record::Record;

/// How long writing, and reading all there is, may take each.
const PATIENCE: Duration = Duration::from_secs(20);
const PARTITION: i32 = 0;

pub(crate) struct Keep<'a> {
    pub(crate) properties: &'a Properties,
    /// What for, as errors say it.
    pub(crate) doing: &'static str,
}

impl Keep<'_> {
    pub(crate) fn exists(&self, admin: &AdminClient<'_>) -> Result<bool, KafkaError> {
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

    /// Makes it, unless it is there.
    pub(crate) fn make(&self, admin: &AdminClient<'_>) -> Result<(), KafkaError> {
        if self.exists(admin)? {
            return Ok(());
        }
        let configs = [("cleanup.policy".to_owned(), "compact".to_owned())];
        match admin.create_topic(TOPIC, 1, -1, configs.into_iter()) {
            Ok(()) => {
                tracing::info!("made {TOPIC}, where groups remember what outlives a process");
                Ok(())
            }
            Err((Code::TopicAlreadyExists, _)) => Ok(()),
            Err(failed) => Err(self.failed(failed)),
        }
    }

    /// Writes these, and gives the highest offset at which one was acknowledged.
    pub(crate) fn write(
        &self,
        rows: &[(String, Option<Vec<u8>>)],
    ) -> Result<Option<i64>, KafkaError> {
        let producer = Producer::impatient(self.properties, "keep", PATIENCE)?;
        let (told, heard) = std::sync::mpsc::sync_channel(rows.len());
        for (key, value) in rows {
            let record = Send {
                topic: TOPIC,
                partition: Some(PARTITION),
                key: Some(key.as_bytes()),
                value: value.as_deref(),
                headers: &[],
                timestamp_ms: None,
            };
            let told = told.clone();
            let delivery = Box::new(move |outcome| {
                // Whoever waited may have given up.
                let _ = told.try_send(outcome);
            });
            match producer.send(record, delivery) {
                Ok(()) => {}
                Err(SendError::Refused(error)) => return Err(error),
                Err(SendError::Full(_)) => {
                    return Err(self.refused("the producer's queue is full"));
                }
            }
        }
        let mut last = None;
        for _ in rows {
            let outcome = heard.recv_timeout(PATIENCE + Duration::from_secs(1));
            last = last.max(Some(outcome.map_err(|_| self.timeout())??.offset));
        }
        Ok(last)
    }

    /// Reads from the beginning as far as the offset `own`, or as far as there is something.
    pub(crate) fn read(
        &self,
        own: Option<i64>,
        mut take: impl FnMut(&Record),
    ) -> Result<(), KafkaError> {
        let end = Instant::now() + PATIENCE;
        let from = ReadFrom::Beginning;
        let mut reader = Reader::start(self.properties, TOPIC, Some(&[PARTITION]), from, PATIENCE)?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match reader.next(left).ok_or_else(|| self.timeout())? {
                ReaderItem::Record(_, record) => {
                    take(&record);
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

    pub(crate) fn refused(&self, reason: &str) -> KafkaError {
        self.asked().failed(Code::Unknown, Some(reason.to_owned()))
    }

    fn asked(&self) -> Asked<'_> {
        Asked { doing: self.doing, servers: self.properties.servers(), waited: PATIENCE }
    }

    fn failed(&self, (code, reason): (Code, String)) -> KafkaError {
        self.asked().failed(code, Some(reason))
    }

    fn timeout(&self) -> KafkaError {
        self.asked().failed(Code::OperationTimedOut, None)
    }
}
