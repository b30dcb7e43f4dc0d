//! Fetch: whole batches from the one that holds the asked offset on, up to the durable end.
//!
//! If less than `min_bytes` is there, the answer waits up to `max_wait_ms` and is woken by
//! appends that became durable. Limits are kept but for the first batch of the first partition
//! with data, which is sent however large it is (KIP-74). Waiting costs no memory; bytes are
//! loaded only when the answer's turn on its connection has come and the broker's budget for
//! fetch answers has room. Records are loaded once and written to the socket as they are.
//!
//! Versions 4-16. v5 adds the log start offset, v7 fetch sessions (KIP-227; session id 0 keeps
//! clients on full fetches), v9 the leader epoch check, v11 racks, v12 is flexible, v13 names
//! topics by id, v15 drops the replica id, v16 could name other endpoints. v17 is for followers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::FileSlice;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiKey, FetchRequest};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fetch_answer::{self, PartitionAnswer, TopicAnswer};
use super::partition_errors::{check_epoch, code};
use crate::api::{Api, Call, Frame, Reply, Serving, decode};
use crate::node::Node;
use crate::partition::Partition;
use crate::shape::{Field, I8, I32, I64, Kind, ON, UUID};

pub(crate) const API: Api = Api {
    key: ApiKey::Fetch,
    versions: 4..=16,
    advertised_from: 4,
    flexible_from: 12,
    shape: &[
        Field(I32, 0, 14),
        Field(I32, 0, ON),
        Field(I32, 0, ON),
        Field(I32, 3, ON),
        Field(I8, 4, ON),
        Field(I32, 7, ON),
        Field(I32, 7, ON),
        Field(Kind::Array(TOPIC), 0, ON),
        Field(Kind::Array(FORGOTTEN), 7, ON),
        Field(Kind::Text, 11, ON),
    ],
    serve,
};

const TOPIC: &[Field] = &[
    Field(Kind::Text, 0, 12),
    Field(UUID, 13, ON),
    Field(
        Kind::Array(&[
            Field(I32, 0, ON),
            Field(I32, 9, ON),
            Field(I64, 0, ON),
            Field(I32, 12, ON),
            Field(I64, 5, ON),
            Field(I32, 0, ON),
        ]),
        0,
        ON,
    ),
];

const FORGOTTEN: &[Field] =
    &[Field(Kind::Text, 7, 12), Field(UUID, 13, ON), Field(Kind::List(&I32), 7, ON)];

/// One partition of the request, looked up.
struct Asked {
    index: i32,
    offset: i64,
    max_bytes: usize,
    partition: Result<Arc<Partition>, ResponseError>,
}

/// What one round over all partitions found: an answer and the bytes still to be loaded for each.
#[derive(Default)]
struct Found {
    partitions: Vec<(PartitionAnswer, Option<FileSlice>)>,
    bytes: usize,
    failed: bool,
}

fn serve(node: Arc<Node>, call: Call, body: Bytes) -> Serving {
    Box::pin(async move {
        // The bytes of an answer are loaded when its turn has come, not when it is read.
        tokio::task::yield_now().await;
        let request = match decode::<FetchRequest>(body, call.version) {
            Ok(request) => request,
            Err(refused) => return Reply::Close(refused),
        };
        if request.session_id != 0 {
            let error = ResponseError::FetchSessionIdNotFound;
            let pieces = fetch_answer::encode(&call, Err(error), false);
            return Reply::Send(Frame { pieces, permit: None });
        }
        let asked = look_up(&node, &request, call.version);
        let limit = node.config.fetch_max_bytes.min(u32::try_from(request.max_bytes).unwrap_or(0));
        let found = wait_for_enough(&request, &asked, limit as usize).await;
        let size = u32::try_from(found.bytes).unwrap_or(u32::MAX);
        let permit = node.fetch_memory.take(size).await;
        let topics = load(request, asked, found, call.version);
        let pieces = fetch_answer::encode(&call, Ok(&topics.0), topics.1);
        Reply::Send(Frame { pieces, permit: Some(permit) })
    })
}

