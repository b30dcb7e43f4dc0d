//! Everything the handlers share: one broker's state.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;

use crate::config::BrokerConfig;
use crate::coordinator::Coordinator;
use crate::memory::Memory;
use crate::topics::{Topic, TopicError, Topics};

/// What answers say where Kafka would list the operations a client may do: nothing was asked.
pub(crate) const NO_OPERATIONS: i32 = i32::MIN;

pub(crate) struct Node {
    pub(crate) config: BrokerConfig,
    /// Where clients are told to connect.
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Arc<Coordinator>,
    pub(crate) request_memory: Memory,
    pub(crate) fetch_memory: Memory,
}

impl Node {
    pub(crate) fn id(&self) -> BrokerId {
        BrokerId(self.config.node_id)
    }

    /// Runs what blocks on IO off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let node = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&node)).await;
        done.expect("blocking work does not panic and is not cancelled")
    }

    /// The topic, created where that is allowed.
    pub(crate) async fn topic_or_create(
        self: &Arc<Self>,
        name: &str,
    ) -> Result<Arc<Topic>, ResponseError> {
        if let Some(topic) = self.topics.get(name) {
            return Ok(topic);
        }
        if name == forebay_wire::offsets_topic::TOPIC {
            self.blocking(|node| node.groups.prepare()).await?;
            return self.topics.get(name).ok_or(ResponseError::LeaderNotAvailable);
        }
        let wanted = name.to_owned();
        let partitions = self.config.default_partitions;
        let made =
            self.blocking(move |node| node.topics.create(&wanted, partitions, Default::default()));
        match made.await {
            Ok(topic) => Ok(topic),
            // Another request was faster.
            Err(TopicError::Exists) => {
                self.topics.get(name).ok_or(ResponseError::LeaderNotAvailable)
            }
            Err(error) => {
                tracing::warn!(topic = name, %error, "topic was not created");
                Err(code(&error))
            }
        }
    }
}

/// The protocol's code for a topic error.
pub(crate) fn code(error: &TopicError) -> ResponseError {
    match error {
        TopicError::Name => ResponseError::InvalidTopicException,
        TopicError::Exists => ResponseError::TopicAlreadyExists,
        TopicError::Unknown => ResponseError::UnknownTopicOrPartition,
        TopicError::Partitions | TopicError::NotMore(_) => ResponseError::InvalidPartitions,
        TopicError::Config(_) => ResponseError::InvalidConfig,
        TopicError::Storage(_) => ResponseError::KafkaStorageError,
    }
}
