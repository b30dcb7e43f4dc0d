//! OffsetCommit: stores offsets with their metadata; answered once they are durable.
//!
//! A member commits with its generation; generation -1 without a member is a simple consumer,
//! allowed while the group has no members. Metadata above 4096 bytes and partitions that don't
//! exist are refused one by one, the others are stored. The append happens in the order of the
//! connection's requests.
//!
//! Versions 2-9. v5 drops the retention time (ignored here), v6 adds leader epochs, v7 static
//! members, v8 is flexible, v9 allows KIP-848 members. v10 names topics by id.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{ApiKey, OffsetCommitRequest, OffsetCommitResponse};

use crate::api::{Api, Call, serve};
use crate::clock::now_ms;
use crate::coordinator::{Committed, Committer, MAX_METADATA_BYTES};
use crate::node::Node;
use crate::shape::{Field, I32, I64, Kind, ON};
use crate::topics::Topic;

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetCommit,
    versions: 2..=9,
    advertised_from: 2,
    flexible_from: 8,
    shape: &[
        Field(Kind::Text, 0, ON),
        Field(I32, 1, ON),
        Field(Kind::Text, 1, ON),
        Field(Kind::Text, 7, ON),
        Field(I64, 2, 4),
        Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(PARTITIONS, 0, ON)]), 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

const PARTITIONS: Kind = Kind::Array(&[
    Field(I32, 0, ON),
    Field(I64, 0, ON),
    Field(I32, 6, ON),
    Field(Kind::Text, 0, ON),
]);

async fn handle(node: Arc<Node>, _: Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let who = Committer {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.map(|id| id.to_string()),
        generation: request.generation_id_or_member_epoch,
    };
    let time = now_ms();
    let mut offsets = Vec::new();
    let mut response = OffsetCommitResponse::default();
    for wanted in request.topics {
        let topic = node.topics.get(&wanted.name);
        let mut answered = OffsetCommitResponseTopic::default().with_name(wanted.name.clone());
        for part in wanted.partitions {
            let index = part.partition_index;
            let code = match check(topic.as_deref(), part, time) {
                Ok(committed) => {
                    offsets.push((wanted.name.to_string(), index, committed));
                    0
                }
                Err(error) => error.code(),
            };
            let part = OffsetCommitResponsePartition::default();
            answered.partitions.push(part.with_partition_index(index).with_error_code(code));
        }
        response.topics.push(answered);
    }
    if let Err(error) = node.groups.commit(&request.group_id, &who, offsets).await {
        let parts = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        parts.filter(|part| part.error_code == 0).for_each(|part| part.error_code = error.code());
    }
    response
}

fn check(
    topic: Option<&Topic>,
    part: OffsetCommitRequestPartition,
    time: i64,
) -> Result<Committed, ResponseError> {
    let exists = topic.is_some_and(|topic| topic.partition(part.partition_index).is_some());
    if !exists {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let metadata = part.committed_metadata.unwrap_or_default();
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(Committed {
        offset: part.committed_offset,
        leader_epoch: part.committed_leader_epoch,
        metadata: metadata.to_string(),
        time,
    })
}
