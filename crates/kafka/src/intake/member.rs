//! The two clients of an intake, as librdkafka is told to be them.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer;

use super::IntakeConfig;
use super::shared::Shared;
use crate::error::KafkaError;
use crate::logs::Logs;
use crate::native::client::EventConsumer;

/// librdkafka's own bound of `queued.max.messages.kbytes`.
const KBYTES_MAX: usize = 2_097_151;
/// librdkafka raises `fetch.max.bytes` to its `message.max.bytes`; below, it says so in a log.
const FETCH_MIN: usize = 1_000_000;
/// Records that librdkafka reads ahead of each partition: more would leave a processor's cache before
/// they are sent.
const AHEAD: usize = 512;

/// Joins the group, commits, fetches nothing.
pub(super) fn member(
    config: &IntakeConfig,
    shared: &Arc<Shared>,
) -> Result<EventConsumer, KafkaError> {
    let mut client = common(config);
    if config.properties.joins_by_epochs() {
        // The broker assigns, and has the session's settings (KIP-848); librdkafka refuses others.
        client.set("group.protocol", "consumer");
        client.remove("session.timeout.ms").remove("heartbeat.interval.ms");
    } else {
        client.set("partition.assignment.strategy", "cooperative-sticky");
    }
    if let Some(instance) = &config.instance_id {
        client.set("group.instance.id", instance);
    }
    let member = consumer(&client, config, shared, format!("member of {}", config.group))?;
    let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
    member.base().subscribe(&topics).map_err(|error| KafkaError::Client {
        reason: format!("subscribe to {}: {error}", topics.join(", ")),
    })?;
    Ok(member)
}

/// Reads what the member owns. It names the group, whose ACLs it has, but never joins it.
pub(super) fn fetcher(
    config: &IntakeConfig,
    shared: &Arc<Shared>,
) -> Result<EventConsumer, KafkaError> {
    let mut client = common(config);
    let fetch = config.properties.fetch();
    let whole = fetch.whole.min(config.bytes_max.max(FETCH_MIN));
    let partition = fetch.partition.min(whole);
    client
        // Has it say which topic it reads, before it does; see `poll/topic_id.rs`.
        .set("debug", "metadata")
        .set_log_level(RDKafkaLogLevel::Debug)
        .set("fetch.max.bytes", whole.to_string())
        .set("fetch.message.max.bytes", partition.to_string())
        .set("queued.min.messages", config.records_max.clamp(1, AHEAD).to_string())
        .set(
            "queued.max.messages.kbytes",
            (config.bytes_max / 1024).clamp(1, KBYTES_MAX).to_string(),
        );
    consumer(&client, config, shared, format!("fetcher of {}", config.group))
}

fn common(config: &IntakeConfig) -> ClientConfig {
    let mut client = config.properties.consumer();
    client
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that is gone is an event, never a jump.
        .set("auto.offset.reset", "error");
    client
}

fn consumer(
    client: &ClientConfig,
    config: &IntakeConfig,
    shared: &Arc<Shared>,
    name: String,
) -> Result<EventConsumer, KafkaError> {
    let shared = shared.clone();
    let token = config.properties.token();
    EventConsumer::new(client, token, Logs::new(name), move || shared.nudge())
        .map_err(|error| KafkaError::made(&error))
}
