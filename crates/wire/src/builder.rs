//! Makes one uncompressed batch from records: what a broker writes to its own topics, and tests.
//!
//! Offsets start at 0 (the log assigns the real ones). Without [`BatchBuilder::producer`] the
//! batch has no producer id. Compression and control batches are not made here.

use bytes::Bytes;

use crate::batch::{Attributes, BatchHeader, HEADER_LEN, NO_PRODUCER_ID, seal};
use crate::cursor::{put_varint, put_varlong};
use crate::record::RecordHeader;

/// The idempotent producer that a batch is from, and the sequence of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
}

/// Collects records for one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    record: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: Producer,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    pub fn new() -> Self {
        Self {
            bytes: vec![0; HEADER_LEN],
            record: Vec::new(),
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
            producer: Producer { id: NO_PRODUCER_ID, epoch: -1, base_sequence: -1 },
        }
    }

    #[must_use]
    pub const fn producer(mut self, producer: Producer) -> Self {
        self.producer = producer;
        self
    }

    /// Adds a record; the first one's timestamp becomes the batch's base timestamp.
    pub fn push(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> &mut Self {
        self.push_with_headers(timestamp, key, value, &[])
    }

    pub fn push_with_headers(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) -> &mut Self {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let record = &mut self.record;
        record.clear();
        record.push(0);
        put_varlong(record, timestamp.wrapping_sub(self.base_timestamp));
        put_varint(record, self.count);
        put_bytes(record, key);
        put_bytes(record, value);
        put_varint(record, length(headers.len()));
        for header in headers {
            put_bytes(record, Some(header.name.as_bytes()));
            put_bytes(record, header.value);
        }
        put_varint(&mut self.bytes, length(record.len()));
        self.bytes.extend_from_slice(record);
        self.count += 1;
        self
    }

    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the batch has so far.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The finished batch; `None` where no record was added, since a batch has one at least.
    pub fn build(self) -> Option<Bytes> {
        if self.count == 0 {
            return None;
        }
        let header = BatchHeader {
            base_offset: 0,
            length: length(self.bytes.len()) - 12,
            leader_epoch: -1,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer.id,
            producer_epoch: self.producer.epoch,
            base_sequence: self.producer.base_sequence,
            count: self.count,
        };
        let mut head = Vec::with_capacity(HEADER_LEN);
        header.put(&mut head);
        let mut bytes = self.bytes;
        let (place, records) =
            bytes.split_first_chunk_mut::<HEADER_LEN>().expect("new() left room for the header");
        place.copy_from_slice(&head);
        seal(place, records);
        Some(bytes.into())
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

/// Kafka's lengths are i32; a caller that builds a batch beyond 2 GiB has a bug.
fn length(len: usize) -> i32 {
    i32::try_from(len).expect("a batch is far below 2 GiB")
}
