//! Groups on disk: `__consumer_offsets`, written and replayed in Kafka's own records.
//!
//! A group's records lie in the partition that Kafka would choose. A committed offset is one
//! record (value v3), a group's generation with its members another (value v3), and a record
//! without value ends what its key names. Replay applies all records in order, so the last wins.
//! [`Store::rewrite_due`] says when a partition has grown enough that its groups should be
//! written anew and the older records dropped, which stands in for compaction.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use forebay_wire::offsets_topic::{
    self, Entry, GroupValue, MemberValue, OffsetKey, OffsetValue, encode_group_key,
    partition_of_group,
};
use forebay_wire::{BatchBuilder, Batches};
use kafka_protocol::error::ResponseError;

use super::{Committed, Offsets};
use crate::groups::{MemberSnapshot, Snapshot};
use crate::partition::{Partition, PartitionError};
use crate::topics::{Topic, TopicError, Topics};

/// Segments of the topic are small, so that dropping old records frees space soon.
const SEGMENT_BYTES: &str = "8388608";

/// Bytes appended to a partition after which its groups are written anew.
const REWRITE_BYTES: u64 = 16 << 20;

/// A group's records go into one batch, however many they are; only the broker writes here.
const MAX_BATCH: &str = "1073741824";

/// Bytes read at a time on replay.
const READ_BYTES: usize = 1 << 20;

/// One offset that is set, or removed where `committed` is None.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) committed: Option<Committed>,
}

/// Where a record lies in `__consumer_offsets`.
#[derive(Clone)]
pub(super) struct Place {
    partition: Arc<Partition>,
    pub(super) offset: i64,
}

impl Place {
    /// Waits until the record is durable.
    pub(super) async fn wait(&self) -> Result<(), ResponseError> {
        let synced = self.partition.wait_synced(self.offset).await;
        synced.map_err(|_| ResponseError::CoordinatorNotAvailable)
    }
}

/// Why `__consumer_offsets` can't be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Replay {
    #[error("{}-{partition}: {source}", offsets_topic::TOPIC)]
    Read { partition: i32, source: PartitionError },
    #[error("{}-{partition}: {what} at offset {offset}", offsets_topic::TOPIC)]
    Record { partition: i32, offset: i64, what: String },
}

#[derive(Default)]
pub(super) struct Stored {
    pub(super) group: Option<Snapshot>,
    pub(super) offsets: Offsets,
}

pub(super) struct Store {
    topics: Arc<Topics>,
    topic: OnceLock<Arc<Topic>>,
    /// Bytes appended since the last rewrite, for each partition.
    grown: Vec<AtomicU64>,
}

impl Store {
    pub(super) fn new(topics: Arc<Topics>) -> Self {
        let grown = (0..offsets_topic::PARTITIONS).map(|_| AtomicU64::new(0)).collect();
        Self { topics, topic: OnceLock::new(), grown }
    }

