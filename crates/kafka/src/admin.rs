//! Questions to a cluster, and changes of its topics; groups are in `admin/groups.rs`. Each call blocks
//! its thread until the answer or the timeout; errors say what was asked and of whom.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::error::{Asked, KafkaError};
use crate::logs::Logs;
use crate::native::Row;
use crate::native::admin::{AdminClient, Setting};
use crate::native::token::WithToken;
use crate::properties::Properties;
use crate::record::TopicPartition;

mod groups;

pub use groups::{GroupDescription, GroupListing, GroupOffset, Member};

/// A client for such calls. It may be used from several threads.
pub struct Admin {
    client: WithToken<ThreadedProducer<AdminContext>>,
    logs: Logs,
    properties: Properties,
    /// The group whose offsets were asked for last, and the client that asks.
    offsets: Mutex<Option<(String, WithToken<BaseConsumer<Logs>>)>>,
    servers: String,
    timeout: Duration,
}

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

/// What this client may do with a topic or a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether the broker told; if not, the others mean nothing.
    pub known: bool,
    pub read: bool,
    pub write: bool,
}

/// One setting of a topic or a broker. Sensitive values are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    pub value: Option<String>,
    pub is_default: bool,
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

/// librdkafka serves its logs through the client's queue, which somebody must read; a producer
/// with a thread does.
struct AdminContext(Logs);

impl ClientContext for AdminContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for AdminContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl Admin {
    /// `timeout` bounds each call.
    pub fn new(properties: &Properties, timeout: Duration) -> Result<Self, KafkaError> {
        let logs = Logs::new("admin");
        let client: ThreadedProducer<_> = properties
            .admin()
            .create_with_context(AdminContext(logs.clone()))
            .map_err(|error| KafkaError::made(&error))?;
        let client = WithToken::new(client, |it| it.client().native_client(), properties.token())
            .map_err(|error| KafkaError::made(&error))?;
        let servers = properties.servers().to_owned();
        let (properties, offsets) = (properties.clone(), Mutex::default());
        Ok(Self { client, logs, properties, offsets, servers, timeout })
    }

    pub fn cluster_id(&self) -> Result<String, KafkaError> {
        let id = self.client.client().fetch_cluster_id(self.timeout);
        id.ok_or_else(|| {
            let asked = self.asked("ask for the cluster's id");
            asked.failed(Code::OperationTimedOut, None).because(self.logs.trouble())
        })
    }

    /// All topics, by name, internal ones too.
    pub fn topics(&self) -> Result<Vec<TopicDescription>, KafkaError> {
        let asked = self.asked("list topics");
        let metadata = self
            .client
            .client()
            .fetch_metadata(None, self.timeout)
            .map_err(|error| asked.error(&error).because(self.logs.trouble()))?;
        let mut topics: Vec<_> = metadata.topics().iter().map(described).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// `None`: there is no such topic.
    ///
    /// It asks for all topics: asking for one by name makes it, where brokers create topics by
    /// themselves.
    pub fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, KafkaError> {
        Ok(self.topics()?.into_iter().find(|known| known.name == topic))
    }

    pub fn topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
        let doing = format!("describe the settings of topic {topic}");
        let configs = self.native().topic_configs(topic);
        Ok(entries(configs.map_err(|failed| self.failed(&doing, failed))?))
    }

