//! Questions that wait for the cluster, asked from a thread that may wait.
//!
//! The main one: where does a partition start? At the group's committed offset, unless that is of
//! a former topic of this name; else as the policy says. `latest` and a time say it once for each
//! topic, for all its partitions, and the [`Book`] keeps it: what the group has met before is never
//! met for the first time again, so nothing that was written meanwhile is passed over. A partition
//! that is not in the book starts at its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay_wire::Starts;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::book::Book;
use super::events::Stored;
use super::shared::{Command, Shared};
use super::{IntakeConfig, StartPolicy};
use crate::error::{Asked, KafkaError};
use crate::native::admin::{AdminClient, NativeMember};
use crate::native::client::EventConsumer;
use crate::native::{Row, rows};
use crate::record::TopicPartition;

/// How long one request of a lookup may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

pub(super) enum Question {
    /// Where do these start? The number comes back with the answer. Those of `afresh` are known to
    /// be of a topic that was made anew: what is committed of them is of the former one.
    Start { ticket: u64, partitions: Vec<TopicPartition>, afresh: BTreeSet<TopicPartition> },
    /// Where do these logs begin and end?
    Ends(Vec<TopicPartition>),
    /// Does anybody answer? Asking for a topic also refreshes what librdkafka knows of it.
    Probe(Arc<str>),
    /// Are these topics there, and which are they?
    Survey(Vec<Arc<str>>),
    /// Have the member look at all topics now, so that its group hears of what has changed.
    Refresh,
    /// Who is in the group?
    Members,
    /// From now on this is the member.
    Member(Arc<EventConsumer>),
}

pub(super) enum Answer {
    Start(u64, Result<Vec<Found>, KafkaError>),
    /// Empty where nobody answered.
    Ends(Vec<Ends>),
    Probe(Result<(), String>),
    /// Empty where nobody answered.
    Survey(Vec<Seen>),
    /// None where nobody answered, or the group is being rebalanced.
    Members(Option<Vec<NativeMember>>),
}

/// A topic as a survey found it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) topic: Arc<str>,
    /// None from brokers before 2.8.
    pub(super) id: Option<Arc<str>>,
    /// How many; none where the topic is not there, or not for us.
    pub(super) partitions: Option<i32>,
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
        keeps_book: config.keeps_book,
        from_beginning: config.from_beginning.clone(),
        committed_for: config.committed_for,
        book: Book::new(config.properties.clone(), config.group.clone()),
    };
    std::thread::Builder::new().name("kafka-lookup".to_owned()).spawn(move || {
        while let Ok(question) = questions.recv() {
            if let Some(answer) = lookup.answer(question) {
                shared.command([Command::Answer(answer)]);
            }
        }
    })
}

struct Lookup {
    member: Arc<EventConsumer>,
    servers: String,
    group: String,
    policy: StartPolicy,
    keeps_book: bool,
    from_beginning: Vec<String>,
    committed_for: Option<fn(&str) -> Option<String>>,
    book: Book,
}

/// What is known of a topic before its partitions' starts are.
struct Topic {
    id: Option<Arc<str>>,
    partitions: i32,
}

impl Lookup {
    fn answer(&mut self, question: Question) -> Option<Answer> {
        Some(match question {
            Question::Start { ticket, partitions, afresh } => {
                Answer::Start(ticket, self.start(&partitions, &afresh))
            }
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
            Question::Survey(topics) => Answer::Survey(self.survey(&topics)),
            Question::Refresh => {
                // Only an answer about all topics makes librdkafka look at its subscription.
                if let Err(error) = self.member.base().fetch_metadata(None, PROBE_PATIENCE) {
                    tracing::debug!(%error, "the topics are not known");
                }
                return None;
            }
            Question::Members => Answer::Members(self.members()),
            Question::Member(member) => {
                self.member = member;
                return None;
            }
        })
    }

