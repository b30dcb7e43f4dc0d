//! Questions to a cluster, and changes of its topics. Each call blocks its thread until the answer
//! or the timeout; errors say what was asked and of whom.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::KafkaError;
use crate::properties::Properties;
use crate::record::TopicPartition;

/// A client for such calls. It may be used from several threads.
pub struct Admin {}

/// A topic as [`Admin::topics`] and [`Admin::describe_topic`] show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: String,
    /// By partition number.
    pub partitions: Vec<TopicLayout>,
}

/// Who holds a partition: broker ids, −1 for no leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLayout {
    pub partition: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// A topic to create; `replication` −1 means the broker's default.
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    pub replication: i32,
    pub configs: BTreeMap<String, String>,
}

/// One setting of a topic. Sensitive values are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    pub value: Option<String>,
    pub is_default: bool,
}

/// A group as [`Admin::groups`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub group: String,
    /// In Kafka's words: Empty, Stable, PreparingRebalance, …
    pub state: String,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    pub group: String,
    pub state: String,
    /// The assignment strategy in use; empty where there is none.
    pub assignor: String,
    /// The coordinating broker, as `host:port (id)`.
    pub coordinator: String,
    pub members: Vec<Member>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub member_id: String,
    pub client_id: String,
    /// As the broker shows it, such as `/127.0.0.1`.
    pub host: String,
    pub instance_id: Option<String>,
    pub assignment: Vec<TopicPartition>,
}

/// A committed offset of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub partition: TopicPartition,
    /// Exclusive end of what is done.
    pub offset: i64,
    pub metadata: String,
}

/// Which offset of a partition is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    Earliest,
    /// The exclusive end of what read_committed consumers can read.
    Latest,
    /// The first offset whose timestamp (ms since the epoch) is not before this.
    Time(i64),
}

/// The answer for one partition.
#[derive(Clone, Debug)]
pub struct ListedOffset {
    pub partition: TopicPartition,
    /// `None` in `Ok`: no record is that young.
    pub offset: Result<Option<i64>, KafkaError>,
}

impl Admin {
    /// `timeout` bounds each call.
    pub fn new(properties: &Properties, timeout: Duration) -> Result<Self, KafkaError> {
        let _ = (properties, timeout);
        Ok(Self {})
    }

    pub fn cluster_id(&self) -> Result<String, KafkaError> {
        unbuilt()
    }

    /// All topics, by name, internal ones too.
    pub fn topics(&self) -> Result<Vec<TopicDescription>, KafkaError> {
        unbuilt()
    }

    /// `None`: there is no such topic.
    pub fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, KafkaError> {
        let _ = topic;
        unbuilt()
    }

    pub fn topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
        let _ = topic;
        unbuilt()
    }

    pub fn create_topic(&self, topic: &NewTopic) -> Result<(), KafkaError> {
        let _ = topic;
        unbuilt()
    }

    pub fn delete_topic(&self, topic: &str) -> Result<(), KafkaError> {
        let _ = topic;
        unbuilt()
    }

    /// All groups, by name.
    pub fn groups(&self) -> Result<Vec<GroupListing>, KafkaError> {
        unbuilt()
    }

    /// In the order asked for; a group that does not exist has state `Dead`.
    pub fn describe_groups(&self, groups: &[&str]) -> Result<Vec<GroupDescription>, KafkaError> {
        let _ = groups;
        unbuilt()
    }

    /// All committed offsets of a group; none for a group that does not exist.
    pub fn group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>, KafkaError> {
        let _ = group;
        unbuilt()
    }

    /// One answer for each question, in their order.
    pub fn offsets(
        &self,
        wanted: &[(TopicPartition, OffsetSpec)],
    ) -> Result<Vec<ListedOffset>, KafkaError> {
        let _ = wanted;
        unbuilt()
    }
}

fn unbuilt<T>() -> Result<T, KafkaError> {
    Err(KafkaError::Client { reason: "not built yet".to_owned() })
}
