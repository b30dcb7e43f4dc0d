//! ListOffsets: the offset at a log's start, at its end, or of the first record at a time.
//!
//! Timestamps: -1 the end of what is visible, -2 the start, -3 the record with the largest
//! timestamp (v7), -4 the start of what is local (v8; all is), -5 the end of what is tiered (v9;
//! nothing is). By time, a record of a compressed batch is not looked for inside the batch: the
//! answer is the batch's first offset, which is never too late. Not found is offset -1, no error.
//!
//! Versions 1-9. v2 adds isolation (the same here), v4 leader epochs, v6 is flexible. v10 adds a
//! timeout for tiered storage.

use std::sync::Arc;

use forebay_log::TimedOffset;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ApiKey, ListOffsetsRequest, ListOffsetsResponse};

use super::partition_errors::{check_epoch, code};
use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::partition::{Partition, PartitionError};
use crate::shape::{Field, I8, I32, I64, Kind, ON};
use crate::topics::Topic;

pub(crate) const API: Api = Api {
    key: ApiKey::ListOffsets,
    versions: 1..=9,
    advertised_from: 1,
    flexible_from: 6,
    shape: &[
        Field(I32, 0, ON),
        Field(I8, 2, ON),
        Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(PARTITIONS, 0, ON)]), 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

const PARTITIONS: Kind = Kind::Array(&[Field(I32, 0, ON), Field(I32, 4, ON), Field(I64, 0, ON)]);

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

async fn handle(node: Arc<Node>, call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut response = ListOffsetsResponse::default();
    for wanted in request.topics {
        let topic = node.topics.get(&wanted.name);
        let parts = wanted.partitions.iter();
        let parts = parts.map(|part| answer(topic.as_deref(), part, call.version)).collect();
        let answered = ListOffsetsTopicResponse::default();
        response.topics.push(answered.with_name(wanted.name).with_partitions(parts));
    }
    response
}

fn answer(
    topic: Option<&Topic>,
    part: &ListOffsetsPartition,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let response =
        ListOffsetsPartitionResponse::default().with_partition_index(part.partition_index);
    match look_up(topic, part) {
        Ok((found, epoch)) => {
            let epoch = if version >= 4 { epoch } else { -1 };
            response
                .with_offset(found.offset)
                .with_timestamp(found.timestamp)
                .with_leader_epoch(epoch)
        }
        Err(error) => response.with_error_code(error.code()).with_offset(-1).with_timestamp(-1),
    }
}

const NOWHERE: TimedOffset = TimedOffset { offset: -1, timestamp: -1 };

fn look_up(
    topic: Option<&Topic>,
    part: &ListOffsetsPartition,
) -> Result<(TimedOffset, i32), ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(part.partition_index));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(&partition, part.current_leader_epoch)?;
    let bounds = partition.bounds().map_err(|error| code(&error))?;
    let at = |offset| TimedOffset { offset, timestamp: -1 };
    let found = match part.timestamp {
        LATEST => at(bounds.high_watermark),
        EARLIEST | EARLIEST_LOCAL => at(bounds.start),
        LATEST_TIERED => NOWHERE,
        MAX_TIMESTAMP => {
            largest_timestamp(&partition).map_err(|error| code(&error))?.unwrap_or(NOWHERE)
        }
        time if time < 0 => return Err(ResponseError::UnsupportedVersion),
        time => partition.offset_for_time(time).map_err(|error| code(&error))?.unwrap_or(NOWHERE),
    };
    let epoch = if found.offset < 0 { -1 } else { partition.leader_epoch() };
    Ok((found, epoch))
}

/// Halves the range of times in which the largest one must lie; each step is an index look-up.
fn largest_timestamp(partition: &Partition) -> Result<Option<TimedOffset>, PartitionError> {
    let Some(mut best) = partition.offset_for_time(0)? else { return Ok(None) };
    let mut beyond = i64::MAX;
    while best.timestamp < beyond.saturating_sub(1) {
        let middle = best.timestamp + (beyond - best.timestamp) / 2;
        match partition.offset_for_time(middle)? {
            Some(found) => best = found,
            None => beyond = middle,
        }
    }
    Ok(Some(best))
}
