//! Metadata: this broker, and topics with their partitions, which it all leads.
//!
//! Asking for a topic by name creates it where the broker and the request allow that. An empty
//! list means all topics in v0 and none later; null means all. No answer leaves out a topic that
//! was asked for.
//!
//! Versions 0-12. v4 adds the say about creation, v7 leader epochs, v8-10 operations (never
//! told), v9 is flexible, v10 adds topic ids, v12 look-up by id.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{ApiKey, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::{Api, Call, serve};
use crate::node::{NO_OPERATIONS, Node};
use crate::shape::{Field, I8, Kind, ON, UUID};
use crate::topics::Topic;

pub(crate) const API: Api = Api {
    key: ApiKey::Metadata,
    versions: 0..=12,
    advertised_from: 0,
    flexible_from: 9,
    shape: &[
        Field(Kind::Array(&[Field(UUID, 10, ON), Field(Kind::Text, 0, ON)]), 0, ON),
        Field(I8, 4, ON),
        Field(I8, 8, 10),
        Field(I8, 8, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, call: Call, request: MetadataRequest) -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(node.id())
        .with_host(node.host.clone())
        .with_port(node.port);
    let mut response = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(node.topics.cluster_id().to_owned())))
        .with_controller_id(node.id())
        .with_cluster_authorized_operations(NO_OPERATIONS);
    let create = request.allow_auto_topic_creation && node.config.auto_create_topics;
    match request.topics {
        None => response.topics = all(&node),
        Some(topics) if topics.is_empty() && call.version == 0 => response.topics = all(&node),
        Some(topics) => {
            for wanted in topics {
                response.topics.push(find(&node, wanted, create).await);
            }
        }
    }
    response
}

fn all(node: &Node) -> Vec<MetadataResponseTopic> {
    node.topics.all().iter().map(|topic| describe(node, topic)).collect()
}

async fn find(
    node: &Arc<Node>,
    wanted: MetadataRequestTopic,
    create: bool,
) -> MetadataResponseTopic {
    let failed = |name: Option<TopicName>, id: Uuid, error: ResponseError| {
        MetadataResponseTopic::default()
            .with_name(name)
            .with_topic_id(id)
            .with_error_code(error.code())
            .with_topic_authorized_operations(NO_OPERATIONS)
    };
    let Some(name) = wanted.name else {
        return match node.topics.by_id(wanted.topic_id) {
            Some(topic) => describe(node, &topic),
            None => failed(None, wanted.topic_id, ResponseError::UnknownTopicId),
        };
    };
    let found = match node.topics.get(&name) {
        Some(topic) => Ok(topic),
        None if create => node.topic_or_create(&name).await,
        None => Err(ResponseError::UnknownTopicOrPartition),
    };
    match found {
        Ok(topic) => describe(node, &topic),
        Err(error) => failed(Some(name), Uuid::nil(), error),
    }
}

fn describe(node: &Node, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic.partitions();
    let partitions = partitions.iter().map(|partition| {
        MetadataResponsePartition::default()
            .with_partition_index(partition.index)
            .with_leader_id(node.id())
            .with_leader_epoch(partition.leader_epoch())
            .with_replica_nodes(vec![node.id()])
            .with_isr_nodes(vec![node.id()])
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(NO_OPERATIONS)
}
