//! The workload: records of 256 bytes, 8 partitions, no record headers; 10,000 keys in the canonical
//! one.

use bytes::Bytes;
use forebay_core::{Offset, Tenure};
use forebay_push::{Names, Origin, Record};
use forebay_wire::Replay;

pub(crate) const VALUE_BYTES: usize = 256;
pub(crate) const KEYS: usize = 10_000;
pub(crate) const PARTITIONS: usize = 8;

type NoHeaders = std::iter::Empty<(&'static str, Option<&'static [u8]>)>;

/// The workload in memory.
pub(crate) struct Workload {
    keys: Vec<String>,
    value: Bytes,
    origins: Vec<Origin>,
}

impl Workload {
    pub(crate) fn new(keys: usize) -> Self {
        let origin = |partition: usize| {
            Origin::new(Names {
                park: None,
                subscription: "payments",
                group: "payments",
                topic: "payments",
                topic_id: Some("mF1IaZcWTLmkvNm1rFfKzA"),
                partition: partition as i32,
                tenure: Tenure(1_790_000_000_000),
            })
        };
        Self {
            keys: (0..keys).map(|key| format!("account-{key:05}")).collect(),
            value: Bytes::from(vec![b'x'; VALUE_BYTES]),
            origins: (0..PARTITIONS).map(origin).collect(),
        }
    }

    /// Key and value of the `index`-th record.
    pub(crate) fn parts(&self, index: usize) -> (&[u8], &[u8]) {
        (self.keys[index % self.keys.len()].as_bytes(), &self.value)
    }

    /// The partition of the `index`-th record: one key, one partition.
    pub(crate) fn partition(&self, index: usize) -> usize {
        index % self.keys.len() % PARTITIONS
    }

    /// The `index`-th record, and where it is from.
    pub(crate) fn record(&self, index: usize) -> (&Origin, Record<'_, NoHeaders>) {
        let key = &self.keys[index % self.keys.len()];
        let record = Record {
            offset: Offset((1_000_000 + index / PARTITIONS) as i64),
            timestamp: 1_790_000_000_000 + index as i64,
            key: Some(key.as_bytes()),
            value: Some(self.value.clone()),
            headers: std::iter::empty(),
            replay: Replay::FIRST_READING,
            attempt: 1,
        };
        (&self.origins[self.partition(index)], record)
    }
}