fn look_up(node: &Node, request: &FetchRequest, version: i16) -> Vec<Asked> {
    let mut asked = Vec::new();
    for wanted in &request.topics {
        let (topic, unknown) = if version >= 13 {
            (node.topics.by_id(wanted.topic_id), ResponseError::UnknownTopicId)
        } else {
            (node.topics.get(&wanted.topic), ResponseError::UnknownTopicOrPartition)
        };
        for part in &wanted.partitions {
            let partition = match &topic {
                None => Err(unknown),
                Some(topic) => topic
                    .partition(part.partition)
                    .ok_or(ResponseError::UnknownTopicOrPartition)
                    .and_then(|found| {
                        check_epoch(&found, part.current_leader_epoch).map(|()| found)
                    }),
            };
            asked.push(Asked {
                index: part.partition,
                offset: part.fetch_offset,
                max_bytes: usize::try_from(part.partition_max_bytes).unwrap_or(0),
                partition,
            });
        }
    }
    asked
}

async fn wait_for_enough(request: &FetchRequest, asked: &[Asked], limit: usize) -> Found {
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait;
    let mut found = find(asked, limit);
    while !found.failed && found.bytes < enough && Instant::now() < deadline {
        // A new one each round, so that what is left of the last one is dead and gets dropped.
        let growth = Arc::new(Notify::new());
        for partition in asked.iter().filter_map(|asked| asked.partition.as_ref().ok()) {
            partition.wake_on_growth(&growth);
        }
        found = find(asked, limit);
        if found.failed || found.bytes >= enough {
            break;
        }
        // Ends by time or by growth; either way the next look decides.
        let _ = tokio::time::timeout_at(deadline, growth.notified()).await;
        found = find(asked, limit);
    }
    found
}

fn find(asked: &[Asked], limit: usize) -> Found {
    let mut found = Found::default();
    for asked in asked {
        let left = limit.saturating_sub(found.bytes);
        let first = found.bytes == 0;
        let (answer, slice) = match find_one(asked, left, first) {
            Ok((answer, slice)) => (answer, slice),
            Err(error) => {
                found.failed = true;
                (PartitionAnswer::failed(asked.index, error), None)
            }
        };
        found.bytes += slice.as_ref().map_or(0, FileSlice::len);
        found.partitions.push((answer, slice));
    }
    found
}

fn find_one(
    asked: &Asked,
    left: usize,
    first: bool,
) -> Result<(PartitionAnswer, Option<FileSlice>), ResponseError> {
    let partition = asked.partition.as_ref().map_err(|error| *error)?;
    let max_bytes = asked.max_bytes.min(left);
    let found = partition.find(asked.offset, max_bytes, first);
    let (bounds, slice) = found.map_err(|error| code(&error))?;
    let slice = slice.map_err(|error| code(&error.into()))?;
    let answer = PartitionAnswer {
        index: asked.index,
        error: 0,
        high_watermark: bounds.high_watermark,
        start: bounds.start,
        records: Bytes::new(),
    };
    Ok((answer, (!slice.is_empty()).then_some(slice)))
}

/// Also tells whether the reader is read_committed.
fn load(
    request: FetchRequest,
    asked: Vec<Asked>,
    found: Found,
    version: i16,
) -> (Vec<TopicAnswer>, bool) {
    let mut partitions = asked.into_iter().zip(found.partitions);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let parts = partitions.by_ref().take(topic.partitions.len());
        let parts = parts.map(|(_, (answer, slice))| load_one(answer, slice)).collect();
        let name = (version < 13).then_some(topic.topic);
        topics.push(TopicAnswer { name, id: topic.topic_id, partitions: parts });
    }
    (topics, request.isolation_level == 1)
}

fn load_one(mut answer: PartitionAnswer, slice: Option<FileSlice>) -> PartitionAnswer {
    let Some(slice) = slice else { return answer };
    match slice.load() {
        Ok(records) => answer.records = records,
        Err(error) => {
            tracing::error!(%error, "can't read a log");
            answer = PartitionAnswer::failed(answer.index, ResponseError::KafkaStorageError);
        }
    }
    answer
}