    fn start(
        &mut self,
        partitions: &[TopicPartition],
        afresh: &BTreeSet<TopicPartition>,
    ) -> Result<Vec<Found>, KafkaError> {
        let topics = self.topics(partitions)?;
        // Before the book is opened: whoever commits has written there first.
        let stored = self.committed(&topics)?;
        let current = |partition: &TopicPartition| {
            let stored = stored.get(partition).filter(|_| !afresh.contains(partition))?;
            let of = self.committed_for.and_then(|read| read(&stored.metadata));
            let is = topics[&partition.topic].id.as_deref();
            let former = matches!((&of, is), (Some(of), Some(is)) if of != is);
            (!former).then_some(stored)
        };
        let mut committed = BTreeMap::new();
        let mut met: BTreeSet<Arc<str>> = BTreeSet::new();
        for partition in stored.keys().chain(afresh) {
            met.insert(partition.topic.clone());
            if let Some(stored) = current(partition) {
                committed.insert(partition.clone(), stored.clone());
            }
        }
        let former = |partition: &TopicPartition| {
            let known = stored.contains_key(partition) || afresh.contains(partition);
            known && !committed.contains_key(partition)
        };
        for (name, topic) in &topics {
            if self.is_booked(name) {
                self.open_book(name, topic, &committed, met.contains(name))?;
            }
        }
        let ends = self.ends(partitions)?;
        let found = ends.into_iter().map(|ends| {
            let stored = committed.get(&ends.partition).cloned();
            let topic = &topics[&ends.partition.topic];
            let start = match &stored {
                Some(stored) => Some(stored.offset),
                None if former(&ends.partition) => Some(ends.log_start),
                None => self.uncommitted(&ends, topic.id.as_deref()),
            };
            Found { ends, topic_id: topic.id.clone(), stored, start }
        });
        Ok(found.collect())
    }

    /// Where a partition of which nothing is committed starts.
    fn uncommitted(&self, ends: &Ends, topic_id: Option<&str>) -> Option<i64> {
        let TopicPartition { topic, partition } = &ends.partition;
        if self.is_booked(topic) {
            let starts = self.book.remembered(topic);
            let start = starts.and_then(|starts| starts.offset(topic_id, *partition));
            return Some(start.unwrap_or(ends.log_start));
        }
        match self.policy {
            StartPolicy::None if !self.begins(topic) => None,
            _ => Some(ends.log_start),
        }
    }

    /// Whether all of this topic is read from its beginning, whatever the policy.
    fn begins(&self, topic: &str) -> bool {
        self.from_beginning.iter().any(|name| name == topic)
    }

    /// Whether starts of this topic depend on when it was met.
    fn is_booked(&self, topic: &str) -> bool {
        matches!(self.policy, StartPolicy::Latest | StartPolicy::Time(_)) && !self.begins(topic)
    }

    /// Makes sure that the book says where the topic began.
    fn open_book(
        &mut self,
        name: &str,
        topic: &Topic,
        committed: &BTreeMap<TopicPartition, Stored>,
        met: bool,
    ) -> Result<(), KafkaError> {
        if self.book.remembered(name).is_some() {
            return Ok(());
        }
        let member = self.member.clone();
        let admin = AdminClient::new(member.base().client().native_client(), PATIENCE);
        if self.keeps_book && self.book.find(&admin, name)?.is_some() {
            return Ok(());
        }
        let starts = self.begin(name, topic, committed, met)?;
        if self.keeps_book {
            let starts = self.book.write(&admin, name, &starts)?;
            tracing::info!(group = self.group, "{name} is met for the first time: {starts:?}");
        } else {
            self.book.remember(name, starts);
        }
        Ok(())
    }

