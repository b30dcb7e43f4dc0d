//! The Fetch answer in bytes, written by hand so that records are not copied once more.
//!
//! Small records are copied into the shell around them, larger ones become pieces of their own.
//! Layout: `FetchResponse.json`, versions 4-16; tagged fields are all at their defaults.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use uuid::Uuid;

use crate::api::{Call, put_header};

/// Below this, a copy is cheaper than one more piece in the write.
const COPIED_BELOW: usize = 4096;

pub(super) struct TopicAnswer {
    /// None from v13 on, where the id stands instead.
    pub(super) name: Option<TopicName>,
    pub(super) id: Uuid,
    pub(super) partitions: Vec<PartitionAnswer>,
}

pub(super) struct PartitionAnswer {
    pub(super) index: i32,
    pub(super) error: i16,
    pub(super) high_watermark: i64,
    pub(super) start: i64,
    pub(super) records: Bytes,
}

impl PartitionAnswer {
    pub(super) fn failed(index: i32, error: ResponseError) -> Self {
        Self { index, error: error.code(), high_watermark: -1, start: -1, records: Bytes::new() }
    }
}

struct Pieces {
    done: Vec<Bytes>,
    shell: BytesMut,
    flexible: bool,
}

/// The whole frame, length first. An error stands for the whole request (v7+).
pub(super) fn encode(
    call: &Call,
    topics: Result<&[TopicAnswer], ResponseError>,
    read_committed: bool,
) -> Vec<Bytes> {
    let version = call.version;
    let flexible = version >= 12;
    let mut out = Pieces { done: Vec::new(), shell: BytesMut::with_capacity(512), flexible };
    put_header(&mut out.shell, call.correlation, flexible);
    out.shell.put_i32(0);
    if version >= 7 {
        out.shell.put_i16(topics.err().map_or(0, |error| error.code()));
        // Session id 0: there are no fetch sessions.
        out.shell.put_i32(0);
    }
    let topics = topics.unwrap_or_default();
    out.count(topics.len());
    for topic in topics {
        out.topic(topic, version, read_committed);
    }
    out.no_tags();
    out.finish()
}

impl Pieces {
    fn topic(&mut self, topic: &TopicAnswer, version: i16, read_committed: bool) {
        match &topic.name {
            Some(name) if self.flexible => {
                self.varint(name.len() + 1);
                self.shell.put_slice(name.as_bytes());
            }
            Some(name) => {
                self.shell.put_i16(i16::try_from(name.len()).unwrap_or(i16::MAX));
                self.shell.put_slice(name.as_bytes());
            }
            None => self.shell.put_slice(topic.id.as_bytes()),
        }
        self.count(topic.partitions.len());
        for partition in &topic.partitions {
            self.partition(partition, version, read_committed);
        }
        self.no_tags();
    }

    fn partition(&mut self, partition: &PartitionAnswer, version: i16, read_committed: bool) {
        self.shell.put_i32(partition.index);
        self.shell.put_i16(partition.error);
        self.shell.put_i64(partition.high_watermark);
        // Without transactions the last stable offset is the high watermark.
        self.shell.put_i64(partition.high_watermark);
        if version >= 5 {
            self.shell.put_i64(partition.start);
        }
        match (read_committed, self.flexible) {
            (true, _) => self.count(0),
            (false, true) => self.varint(0),
            (false, false) => self.shell.put_i32(-1),
        }
        if version >= 11 {
            self.shell.put_i32(-1);
        }
        self.count(partition.records.len());
        if partition.records.len() < COPIED_BELOW {
            self.shell.put_slice(&partition.records);
        } else {
            self.done.push(self.shell.split().freeze());
            self.done.push(partition.records.clone());
        }
        self.no_tags();
    }

    /// Length of an array or of bytes.
    fn count(&mut self, count: usize) {
        if self.flexible {
            self.varint(count + 1);
        } else {
            self.shell.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.shell.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.shell.put_u8(value as u8);
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.shell.put_u8(0);
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.done.push(self.shell.freeze());
        let length = self.done.iter().map(Bytes::len).sum::<usize>() - 4;
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        // The first piece begins with room for the length; it gets its own piece instead.
        let first = self.done[0].split_off(4);
        self.done[0] = Bytes::copy_from_slice(&length);
        self.done.insert(1, first);
        self.done
    }
}
