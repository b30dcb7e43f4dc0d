//! OffsetDelete: removes some of a group's committed offsets.
//!
//! Partitions of topics that a member subscribes to are refused with GROUP_SUBSCRIBED_TO_TOPIC.
//!
//! Version 0, not flexible (KIP-496).

use std::sync::Arc;

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{ApiKey, OffsetDeleteRequest, OffsetDeleteResponse};

use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, I32, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetDelete,
    versions: 0..=0,
    advertised_from: 0,
    flexible_from: ON,
    shape: &[
        Field(Kind::Text, 0, ON),
        Field(
            Kind::Array(&[
                Field(Kind::Text, 0, ON),
                Field(Kind::Array(&[Field(I32, 0, ON)]), 0, ON),
            ]),
            0,
            ON,
        ),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, _: Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut partitions = Vec::new();
    for topic in &request.topics {
        for part in &topic.partitions {
            partitions.push((topic.name.to_string(), part.partition_index));
        }
    }
    let mut response = OffsetDeleteResponse::default();
    let deleted = match node.groups.delete_offsets(&request.group_id, &partitions).await {
        Ok(deleted) => deleted,
        Err(error) => return response.with_error_code(error.code()),
    };
    let mut deleted = deleted.into_iter();
    for topic in request.topics {
        let parts = topic.partitions.iter().zip(deleted.by_ref()).map(|(part, deleted)| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(part.partition_index)
                .with_error_code(deleted.err().map_or(0, |error| error.code()))
        });
        let parts = parts.collect();
        let answered = OffsetDeleteResponseTopic::default().with_name(topic.name);
        response.topics.push(answered.with_partitions(parts));
    }
    response
}
