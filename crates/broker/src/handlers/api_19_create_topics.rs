//! CreateTopics: makes topics, durably, before it answers.
//!
//! A count of -1 takes the broker's default, a replication factor other than 1 or -1 is refused
//! because there is one broker. Assignments by hand must name this broker and number partitions
//! from 0. `validate_only` checks without making anything.
//!
//! Versions 2-7. v5 is flexible and tells configurations back, v7 the topic's id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{ApiKey, BrokerId, CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::{Api, Call, serve};
use crate::node::{Node, code};
use crate::shape::{Field, I8, I16, I32, Kind, ON};
use crate::topic_config::{SETTINGS, TopicConfig};

pub(crate) const API: Api = Api {
    key: ApiKey::CreateTopics,
    versions: 2..=7,
    advertised_from: 2,
    flexible_from: 5,
    shape: &[Field(Kind::Array(TOPIC), 0, ON), Field(I32, 0, ON), Field(I8, 1, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

const TOPIC: &[Field] = &[
    Field(Kind::Text, 0, ON),
    Field(I32, 0, ON),
    Field(I16, 0, ON),
    Field(Kind::Array(&[Field(I32, 0, ON), Field(Kind::List(&I32), 0, ON)]), 0, ON),
    Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(Kind::Text, 0, ON)]), 0, ON),
];

struct Made {
    id: Uuid,
    partitions: i32,
    config: TopicConfig,
}

async fn handle(node: Arc<Node>, call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut times: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.to_string()).or_default() += 1;
    }
    let mut response = CreateTopicsResponse::default();
    for topic in request.topics {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        let made = if times.get(&**topic.name).is_some_and(|times| *times > 1) {
            Err((ResponseError::InvalidRequest, "the topic is named more than once".to_owned()))
        } else {
            let check = request.validate_only;
            node.blocking(move |node| create(node, topic, check)).await
        };
        response.topics.push(match made {
            Ok(made) => succeeded(result, made, call.version),
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why)))
                .with_configs(None)
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        });
    }
    response
}

fn create(
    node: &Node,
    wanted: CreatableTopic,
    validate_only: bool,
) -> Result<Made, (ResponseError, String)> {
    if &**wanted.name == forebay_wire::offsets_topic::TOPIC {
        let why = "the broker creates this topic itself, when the first group needs it";
        return Err((ResponseError::InvalidTopicException, why.to_owned()));
    }
    let partitions = partition_count(node, &wanted)?;
    let mut configs = BTreeMap::new();
    for config in &wanted.configs {
        // No value means the default.
        if let Some(value) = &config.value {
            configs.insert(config.name.to_string(), value.to_string());
        }
    }
    if validate_only {
        let config = node.topics.check_new(&wanted.name, partitions, &configs);
        let config = config.map_err(|error| (code(&error), error.to_string()))?;
        return Ok(Made { id: Uuid::nil(), partitions, config });
    }
    let topic = node.topics.create(&wanted.name, partitions, configs);
    let topic = topic.map_err(|error| (code(&error), error.to_string()))?;
    Ok(Made { id: topic.id, partitions, config: (*topic.config()).clone() })
}

fn partition_count(node: &Node, wanted: &CreatableTopic) -> Result<i32, (ResponseError, String)> {
    if wanted.assignments.is_empty() {
        if !matches!(wanted.replication_factor, -1 | 1) {
            let why = "there is one broker, so the replication factor is 1";
            return Err((ResponseError::InvalidReplicationFactor, why.to_owned()));
        }
        return Ok(match wanted.num_partitions {
            -1 => node.config.default_partitions,
            count => count,
        });
    }
    let mut indexes: Vec<i32> = wanted.assignments.iter().map(|a| a.partition_index).collect();
    indexes.sort_unstable();
    let count = i32::try_from(indexes.len()).unwrap_or(i32::MAX);
    let here = |a: &CreatableReplicaAssignment| a.broker_ids == [BrokerId(node.config.node_id)];
    if !indexes.into_iter().eq(0..count) || !wanted.assignments.iter().all(here) {
        let why = "assignments number partitions from 0 and name this broker only";
        return Err((ResponseError::InvalidReplicaAssignment, why.to_owned()));
    }
    Ok(count)
}

fn succeeded(result: CreatableTopicResult, made: Made, version: i16) -> CreatableTopicResult {
    if version < 5 {
        return result;
    }
    let configs = SETTINGS.iter().map(|setting| {
        let (value, source) = made.config.value(setting);
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(setting.name))
            .with_value(Some(StrBytes::from_string(value.to_owned())))
            .with_config_source(source as i8)
    });
    let result = result
        .with_num_partitions(made.partitions)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()));
    if version >= 7 { result.with_topic_id(made.id) } else { result }
}
