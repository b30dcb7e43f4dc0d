//! Produce: appends one record batch for each partition and answers once they are durable.
//!
//! acks 1 and -1 mean the same here: there is one replica, and it answers after the group sync.
//! acks 0 gets no answer; if a batch is refused the connection is closed, which is all that such
//! a client can notice. Batches are stored as they came: nothing decodes records. A batch that an
//! idempotent producer sent before is answered with its first offset. Appends happen before the
//! first await, so those of one connection keep their order while they wait for the same sync.
//!
//! Versions 3-11. v0-2 are named but refused, like Kafka 4 does: librdkafka before 2.11.1 stops
//! compressing where v0 is missing from the range (KAFKA-18659). v8 adds error messages, v9 is
//! flexible, v10 adds leader hints (never needed here), v12 belongs to transactions, v13 names
//! topics by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use forebay_log::Appended;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ApiKey, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::partition_errors::code;
use crate::api::{Api, Call, Refused, Reply, Serving, decode, encode};
use crate::clock::now_ms;
use crate::node::Node;
use crate::partition::{Partition, PartitionError};
use crate::shape::{Field, I16, I32, Kind, ON};
use crate::topics::Topic;

pub(crate) const API: Api = Api {
    key: ApiKey::Produce,
    versions: 3..=11,
    advertised_from: 0,
    flexible_from: 9,
    shape: &[
        Field(Kind::Text, 3, ON),
        Field(I16, 0, ON),
        Field(I32, 0, ON),
        Field(Kind::Array(&[Field(Kind::Text, 0, 12), Field(PARTITIONS, 0, ON)]), 0, ON),
    ],
    serve,
};

const PARTITIONS: Kind = Kind::Array(&[Field(I32, 0, ON), Field(Kind::Bytes, 0, ON)]);

type Outcome = Result<(Arc<Partition>, Appended), (ResponseError, String)>;

fn serve(node: Arc<Node>, call: Call, body: Bytes) -> Serving {
    Box::pin(async move {
        let request = match decode::<ProduceRequest>(body, call.version) {
            Ok(request) => request,
            Err(refused) => return Reply::Close(refused),
        };
        let acks = request.acks;
        let mut answered = Vec::with_capacity(request.topic_data.len());
        for data in request.topic_data {
            let topic = node.topics.get(&data.name);
            let append =
                |part: PartitionProduceData| (part.index, append(topic.as_deref(), acks, part));
            let parts: Vec<_> = data.partition_data.into_iter().map(append).collect();
            answered.push((data.name, parts));
        }
        if acks == 0 {
            let refused =
                answered.iter().flat_map(|(_, parts)| parts).any(|(_, done)| done.is_err());
            return if refused { Reply::Close(Refused::Unacknowledged) } else { Reply::Nothing };
        }
        let mut response = ProduceResponse::default();
        for (name, parts) in answered {
            let mut topic = TopicProduceResponse::default().with_name(name);
            for (index, outcome) in parts {
                topic.partition_responses.push(answer(index, outcome, call.version).await);
            }
            response.responses.push(topic);
        }
        encode(&response, call.version, call.correlation)
    })
}

fn append(topic: Option<&Topic>, acks: i16, part: PartitionProduceData) -> Outcome {
    let refuse = |code: ResponseError, why: &str| Err((code, why.to_owned()));
    if !matches!(acks, -1..=1) {
        return refuse(ResponseError::InvalidRequiredAcks, "acks is one of -1, 0 and 1");
    }
    let unknown = || (ResponseError::UnknownTopicOrPartition, String::new());
    let topic = topic.ok_or_else(unknown)?;
    if topic.is_internal() {
        return refuse(
            ResponseError::InvalidTopicException,
            "only the broker writes to this topic",
        );
    }
    let partition = topic.partition(part.index).ok_or_else(unknown)?;
    let records = part.records.unwrap_or_default();
    match partition.append(&records) {
        Ok(appended) => Ok((partition, appended)),
        Err(error) => {
            let code = code(&error);
            if code == ResponseError::KafkaStorageError {
                tell_storage_failed(&error);
            }
            Err((code, error.to_string()))
        }
    }
}

/// Producers try again and again, and time out with no word of the disk: the log must have it, but
/// not each time.
fn tell_storage_failed(error: &PartitionError) {
    static TOLD_AT: AtomicI64 = AtomicI64::new(0);
    let (now, told) = (now_ms(), TOLD_AT.load(Ordering::Relaxed));
    let due = now - told > 10_000;
    if due && TOLD_AT.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        tracing::error!(%error, "records are refused, for the disk does not take them");
    }
}

async fn answer(index: i32, outcome: Outcome, version: i16) -> PartitionProduceResponse {
    let synced = match outcome {
        Ok((partition, appended)) => match partition.wait_synced(appended.last_offset).await {
            Ok(()) => Ok((partition, appended)),
            Err(error) => Err((ResponseError::KafkaStorageError, error.to_string())),
        },
        refused => refused,
    };
    let mut response = PartitionProduceResponse::default().with_index(index);
    match synced {
        Ok((partition, appended)) => {
            response.base_offset = appended.base_offset;
            response.log_append_time_ms = appended.log_append_time.unwrap_or(-1);
            response.log_start_offset = partition.bounds().map_or(-1, |bounds| bounds.start);
        }
        Err((error, why)) => {
            response.error_code = error.code();
            response.base_offset = -1;
            if version >= 8 && !why.is_empty() {
                response.error_message = Some(StrBytes::from_string(why));
            }
        }
    }
    response
}
