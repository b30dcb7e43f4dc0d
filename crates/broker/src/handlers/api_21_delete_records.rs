//! DeleteRecords: moves a log's start, durably; -1 stands for the end of what is visible.
//!
//! Versions 0-2. v2 is flexible.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{ApiKey, DeleteRecordsRequest, DeleteRecordsResponse};

use super::partition_errors::code;
use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, I32, I64, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteRecords,
    versions: 0..=2,
    advertised_from: 0,
    flexible_from: 2,
    shape: &[
        Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(PARTITIONS, 0, ON)]), 0, ON),
        Field(I32, 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

const PARTITIONS: Kind = Kind::Array(&[Field(I32, 0, ON), Field(I64, 0, ON)]);

async fn handle(node: Arc<Node>, _: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut answered = DeleteRecordsTopicResult::default().with_name(topic.name.clone());
        for part in topic.partitions {
            let (name, index, offset) = (topic.name.clone(), part.partition_index, part.offset);
            let moved = node.blocking(move |node| move_start(node, &name, index, offset)).await;
            let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
            answered.partitions.push(match moved {
                Ok(start) => result.with_low_watermark(start),
                Err(error) => result.with_low_watermark(-1).with_error_code(error.code()),
            });
        }
        response.topics.push(answered);
    }
    response
}

fn move_start(node: &Node, name: &str, index: i32, offset: i64) -> Result<i64, ResponseError> {
    let topic = node.topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
    if topic.is_internal() {
        return Err(ResponseError::InvalidTopicException);
    }
    let partition = topic.partition(index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let bounds = partition.bounds().map_err(|error| code(&error))?;
    let offset = if offset == -1 { bounds.high_watermark } else { offset };
    if !(0..=bounds.high_watermark).contains(&offset) {
        return Err(ResponseError::OffsetOutOfRange);
    }
    partition.delete_before(offset).map_err(|error| code(&error))
}
