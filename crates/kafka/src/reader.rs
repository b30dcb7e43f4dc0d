//! Reads partitions without joining a group, for looking at a topic. Commits nothing.

use std::time::Duration;

use crate::error::KafkaError;
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
pub struct Reader {}

impl Reader {
    /// Reads all partitions of `topic`, or those named. Fails if the topic does not exist.
    pub fn start(
        properties: &Properties,
        topic: &str,
        partitions: Option<&[i32]>,
        from: ReadFrom,
        timeout: Duration,
    ) -> Result<Self, KafkaError> {
        let _ = (properties, topic, partitions, from, timeout);
        Ok(Self {})
    }

    /// The next item, waiting at most `wait`.
    pub fn next(&mut self, wait: Duration) -> Option<ReaderItem> {
        let _ = wait;
        None
    }

    /// Whether every partition has told [`ReaderItem::End`].
    pub fn is_at_end(&self) -> bool {
        true
    }
}
