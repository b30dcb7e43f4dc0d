//! Questions that wait for the cluster, asked from a thread that may wait.
//!
//! The main one: where does a partition start? At the group's committed offset; without one, as
//! the policy says; but a partition that appeared after its topic was first read starts at its
//! beginning, so that `latest` loses nothing that was written before we saw it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::events::Stored;
use super::shared::{Command, Shared};
use super::{IntakeConfig, StartPolicy};
use crate::error::{Asked, KafkaError};
use crate::native::admin::AdminClient;
use crate::native::client::EventConsumer;
use crate::native::{Row, rows};
use crate::record::TopicPartition;

/// How long one request of a lookup may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);
/// Commits younger than this may come from members that start beside us.
const FRESH_MS: i64 = 60_000;

pub(super) enum Question {
    /// Where do these start? The number comes back with the answer.
    Start(u64, Vec<TopicPartition>),
    /// Where do these logs begin and end?
    Ends(Vec<TopicPartition>),
    /// Does anybody answer? Asking for a topic also refreshes what librdkafka knows of it.
    Probe(Arc<str>),
}

pub(super) enum Answer {
    Start(u64, Result<Vec<Found>, KafkaError>),
    /// Empty where nobody answered.
    Ends(Vec<Ends>),
    Probe(Result<(), String>),
}

/// A partition and where it starts.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) ends: Ends,
    pub(super) topic_id: Option<Arc<str>>,
    pub(super) stored: Option<Stored>,
    pub(super) start: Option<i64>,
}

/// A partition's log: first offset, and exclusive end of what can be read.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) partition: TopicPartition,
    pub(super) log_start: i64,
    pub(super) log_end: i64,
}

/// Answers questions until there is nobody left to ask them.
pub(super) fn spawn(
    config: &IntakeConfig,
    member: Arc<EventConsumer>,
    questions: Receiver<Question>,
    shared: Arc<Shared>,
) -> std::io::Result<JoinHandle<()>> {
    let mut lookup = Lookup {
        member,
        servers: config.properties.servers().to_owned(),
        group: config.group.clone(),
        policy: config.start,
        from_beginning: config.from_beginning.clone(),
        committed_at: config.committed_at,
        known: BTreeMap::new(),
    };
    std::thread::Builder::new().name("kafka-lookup".to_owned()).spawn(move || {
        while let Ok(question) = questions.recv() {
            let answer = lookup.answer(question);
            shared.command([Command::Answer(answer)]);
        }
    })
}

struct Lookup {
    member: Arc<EventConsumer>,
    servers: String,
    group: String,
    policy: StartPolicy,
    from_beginning: Vec<String>,
    committed_at: Option<fn(&str) -> Option<i64>>,
    /// How many partitions each topic had when this intake first saw it.
    known: BTreeMap<Arc<str>, i32>,
}