    /// Ids of the brokers that are there now, in ascending order.
    pub fn brokers(&self) -> Result<Vec<i32>, KafkaError> {
        let asked = self.asked("list brokers");
        let metadata = self
            .client
            .client()
            .fetch_metadata(None, self.timeout)
            .map_err(|error| asked.error(&error).because(self.logs.trouble()))?;
        let mut ids: Vec<_> = metadata.brokers().iter().map(|broker| broker.id()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    pub fn broker_configs(&self, broker: i32) -> Result<Vec<ConfigEntry>, KafkaError> {
        let doing = format!("describe the settings of broker {broker}");
        let configs = self.native().broker_configs(broker);
        Ok(entries(configs.map_err(|failed| self.failed(&doing, failed))?))
    }

    /// What this client may do with each topic, by the topic's name. Topics that do not exist are
    /// absent.
    pub fn topic_rights(&self, topics: &[&str]) -> Result<BTreeMap<String, Rights>, KafkaError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let doing = format!("ask what may be done with topics {}", topics.join(", "));
        let known = self.native().topic_operations(topics);
        let known = known.map_err(|failed| self.failed(&doing, failed))?;
        let rights = known.into_iter().filter_map(|(name, known)| match known {
            Ok(operations) => Some((name, Rights::of(&operations))),
            Err((Code::TopicAuthorizationFailed, _)) => Some((name, Rights::NONE)),
            Err(_) => None,
        });
        Ok(rights.collect())
    }

    /// The same with a group; `None` where that can't be known before the group exists.
    pub fn group_rights(&self, group: &str) -> Result<Option<Rights>, KafkaError> {
        match self.native().group_operations(group) {
            Ok(operations) => Ok(Some(Rights::of(&operations))),
            Err((Code::GroupAuthorizationFailed, _)) => Ok(Some(Rights::NONE)),
            Err((Code::GroupIdNotFound, _)) => Ok(None),
            Err(failed) => {
                Err(self.failed(&format!("ask for the rights to group {group}"), failed))
            }
        }
    }

    pub fn create_topic(&self, topic: &NewTopic) -> Result<(), KafkaError> {
        let doing = format!("create topic {}", topic.name);
        let configs = topic.configs.iter().map(|(name, value)| (name.clone(), value.clone()));
        self.native()
            .create_topic(&topic.name, topic.partitions, topic.replication, configs)
            .map_err(|failed| self.failed(&doing, failed))
    }

    pub fn delete_topic(&self, topic: &str) -> Result<(), KafkaError> {
        let doing = format!("delete topic {topic}");
        self.native().delete_topic(topic).map_err(|failed| self.failed(&doing, failed))
    }

    /// Raises a topic's number of partitions to `partitions`.
    pub fn create_partitions(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        let doing = format!("give topic {topic} {partitions} partitions");
        let partitions = usize::try_from(partitions).unwrap_or(0);
        let created = self.native().create_partitions(topic, partitions);
        created.map_err(|failed| self.failed(&doing, failed))
    }

    /// Deletes the records of a partition before an offset, as retention would.
    pub fn delete_records(
        &self,
        partition: &TopicPartition,
        before: i64,
    ) -> Result<(), KafkaError> {
        let doing = format!("delete the records of {partition} before offset {before}");
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(
            &partition.topic,
            partition.partition,
            Offset::Offset(before.max(0)),
        )
        .expect("a plain offset");
        let rows = self.native().delete_records(&list);
        let rows = rows.map_err(|failed| self.failed(&doing, failed))?;
        match rows.into_iter().find_map(|row| row.error) {
            Some(code) => Err(self.asked(&doing).failed(code, None)),
            None => Ok(()),
        }
    }

    /// One answer for each question, in their order.
    pub fn offsets(
        &self,
        wanted: &[(TopicPartition, OffsetSpec)],
    ) -> Result<Vec<ListedOffset>, KafkaError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(wanted.len());
        for (partition, spec) in wanted {
            let at = match spec {
                OffsetSpec::Earliest => Offset::Beginning,
                OffsetSpec::Latest => Offset::End,
                OffsetSpec::Time(ms) => Offset::Offset((*ms).max(0)),
            };
            list.add_partition_offset(&partition.topic, partition.partition, at)
                .expect("these offsets are representable");
        }
        let mut rows = self.native().offsets(&list);
        if rows.as_ref().map_or(true, |rows| rows.iter().any(|row| row.error.is_some())) {
            // librdkafka goes on asking the leaders that it knows, for minutes, unless a broker says
            // that it is none; one that is gone says nothing.
            if let Err(error) = self.client.client().fetch_metadata(None, self.timeout) {
                return Err(self.asked("list log offsets").error(&error));
            }
            rows = self.native().offsets(&list);
        }
        let rows = rows.map_err(|failed| self.failed("list log offsets", failed))?;
        let answers: HashMap<(&str, i32), &Row> =
            rows.iter().map(|row| ((row.topic.as_str(), row.partition), row)).collect();
        Ok(wanted
            .iter()
            .map(|(partition, _)| {
                let row = answers.get(&(&*partition.topic, partition.partition));
                let doing = format!("list the log offset of {partition}");
                let offset = match row.map(|row| (row.error, row.offset)) {
                    Some((None, offset)) => Ok((offset >= 0).then_some(offset)),
                    Some((Some(code), _)) => Err(self.asked(&doing).failed(code, None)),
                    None => Err(self.asked(&doing).failed(Code::Unknown, None)),
                };
                ListedOffset { partition: partition.clone(), offset }
            })
            .collect())
    }

    pub(crate) fn native(&self) -> AdminClient<'_> {
        AdminClient::new(self.client.client().native_client(), self.timeout)
    }

    fn asked<'a>(&'a self, doing: &'a str) -> Asked<'a> {
        Asked { doing, servers: &self.servers, waited: self.timeout }
    }

    fn failed(&self, doing: &str, (code, reason): (Code, String)) -> KafkaError {
        self.asked(doing).failed(code, Some(reason)).because(self.logs.trouble())
    }
}

impl Rights {
    /// Nothing at all, not even seeing it.
    pub const NONE: Self = Self { known: true, read: false, write: false };

    /// From the numbers of Kafka's operations; a broker that tells none is one that does not tell.
    fn of(operations: &[i32]) -> Self {
        const READ: i32 = 3;
        const WRITE: i32 = 4;
        Self {
            known: !operations.is_empty(),
            read: operations.contains(&READ),
            write: operations.contains(&WRITE),
        }
    }
}

fn entries(settings: Vec<Setting>) -> Vec<ConfigEntry> {
    let entry = |(name, value, is_default)| ConfigEntry { name, value, is_default };
    settings.into_iter().map(entry).collect()
}

fn described(topic: &MetadataTopic) -> TopicDescription {
    let mut partitions: Vec<_> = topic
        .partitions()
        .iter()
        .map(|partition| TopicLayout {
            partition: partition.id(),
            leader: partition.leader(),
            replicas: partition.replicas().to_vec(),
            in_sync: partition.isr().to_vec(),
        })
        .collect();
    partitions.sort_by_key(|layout| layout.partition);
    TopicDescription { name: topic.name().to_owned(), partitions }
}
