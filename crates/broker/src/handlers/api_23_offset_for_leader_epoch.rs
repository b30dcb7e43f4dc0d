//! OffsetForLeaderEpoch: where a leader epoch ended, so that a consumer notices lost records.
//!
//! Epochs grow when the broker restarts after a crash. An epoch that the log does not know gives
//! epoch -1 and offset -1 (KIP-320).
//!
//! Versions 2-4. v3 adds the replica id, v4 is flexible.

use std::sync::Arc;

use forebay_log::EpochEnd;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{ApiKey, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::partition_errors::{check_epoch, code};
use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, I32, Kind, ON};
use crate::topics::Topic;

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetForLeaderEpoch,
    versions: 2..=4,
    advertised_from: 2,
    flexible_from: 4,
    shape: &[
        Field(I32, 3, ON),
        Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(PARTITIONS, 0, ON)]), 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

const PARTITIONS: Kind = Kind::Array(&[Field(I32, 0, ON), Field(I32, 2, ON), Field(I32, 0, ON)]);

async fn handle(
    node: Arc<Node>,
    _: Call,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut response = OffsetForLeaderEpochResponse::default();
    for wanted in request.topics {
        let topic = node.topics.get(&wanted.topic);
        let parts = wanted.partitions.iter().map(|part| {
            let answer = EpochEndOffset::default().with_partition(part.partition);
            match look_up(topic.as_deref(), part) {
                Ok(Some(end)) => {
                    answer.with_leader_epoch(end.epoch).with_end_offset(end.end_offset)
                }
                Ok(None) => answer.with_leader_epoch(-1).with_end_offset(-1),
                Err(error) => {
                    answer.with_leader_epoch(-1).with_end_offset(-1).with_error_code(error.code())
                }
            }
        });
        let answered = OffsetForLeaderTopicResult::default().with_partitions(parts.collect());
        response.topics.push(answered.with_topic(wanted.topic));
    }
    response
}

fn look_up(
    topic: Option<&Topic>,
    part: &OffsetForLeaderPartition,
) -> Result<Option<EpochEnd>, ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(part.partition));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(&partition, part.current_leader_epoch)?;
    partition.epoch_end(part.leader_epoch).map_err(|error| code(&error))
}
