//! The largest record that a topic takes, known before the first is sent.
//!
//! Brokers compare whole batches with `max.message.bytes`, and a record that is too large is found
//! only when its batch comes back. Here each is measured as a batch of its own first, so that the
//! error can name its line, and nothing behind it is on its way.

use std::fmt;

use forebay_kafka::{KafkaError, Send};

use crate::cluster::{Cluster, failure};
use crate::exit::Failure;

/// Of a batch, before its records (KIP-98).
const BATCH_HEADER: usize = 61;
/// Largest batch that is put together where the topic would take larger ones.
const LARGEST_BATCH: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Limit {
    bytes: u64,
    topic: String,
    /// `max.request.size` is the smaller one, as the user set it.
    by_client: bool,
}

impl Limit {
    /// Asks the topic, and fits the producer to its answer. `None` where there is no telling: the
    /// topic's settings are hidden from us, or batches are compressed.
    pub(super) fn find(cluster: &mut Cluster, topic: &str) -> Result<Option<Self>, Failure> {
        let configs = match cluster.admin.topic_configs(topic) {
            Ok(configs) => configs,
            Err(error @ KafkaError::Refused { .. }) => {
                tracing::debug!(%error, "the topic's largest record is not known");
                return Ok(None);
            }
            Err(error) => return Err(failure(error)),
        };
        let config = configs.iter().find(|config| config.name == "max.message.bytes");
        let value = config.and_then(|config| config.value.as_ref()?.parse::<u64>().ok());
        let Some(bytes) = value else { return Ok(None) };
        let fitting = bytes.clamp(1_000, 1_000_000_000);
        cluster.set_default("max.request.size", fitting.to_string())?;
        cluster.set_default("batch.size", bytes.clamp(1, LARGEST_BATCH).to_string())?;
        if cluster.given("compression.type").is_some_and(|kind| kind != "none") {
            return Ok(None);
        }
        let client = cluster.given("max.request.size").and_then(|size| size.parse::<u64>().ok());
        let by_client = client.is_some_and(|client| client < bytes);
        let bytes = client.map_or(bytes, |client| client.min(bytes));
        Ok(Some(Self { bytes, topic: topic.to_owned(), by_client }))
    }

    /// The size of a record that is too large.
    pub(super) fn passed_by(&self, record: &Send<'_>) -> Option<usize> {
        let size = batch_size(record);
        (size as u64 > self.bytes).then_some(size)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, topic, by_client } = self;
        if *by_client {
            write!(f, "max.request.size allows {bytes}; raise it with -X max.request.size=N")
        } else {
            write!(f, "topic `{topic}` takes at most {bytes} (its max.message.bytes)")
        }
    }
}

/// Bytes of a batch that holds this record alone, uncompressed (KIP-98, KIP-82).
fn batch_size(record: &Send<'_>) -> usize {
    let part = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => varint(bytes.len()) + bytes.len(),
        None => varint(0),
    };
    let headers: usize =
        record.headers.iter().map(|(name, value)| part(Some(name.as_bytes())) + part(*value)).sum();
    // Attributes, and the deltas of timestamp and offset, which are 0 for the first.
    let body = 3 + part(record.key) + part(record.value) + varint(record.headers.len()) + headers;
    BATCH_HEADER + varint(body) + body
}

/// Bytes of a length as a zigzag varint; −1, for null, takes one, as 0 does.
fn varint(length: usize) -> usize {
    let bits = usize::BITS - (length << 1).leading_zeros();
    bits.max(1).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_long_as_kafka_writes_it() {
        let mut record = Send {
            topic: "t",
            partition: None,
            key: None,
            value: None,
            headers: &[],
            timestamp_ms: None,
        };
        // A record of six bytes: attributes, two deltas, two nulls and no headers; and its length.
        assert_eq!(batch_size(&record), 61 + 1 + 6);
        record.key = Some(b"k");
        record.value = Some(&[0; 64]);
        record.headers = &[("h", Some(b"v"))];
        assert_eq!(batch_size(&record), 61 + 2 + 3 + 2 + 66 + 1 + 4);
    }

    #[test]
    fn a_varint_grows_by_a_byte_for_seven_bits() {
        assert_eq!([0, 63, 64, 8191, 8192].map(varint), [1, 1, 2, 2, 3]);
    }
}