    /// Where a topic that the book does not know begins. Of one that the group has met without the
    /// book, only what is committed is known; the rest starts at its beginning.
    fn begin(
        &self,
        name: &str,
        topic: &Topic,
        committed: &BTreeMap<TopicPartition, Stored>,
        met: bool,
    ) -> Result<Starts, KafkaError> {
        let all = (0..topic.partitions).map(|number| TopicPartition::new(name, number));
        let all: Vec<TopicPartition> = all.collect();
        let mut offsets = BTreeMap::new();
        for partition in &all {
            if let Some(stored) = committed.get(partition) {
                offsets.insert(partition.partition, stored.offset);
            }
        }
        if !met {
            let ends = self.list(&all, Offset::End)?;
            let by_time = match self.policy {
                StartPolicy::Time(ms) => self.list(&all, Offset::Offset(ms.max(0)))?,
                _ => ends.clone(),
            };
            for (end, found) in ends.iter().zip(by_time) {
                // No record is that young.
                let offset = if found.offset < 0 { end.offset } else { found.offset };
                offsets.insert(end.partition, offset);
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Starts {
            topic_id: topic.id.as_deref().map(str::to_owned),
            at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            offsets,
        })
    }

    /// The topics of these partitions; each has at least as many partitions as are named.
    fn topics(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<Arc<str>, Topic>, KafkaError> {
        let mut topics: BTreeMap<Arc<str>, Topic> = BTreeMap::new();
        for TopicPartition { topic, partition } in partitions {
            let none = || Topic { id: None, partitions: 0 };
            let topic = topics.entry(topic.clone()).or_insert_with(none);
            topic.partitions = topic.partitions.max(partition + 1);
        }
        let names: Vec<&str> = topics.keys().map(|topic| &**topic).collect();
        let doing = format!("look up topics {}", names.join(", "));
        let asked = self.asked(&doing);
        let described = match self.admin().topics(&names) {
            // Before 2.8 there are no ids; what was assigned is there.
            Err((Code::UnsupportedFeature | Code::UnsupportedVersion, _)) => Vec::new(),
            other => other.map_err(|(code, reason)| asked.failed(code, Some(reason)))?,
        };
        for found in described {
            if let Some((code, reason)) = found.error {
                return Err(asked.failed(code, Some(reason)));
            }
            if let Some(topic) = topics.get_mut(&*found.name) {
                topic.id = found.id.map(Into::into);
                topic.partitions = topic.partitions.max(found.partitions);
            }
        }
        Ok(topics)
    }

    fn survey(&self, topics: &[Arc<str>]) -> Vec<Seen> {
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let described = self.admin().topics(&names).unwrap_or_else(|(code, reason)| {
            tracing::debug!(%code, reason, "the topics are not known");
            Vec::new()
        });
        let seen = described.into_iter().map(|found| Seen {
            topic: found.name.into(),
            id: found.id.map(Into::into),
            partitions: found.error.is_none().then_some(found.partitions),
        });
        seen.collect()
    }

    fn members(&self) -> Option<Vec<NativeMember>> {
        let described = self.admin().describe_groups(&[&self.group]);
        let described = described.inspect_err(|(code, reason)| {
            tracing::debug!(%code, reason, "the members of the group are not known");
        });
        let group = described.ok()?.pop()?;
        let settled = group.error.is_none() && group.state == "Stable";
        settled.then_some(group.members)
    }

    fn admin(&self) -> AdminClient<'_> {
        AdminClient::new(self.member.base().client().native_client(), PATIENCE)
    }

    fn committed(
        &self,
        topics: &BTreeMap<Arc<str>, Topic>,
    ) -> Result<BTreeMap<TopicPartition, Stored>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (name, topic) in topics {
            for partition in 0..topic.partitions {
                list.add_partition(name, partition);
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
                let (offset, leader_epoch) = (row.offset, row.leader_epoch);
                let metadata = row.metadata.unwrap_or_default();
                let stored = Stored { offset, metadata, leader_epoch };
                committed.insert(TopicPartition::new(row.topic, row.partition), stored);
            }
        }
        Ok(committed)
    }

    fn ends(&self, partitions: &[TopicPartition]) -> Result<Vec<Ends>, KafkaError> {
        let starts = self.list(partitions, Offset::Beginning)?;
        let ends = self.list(partitions, Offset::End)?;
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

    /// ListOffsets, by time or at an end, one row for each partition in their order.
    fn list(&self, partitions: &[TopicPartition], at: Offset) -> Result<Vec<Row>, KafkaError> {
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
