//! OffsetFetch: the committed offsets of groups, with their metadata.
//!
//! A partition without a commit is offset -1 and no error. Topics null (v2+) means all that the
//! group committed. What is told is durable. There are no transactions, so `require_stable` (v7)
//! is always met; member ids and epochs (v9) are only checked for KIP-848 groups, which are not
//! here.
//!
//! Versions 1-9. v5 adds leader epochs, v6 is flexible, v8 asks for several groups. v10 names
//! topics by id.

use std::sync::Arc;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{ApiKey, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::coordinator::{Committed, Offsets};
use crate::node::Node;
use crate::shape::{Field, I8, I32, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetFetch,
    versions: 1..=9,
    advertised_from: 1,
    flexible_from: 6,
    shape: &[
        Field(Kind::Text, 0, 7),
        Field(TOPICS, 0, 7),
        Field(
            Kind::Array(&[
                Field(Kind::Text, 8, ON),
                Field(Kind::Text, 9, ON),
                Field(I32, 9, ON),
                Field(TOPICS, 8, ON),
            ]),
            8,
            ON,
        ),
        Field(I8, 7, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

const TOPICS: Kind = Kind::Array(&[Field(Kind::Text, 0, ON), Field(Kind::List(&I32), 0, ON)]);

async fn handle(node: Arc<Node>, call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let mut response = OffsetFetchResponse::default();
    if call.version >= 8 {
        response.groups = request.groups.into_iter().map(|group| answer(&node, group)).collect();
        return response;
    }
    let topics = request.topics.map(|topics| {
        let modern = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        modern.collect()
    });
    let group = OffsetFetchRequestGroup::default().with_group_id(request.group_id);
    let group = answer(&node, group.with_topics(topics));
    response.topics = group.topics.into_iter().map(before_v8).collect();
    response
}

fn answer(node: &Node, wanted: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let offsets = node.groups.offsets(&wanted.group_id);
    let topics = match wanted.topics {
        Some(topics) => topics.into_iter().map(|topic| some(&offsets, topic)).collect(),
        None => offsets
            .iter()
            .map(|(name, partitions)| {
                let parts =
                    partitions.iter().map(|(index, committed)| partition(*index, Some(committed)));
                OffsetFetchResponseTopics::default()
                    .with_name(TopicName(StrBytes::from_string(name.clone())))
                    .with_partitions(parts.collect())
            })
            .collect(),
    };
    OffsetFetchResponseGroup::default().with_group_id(wanted.group_id).with_topics(topics)
}

fn some(offsets: &Offsets, wanted: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let known = offsets.get(&**wanted.name);
    let parts = wanted.partition_indexes.into_iter();
    let parts = parts.map(|index| partition(index, known.and_then(|known| known.get(&index))));
    OffsetFetchResponseTopics::default().with_partitions(parts.collect()).with_name(wanted.name)
}

fn partition(index: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    let part = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match committed {
        Some(committed) => part
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(StrBytes::from_string(committed.metadata.clone()))),
        None => part
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(StrBytes::new())),
    }
}

fn before_v8(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let parts = topic.partitions.into_iter().map(|part| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(part.partition_index)
            .with_committed_offset(part.committed_offset)
            .with_committed_leader_epoch(part.committed_leader_epoch)
            .with_metadata(part.metadata)
    });
    OffsetFetchResponseTopic::default().with_partitions(parts.collect()).with_name(topic.name)
}
