//! DescribeConfigs: all settings of topics and of this broker, each with where it is from.
//!
//! Topics have Kafka's whole list; the broker tells the settings that it has. Naming keys limits
//! the answer to them. Broker settings can't be changed while it runs and are read-only.
//!
//! Versions 1-4. v3 adds types and documentation, v4 is flexible.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{ApiKey, DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::config::BrokerConfig;
use crate::node::Node;
use crate::shape::{Field, I8, Kind, ON};
use crate::topic_config::{SETTINGS, Setting, Source, TopicConfig};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeConfigs,
    versions: 1..=4,
    advertised_from: 1,
    flexible_from: 4,
    shape: &[
        Field(
            Kind::Array(&[
                Field(I8, 0, ON),
                Field(Kind::Text, 0, ON),
                Field(Kind::List(&Kind::Text), 0, ON),
            ]),
            0,
            ON,
        ),
        Field(I8, 1, ON),
        Field(I8, 3, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;

const TYPE_STRING: i8 = 2;

/// What of a setting the request wants to see.
#[derive(Clone, Copy)]
struct Wish {
    synonyms: bool,
    documentation: bool,
    types: bool,
}

async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let types = call.version >= 3;
    let documentation = types && request.include_documentation;
    let wish = Wish { synonyms: request.include_synonyms, documentation, types };
    let results = request.resources.into_iter().map(|resource| describe(&node, resource, wish));
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(node: &Node, resource: DescribeConfigsResource, wish: Wish) -> DescribeConfigsResult {
    let found = match resource.resource_type {
        TOPIC => match node.topics.get(&resource.resource_name) {
            Some(topic) => Ok(of_topic(&topic.config(), wish)),
            None => Err((ResponseError::UnknownTopicOrPartition, "there is no such topic")),
        },
        BROKER if is_this_broker(node, &resource.resource_name) => Ok(of_broker(node, wish)),
        BROKER => Err((ResponseError::InvalidRequest, "there is no such broker")),
        _ => Err((ResponseError::InvalidRequest, "only topics and brokers have settings here")),
    };
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    match found {
        Ok(mut configs) => {
            if let Some(keys) = resource.configuration_keys.filter(|keys| !keys.is_empty()) {
                configs.retain(|config| keys.contains(&config.name));
            }
            result.with_configs(configs)
        }
        Err((error, why)) => result
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(why))),
    }
}

/// By its id; the empty name stands for the default of all brokers.
pub(crate) fn is_this_broker(node: &Node, name: &str) -> bool {
    name.is_empty() || name.parse() == Ok(node.config.node_id)
}

fn text(value: &str) -> Option<StrBytes> {
    Some(StrBytes::from_string(value.to_owned()))
}

fn of_topic(config: &TopicConfig, wish: Wish) -> Vec<DescribeConfigsResourceResult> {
    SETTINGS.iter().map(|setting| topic_setting(config, setting, wish)).collect()
}

fn topic_setting(
    config: &TopicConfig,
    setting: &'static Setting,
    wish: Wish,
) -> DescribeConfigsResourceResult {
    let (value, source) = config.value(setting);
    let mut result = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(setting.name))
        .with_value(text(value))
        .with_config_source(source as i8);
    if wish.types {
        result.config_type = setting.kind.code();
    }
    if wish.documentation {
        result.documentation = text(setting.about);
    }
    if wish.synonyms {
        result.synonyms = synonyms(config, setting);
    }
    result
}

/// Most specific first, as in Kafka.
fn synonyms(config: &TopicConfig, setting: &'static Setting) -> Vec<DescribeConfigsSynonym> {
    let synonym = |name: &'static str, value: &str, source: Source| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(text(value))
            .with_source(source as i8)
    };
    let mut synonyms = Vec::new();
    let (value, source) = config.value(setting);
    if source == Source::Topic {
        synonyms.push(synonym(setting.name, value, source));
    }
    if let Some(name) = setting.broker_name {
        let (value, source) = config.inherited(setting);
        if source == Source::Broker {
            synonyms.push(synonym(name, value, source));
        }
        synonyms.push(synonym(name, setting.default, Source::Default));
    }
    synonyms
}

fn of_broker(node: &Node, wish: Wish) -> Vec<DescribeConfigsResourceResult> {
    let own = broker_settings(&node.config, node.host.as_str(), node.port);
    let own = own.into_iter().map(|(name, value)| (name, value, Source::Broker));
    let for_topics = SETTINGS.iter().filter_map(|setting| {
        let (value, source) = node.topics.defaults().inherited(setting);
        Some((setting.broker_name?, value.to_owned(), source))
    });
    let describe = |(name, value, source): (&'static str, String, Source)| {
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(text(&value))
            .with_read_only(true)
            .with_config_source(source as i8);
        if wish.types {
            result.config_type = TYPE_STRING;
        }
        result
    };
    own.chain(for_topics).map(describe).collect()
}

fn broker_settings(config: &BrokerConfig, host: &str, port: i32) -> Vec<(&'static str, String)> {
    let initial_delay = config.initial_rebalance_delay.as_millis();
    vec![
        ("advertised.listeners", format!("PLAINTEXT://{host}:{port}")),
        ("auto.create.topics.enable", config.auto_create_topics.to_string()),
        ("broker.id", config.node_id.to_string()),
        ("default.replication.factor", "1".to_owned()),
        ("delete.topic.enable", "true".to_owned()),
        ("fetch.max.bytes", config.fetch_max_bytes.to_string()),
        ("group.initial.rebalance.delay.ms", initial_delay.to_string()),
        ("group.max.session.timeout.ms", config.max_session_timeout.as_millis().to_string()),
        ("group.min.session.timeout.ms", config.min_session_timeout.as_millis().to_string()),
        ("listeners", format!("PLAINTEXT://{}", config.listen)),
        ("log.dirs", config.data.display().to_string()),
        ("node.id", config.node_id.to_string()),
        ("num.partitions", config.default_partitions.to_string()),
        ("offset.metadata.max.bytes", crate::coordinator::MAX_METADATA_BYTES.to_string()),
        ("offsets.topic.num.partitions", forebay_wire::offsets_topic::PARTITIONS.to_string()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("socket.request.max.bytes", config.request_max_bytes.to_string()),
    ]
}