    /// The topic, created at its first use.
    pub(super) fn topic(&self) -> Result<Arc<Topic>, ResponseError> {
        if let Some(topic) = self.topic.get() {
            return Ok(Arc::clone(topic));
        }
        let settings = [
            ("cleanup.policy", "compact"),
            ("segment.bytes", SEGMENT_BYTES),
            ("max.message.bytes", MAX_BATCH),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (name, count) = (offsets_topic::TOPIC, offsets_topic::PARTITIONS);
        let topic = match self.topics.get(name) {
            Some(topic) => topic,
            None => match self.topics.create(name, count, settings.into()) {
                Ok(topic) => topic,
                // Another request was faster.
                Err(TopicError::Exists) => {
                    self.topics.get(name).ok_or(ResponseError::CoordinatorNotAvailable)?
                }
                Err(error) => {
                    tracing::error!(%error, "can't create {name}");
                    return Err(ResponseError::CoordinatorNotAvailable);
                }
            },
        };
        Ok(Arc::clone(self.topic.get_or_init(|| topic)))
    }

    pub(super) fn partition_of(&self, group: &str) -> i32 {
        partition_of_group(group, offsets_topic::PARTITIONS)
    }

    pub(super) fn append_changes(
        &self,
        group: &str,
        changes: &[Change],
        now_ms: i64,
    ) -> Result<Place, ResponseError> {
        let mut batch = BatchBuilder::new();
        push_changes(&mut batch, group, changes, now_ms)?;
        self.append(group, batch)
    }

    pub(super) fn append_group(
        &self,
        group: &str,
        snapshot: &Snapshot,
        now_ms: i64,
    ) -> Result<Place, ResponseError> {
        let mut batch = BatchBuilder::new();
        push_group(&mut batch, group, Some(snapshot), now_ms)?;
        self.append(group, batch)
    }

    /// Everything of a group at once: its state, where it has one, and its offsets.
    pub(super) fn append_whole(
        &self,
        group: &str,
        snapshot: Option<&Snapshot>,
        offsets: &[Change],
        now_ms: i64,
    ) -> Result<Option<Place>, ResponseError> {
        let mut batch = BatchBuilder::new();
        if snapshot.is_some() {
            push_group(&mut batch, group, snapshot, now_ms)?;
        }
        push_changes(&mut batch, group, offsets, now_ms)?;
        if batch.is_empty() { Ok(None) } else { self.append(group, batch).map(Some) }
    }

    /// The end of a group: `changes` remove its offsets.
    pub(super) fn append_end(
        &self,
        group: &str,
        changes: &[Change],
        now_ms: i64,
    ) -> Result<Place, ResponseError> {
        let mut batch = BatchBuilder::new();
        push_changes(&mut batch, group, changes, now_ms)?;
        push_group(&mut batch, group, None, now_ms)?;
        self.append(group, batch)
    }

    fn append(&self, group: &str, batch: BatchBuilder) -> Result<Place, ResponseError> {
        let index = self.partition_of(group);
        let partition = self.topic()?.partition(index);
        let partition = partition.ok_or(ResponseError::CoordinatorNotAvailable)?;
        let batch = batch.build().expect("callers add at least one record");
        match partition.append(&batch) {
            Ok(appended) => {
                if let Some(grown) = self.grown(index) {
                    grown.fetch_add(batch.len() as u64, Ordering::Relaxed);
                }
                Ok(Place { partition, offset: appended.last_offset })
            }
            Err(error) => {
                tracing::error!(group, %error, "can't write to {}", offsets_topic::TOPIC);
                Err(ResponseError::CoordinatorNotAvailable)
            }
        }
    }

    fn grown(&self, index: i32) -> Option<&AtomicU64> {
        self.grown.get(usize::try_from(index).ok()?)
    }

    /// Whether the group's partition wants to be rewritten; true once for each time it has grown.
    pub(super) fn rewrite_due(&self, group: &str) -> Option<Arc<Partition>> {
        let index = self.partition_of(group);
        let grown = self.grown(index)?;
        if grown.load(Ordering::Relaxed) < REWRITE_BYTES {
            return None;
        }
        grown.store(0, Ordering::Relaxed);
        self.topic.get()?.partition(index)
    }
}

fn push_changes(
    batch: &mut BatchBuilder,
    group: &str,
    changes: &[Change],
    now_ms: i64,
) -> Result<(), ResponseError> {
    for Change { topic, partition, committed } in changes {
        let key =
            OffsetKey { group: group.to_owned(), topic: topic.clone(), partition: *partition };
        let key = key.encode().map_err(|_| ResponseError::InvalidGroupId)?;
        let value = committed.as_ref().map(|committed| OffsetValue {
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata.clone(),
            commit_timestamp: committed.time,
        });
        let value = value.map(|value| value.encode()).transpose();
        let value = value.map_err(|_| ResponseError::OffsetMetadataTooLarge)?;
        batch.push(now_ms, Some(&key), value.as_deref());
    }
    Ok(())
}

fn push_group(
    batch: &mut BatchBuilder,
    group: &str,
    snapshot: Option<&Snapshot>,
    now_ms: i64,
) -> Result<(), ResponseError> {
    let key = encode_group_key(group).map_err(|_| ResponseError::InvalidGroupId)?;
    let value = snapshot.map(|snapshot| group_value(snapshot, now_ms).encode()).transpose();
    let value = value.map_err(|_| ResponseError::InvalidRequest)?;
    batch.push(now_ms, Some(&key), value.as_deref());
    Ok(())
}

fn group_value(snapshot: &Snapshot, now_ms: i64) -> GroupValue {
    let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let member = |member: &MemberSnapshot| MemberValue {
        member_id: member.id.clone(),
        group_instance_id: member.instance.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: millis(member.rebalance_timeout),
        session_timeout_ms: millis(member.session_timeout),
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    };
    GroupValue {
        protocol_type: snapshot.protocol_type.clone(),
        generation: snapshot.generation,
        protocol: snapshot.protocol.clone(),
        leader: snapshot.leader.clone(),
        state_timestamp: now_ms,
        members: snapshot.members.iter().map(member).collect(),
    }
}

fn snapshot(value: GroupValue) -> Snapshot {
    let time = |millis: i32| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    let member = |member: MemberValue| MemberSnapshot {
        id: member.member_id,
        instance: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        session_timeout: time(member.session_timeout_ms),
        rebalance_timeout: time(member.rebalance_timeout_ms),
        subscription: member.subscription,
        assignment: member.assignment,
    };
    Snapshot {
        protocol_type: value.protocol_type,
        generation: value.generation,
        protocol: value.protocol,
        leader: value.leader,
        members: value.members.into_iter().map(member).collect(),
    }
}

/// Reads every group back, where the topic exists.
pub(super) fn replay(store: &Store) -> Result<HashMap<String, Stored>, Replay> {
    let mut groups = HashMap::new();
    let Some(topic) = store.topics.get(offsets_topic::TOPIC) else { return Ok(groups) };
    for partition in topic.partitions().iter() {
        replay_partition(partition, &mut groups)?;
    }
    groups.retain(|_, stored| stored.group.is_some() || !stored.offsets.is_empty());
    Ok(groups)
}

fn replay_partition(
    partition: &Partition,
    groups: &mut HashMap<String, Stored>,
) -> Result<(), Replay> {
    let failed = |source| Replay::Read { partition: partition.index, source };
    let mut offset = partition.bounds().map_err(failed)?.start;
    loop {
        let (_, found) = partition.find(offset, READ_BYTES, true).map_err(failed)?;
        let found = found.map_err(|error| failed(error.into()))?;
        let bytes = found.load().map_err(|error| failed(error.into()))?;
        if bytes.is_empty() {
            return Ok(());
        }
        let before = offset;
        offset = replay_batches(partition.index, &bytes, offset, groups)?;
        if offset == before {
            return Ok(());
        }
    }
}

fn replay_batches(
    partition: i32,
    bytes: &Bytes,
    mut offset: i64,
    groups: &mut HashMap<String, Stored>,
) -> Result<i64, Replay> {
    for batch in Batches::new(bytes) {
        let damaged = |what: String| Replay::Record { partition, offset, what };
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        for record in batch.records().map_err(|error| damaged(error.to_string()))? {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            match Entry::decode(record.key.unwrap_or_default(), record.value) {
                Ok(entry) => apply(groups, entry),
                // Anybody may produce to the topic; what isn't a record of a group is skipped.
                Err(error) => {
                    let offset = record.offset;
                    tracing::warn!(partition, offset, %error, "skipping a record of __consumer_offsets");
                }
            }
        }
        offset = batch.header.next_offset();
    }
    Ok(offset)
}

fn apply(groups: &mut HashMap<String, Stored>, entry: Entry) {
    match entry {
        Entry::Offset { key, value } => {
            let offsets = &mut groups.entry(key.group).or_default().offsets;
            let committed = value.map(|value| Committed {
                offset: value.offset,
                leader_epoch: value.leader_epoch,
                metadata: value.metadata,
                time: value.commit_timestamp,
            });
            super::apply(
                offsets,
                vec![Change { topic: key.topic, partition: key.partition, committed }],
            );
        }
        Entry::Group { group, value } => {
            groups.entry(group).or_default().group = value.map(snapshot);
        }
        Entry::Unknown { .. } => {}
    }
}