impl Lookup {
    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Start(ticket, partitions) => Answer::Start(ticket, self.start(&partitions)),
            Question::Ends(partitions) => {
                let ends = self.ends(&partitions).inspect_err(|error| {
                    tracing::debug!(%error, "the ends of logs are not known");
                });
                Answer::Ends(ends.unwrap_or_default())
            }
            Question::Probe(topic) => {
                let answer = self.member.base().fetch_metadata(Some(&topic), PROBE_PATIENCE);
                Answer::Probe(answer.map(drop).map_err(|error| error.to_string()))
            }
        }
    }

    fn start(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Found>, KafkaError> {
        let topics: BTreeSet<Arc<str>> = partitions.iter().map(|p| p.topic.clone()).collect();
        let ids = self.topic_ids(&topics)?;
        let mut counts = BTreeMap::new();
        for topic in topics {
            let highest = partitions.iter().filter(|p| p.topic == topic).map(|p| p.partition);
            let count = self.count(&topic)?.max(highest.max().map_or(0, |highest| highest + 1));
            self.known.entry(topic.clone()).or_insert(count);
            counts.insert(topic, count);
        }
        let committed = self.committed(&counts)?;
        let ends = self.ends(partitions)?;
        let by_time = self.by_time(partitions, &committed)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        Ok(ends
            .into_iter()
            .map(|ends| {
                let stored = committed.get(&ends.partition).cloned();
                let start = match &stored {
                    Some(stored) => Some(stored.offset),
                    None if self
                        .from_beginning
                        .iter()
                        .any(|topic| **topic == *ends.partition.topic) =>
                    {
                        Some(ends.log_start)
                    }
                    None if self.appeared_later(&ends.partition, &committed, now) => {
                        Some(ends.log_start)
                    }
                    None => match self.policy {
                        StartPolicy::Earliest => Some(ends.log_start),
                        StartPolicy::Latest => Some(ends.log_end),
                        StartPolicy::None => None,
                        StartPolicy::Time(_) => {
                            Some(*by_time.get(&ends.partition).unwrap_or(&ends.log_end))
                        }
                    },
                };
                let topic_id = ids.get(&*ends.partition.topic).cloned();
                Found { ends, topic_id, stored, start }
            })
            .collect())
    }

    fn topic_ids(
        &self,
        topics: &BTreeSet<Arc<str>>,
    ) -> Result<BTreeMap<String, Arc<str>>, KafkaError> {
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let doing = format!("look up the ids of topics {}", names.join(", "));
        let client = self.member.base().client().native_client();
        match AdminClient::new(client, PATIENCE).topic_ids(&names) {
            Ok(ids) => Ok(ids.into_iter().map(|(name, id)| (name, id.into())).collect()),
            // Before 2.8 there are none.
            Err((Code::UnsupportedFeature | Code::UnsupportedVersion, _)) => Ok(BTreeMap::new()),
            Err((code, reason)) => Err(self.asked(&doing).failed(code, Some(reason))),
        }
    }

    /// Whether a partition without a commit was added after the group had begun with its topic.
    fn appeared_later(
        &self,
        partition: &TopicPartition,
        committed: &BTreeMap<TopicPartition, Stored>,
        now: i64,
    ) -> bool {
        if self.known.get(&partition.topic).is_some_and(|known| partition.partition >= *known) {
            return true;
        }
        committed.iter().filter(|(other, _)| other.topic == partition.topic).any(|(_, stored)| {
            let at = self.committed_at.and_then(|read| read(&stored.metadata));
            at.is_none_or(|at| now.saturating_sub(at) > FRESH_MS)
        })
    }

    fn count(&self, topic: &str) -> Result<i32, KafkaError> {
        let doing = format!("look up topic {topic}");
        let asked = self.asked(&doing);
        let metadata = self
            .member
            .base()
            .fetch_metadata(Some(topic), PATIENCE)
            .map_err(|error| asked.error(&error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)))
    }

    fn committed(
        &self,
        counts: &BTreeMap<Arc<str>, i32>,
    ) -> Result<BTreeMap<TopicPartition, Stored>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (topic, count) in counts {
            for partition in 0..*count {
                list.add_partition(topic, partition);
            }
        }
        let doing = format!("read the committed offsets of group {}", self.group);
        let asked = self.asked(&doing);
        let list = self
            .member
            .base()
            .committed_offsets(list, PATIENCE)
            .map_err(|error| asked.error(&error))?;
        let mut committed = BTreeMap::new();
        for row in rows(&list) {
            if let Some(code) = row.error {
                return Err(asked.failed(code, None));
            }
            if row.offset >= 0 {
                let stored =
                    Stored { offset: row.offset, metadata: row.metadata.unwrap_or_default() };
                committed.insert(TopicPartition::new(row.topic, row.partition), stored);
            }
        }
        Ok(committed)
    }

    fn ends(&self, partitions: &[TopicPartition]) -> Result<Vec<Ends>, KafkaError> {
        let starts = self.list(partitions.iter(), Offset::Beginning)?;
        let ends = self.list(partitions.iter(), Offset::End)?;
        Ok(partitions
            .iter()
            .zip(starts.iter().zip(ends))
            .map(|(partition, (start, end))| Ends {
                partition: partition.clone(),
                log_start: start.offset,
                log_end: end.offset,
            })
            .collect())
    }

    fn by_time(
        &self,
        partitions: &[TopicPartition],
        committed: &BTreeMap<TopicPartition, Stored>,
    ) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
        let StartPolicy::Time(ms) = self.policy else { return Ok(BTreeMap::new()) };
        let wanted = || partitions.iter().filter(|partition| !committed.contains_key(*partition));
        let found = self.list(wanted(), Offset::Offset(ms.max(0)))?;
        Ok(wanted()
            .zip(found)
            .filter(|(_, row)| row.offset >= 0)
            .map(|(partition, row)| (partition.clone(), row.offset))
            .collect())
    }

    /// ListOffsets, by time or at an end, one row for each partition in their order.
    fn list<'a>(
        &self,
        partitions: impl Iterator<Item = &'a TopicPartition>,
        at: Offset,
    ) -> Result<Vec<Row>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&partition.topic, partition.partition, at)
                .expect("these offsets are representable");
        }
        if list.count() == 0 {
            return Ok(Vec::new());
        }
        let asked = self.asked("look up log offsets");
        let list = self
            .member
            .base()
            .offsets_for_times(list, PATIENCE)
            .map_err(|error| asked.error(&error))?;
        let rows = rows(&list);
        match rows.iter().find_map(|row| row.error.map(|code| (row, code))) {
            Some((row, code)) => {
                let reason = format!("{}-{}: {code}", row.topic, row.partition);
                Err(asked.failed(code, Some(reason)))
            }
            None => Ok(rows),
        }
    }

    fn asked<'a>(&'a self, doing: &'a str) -> Asked<'a> {
        Asked { doing, servers: &self.servers, waited: PATIENCE }
    }
}
