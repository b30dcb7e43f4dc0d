//! Where do partitions start? At the group's committed offset, unless that is of a former topic of
//! this name; else as the policy says. `latest` and a time say it once for each topic, for all its
//! partitions, and the [`Book`](super::super::book::Book) keeps it: what the group has met before is
//! never met for the first time again, so nothing that was written meanwhile is passed over. A
//! partition that is not in the book starts at its beginning.
//!
//! A partition of which it can't be found out, or that is not there, holds up no other one; a topic
//! of which something can't be found out that its partitions share holds up no other topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_wire::Starts;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::{Ends, Lookup, PATIENCE};
use crate::error::KafkaError;
use crate::intake::StartPolicy;
use crate::intake::book::Damaged;
use crate::intake::events::Stored;
use crate::native::admin::AdminClient;
use crate::native::rows;
use crate::record::TopicPartition;

/// A partition and where it starts.
#[derive(Debug)]
pub(in crate::intake) struct Found {
    pub(in crate::intake) ends: Ends,
    pub(in crate::intake) topic_id: Option<Arc<str>>,
    /// How many its topic has.
    pub(in crate::intake) partitions: i32,
    pub(in crate::intake) stored: Option<Stored>,
    pub(in crate::intake) start: Option<i64>,
    /// See [`Assigned`](crate::intake::Assigned).
    pub(in crate::intake) start_lost: Option<String>,
}

/// Why a partition has no start yet.
#[derive(Clone, Debug)]
pub(in crate::intake) enum NoStart {
    /// Its topic has only so many partitions.
    Absent(i32),
    /// It could not be found out.
    Unknown(KafkaError),
}

/// What was asked for, each with its answer.
pub(in crate::intake) type Starting = Vec<(TopicPartition, Result<Found, NoStart>)>;

/// What is known of a topic before its partitions' starts are.
struct Topic {
    id: Option<Arc<str>>,
    /// How many there are.
    partitions: i32,
    /// How many there would be if all that was asked for were there.
    asked: i32,
}

type Topics = BTreeMap<Arc<str>, Topic>;
type Unknown = BTreeMap<Arc<str>, KafkaError>;

/// What the group has committed of these topics, and what of that counts.
struct Committed {
    /// Of the topics that are there now.
    of_present: BTreeMap<TopicPartition, Stored>,
    /// Those of which something is known to be of a former topic.
    of_former: BTreeSet<TopicPartition>,
}

impl Committed {
    /// Whether the group has met this topic, be it a former one of its name.
    fn has_met(&self, topic: &str) -> bool {
        let mut known = self.of_present.keys().chain(&self.of_former);
        known.any(|partition| &*partition.topic == topic)
    }
}

impl Lookup {
    /// Those of `afresh` are known to be of a topic that was made anew: what is committed of them is
    /// of the former one.
    pub(super) fn starts(
        &mut self,
        partitions: Vec<TopicPartition>,
        afresh: &BTreeSet<TopicPartition>,
    ) -> Starting {
        self.find_starts(&partitions, afresh).unwrap_or_else(|error| {
            let unknown = |partition| (partition, Err(NoStart::Unknown(error.clone())));
            partitions.into_iter().map(unknown).collect()
        })
    }

    fn find_starts(
        &mut self,
        partitions: &[TopicPartition],
        afresh: &BTreeSet<TopicPartition>,
    ) -> Result<Starting, KafkaError> {
        let mut unknown = Unknown::new();
        let topics = self.topics(partitions, &mut unknown)?;
        // Before the book is opened: whoever commits has written there first.
        let stored = self.committed(&topics, &mut unknown)?;
        let committed = self.sort_out(stored, &topics, afresh);
        for (name, topic) in &topics {
            if self.is_booked(name)
                && !unknown.contains_key(name)
                && let Err(error) = self.open_book(name, topic, &committed)
            {
                unknown.insert(name.clone(), error);
            }
        }
        let is_there = |partition: &&TopicPartition| {
            !unknown.contains_key(&partition.topic)
                && topics
                    .get(&partition.topic)
                    .is_some_and(|it| partition.partition < it.partitions)
        };
        let there: Vec<TopicPartition> = partitions.iter().filter(is_there).cloned().collect();
        let mut ends: BTreeMap<_, _> = there.iter().cloned().zip(self.ends(&there)?).collect();
        let answer = |partition: &TopicPartition| {
            let answer = match (unknown.get(&partition.topic), ends.remove(partition)) {
                (Some(error), _) => Err(NoStart::Unknown(error.clone())),
                (None, None) => Err(NoStart::Absent(topics[&partition.topic].partitions)),
                (None, Some(Err(error))) => Err(NoStart::Unknown(error)),
                (None, Some(Ok(ends))) => {
                    Ok(self.found(ends, &topics[&partition.topic], &committed))
                }
            };
            (partition.clone(), answer)
        };
        Ok(partitions.iter().map(answer).collect())
    }

    fn found(&self, ends: Ends, topic: &Topic, committed: &Committed) -> Found {
        let stored = committed.of_present.get(&ends.partition).cloned();
        let start = match &stored {
            Some(stored) => Ok(Some(stored.offset)),
            None if committed.of_former.contains(&ends.partition) => Ok(Some(ends.log_start)),
            None => self.uncommitted(&ends, topic.id.as_deref()),
        };
        let (start, start_lost) = match start {
            Ok(start) => (start, None),
            Err(damaged) => (None, Some(damaged.to_string())),
        };
        let (topic_id, partitions) = (topic.id.clone(), topic.partitions);
        Found { ends, topic_id, partitions, stored, start, start_lost }
    }

    /// Where a partition of which nothing is committed starts.
    fn uncommitted(&self, ends: &Ends, topic_id: Option<&str>) -> Result<Option<i64>, Damaged> {
        let TopicPartition { topic, partition } = &ends.partition;
        if self.is_booked(topic) {
            let start = match self.book.remembered(topic) {
                Some(Ok(starts)) => starts.offset(topic_id, *partition),
                Some(Err(damaged)) => return Err(damaged.clone()),
                None => None,
            };
            return Ok(Some(start.unwrap_or(ends.log_start)));
        }
        Ok(match self.policy {
            StartPolicy::None if !self.begins(topic) => None,
            _ => Some(ends.log_start),
        })
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
        committed: &Committed,
    ) -> Result<(), KafkaError> {
        if self.book.remembered(name).is_some() {
            return Ok(());
        }
        let member = self.member.clone();
        let admin = AdminClient::new(member.base().client().native_client(), PATIENCE);
        if self.keeps_book && self.book.find(&admin, name)?.is_some() {
            return Ok(());
        }
        let starts = self.begin(name, topic, committed)?;
        if self.keeps_book {
            let count = starts.offsets.len();
            self.book.write(&admin, name, &starts)?;
            tracing::info!(
                group = self.group,
                "{name} is met for the first time, with {count} partitions"
            );
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
        committed: &Committed,
    ) -> Result<Starts, KafkaError> {
        let all = (0..topic.partitions).map(|number| TopicPartition::new(name, number));
        let all: Vec<TopicPartition> = all.collect();
        let mut offsets = BTreeMap::new();
        for partition in &all {
            if let Some(stored) = committed.of_present.get(partition) {
                offsets.insert(partition.partition, stored.offset);
            }
        }
        if !committed.has_met(name) {
            let ends = self.list(&all, Offset::End)?;
            let by_time = match self.policy {
                StartPolicy::Time(ms) => self.list(&all, Offset::Offset(ms.max(0)))?,
                _ => ends.clone(),
            };
            for ((partition, end), found) in all.iter().zip(ends).zip(by_time) {
                let (end, found) = (end?, found?);
                // No record is that young.
                offsets.insert(partition.partition, if found < 0 { end } else { found });
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Starts {
            topic_id: topic.id.as_deref().map(str::to_owned),
            at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            offsets,
        })
    }

    /// The topics of these partitions, as far as they are known.
    fn topics(
        &self,
        partitions: &[TopicPartition],
        unknown: &mut Unknown,
    ) -> Result<Topics, KafkaError> {
        let mut topics = Topics::new();
        for TopicPartition { topic, partition } in partitions {
            let none = || Topic { id: None, partitions: 0, asked: 0 };
            let topic = topics.entry(topic.clone()).or_insert_with(none);
            topic.asked = topic.asked.max(partition + 1);
            topic.partitions = topic.asked;
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
                topics.remove(&*found.name);
                let doing = format!("look up topic {}", found.name);
                let error = self.asked(&doing).failed(code, Some(reason));
                unknown.insert(found.name.into(), error);
            } else if let Some(topic) = topics.get_mut(&*found.name) {
                topic.id = found.id.map(Into::into);
                topic.partitions = found.partitions;
            }
        }
        Ok(topics)
    }

    fn committed(
        &self,
        topics: &Topics,
        unknown: &mut Unknown,
    ) -> Result<BTreeMap<TopicPartition, Stored>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (name, topic) in topics {
            for partition in 0..topic.partitions.max(topic.asked) {
                list.add_partition(name, partition);
            }
        }
        if list.count() == 0 {
            return Ok(BTreeMap::new());
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
                unknown.insert(row.topic.into(), asked.failed(code, None));
            } else if row.offset >= 0 {
                let (offset, leader_epoch) = (row.offset, row.leader_epoch);
                let metadata = row.metadata.unwrap_or_default();
                let stored = Stored { offset, metadata, leader_epoch };
                committed.insert(TopicPartition::new(row.topic, row.partition), stored);
            }
        }
        Ok(committed)
    }

    /// Parts what is of the topics that are there from what is of former ones.
    fn sort_out(
        &self,
        stored: BTreeMap<TopicPartition, Stored>,
        topics: &Topics,
        afresh: &BTreeSet<TopicPartition>,
    ) -> Committed {
        let is_former = |partition: &TopicPartition, stored: &Stored| {
            let of = self.committed_for.and_then(|read| read(&stored.metadata));
            let is = topics[&partition.topic].id.as_deref();
            let another = matches!((&of, is), (Some(of), Some(is)) if of != is);
            another || afresh.contains(partition)
        };
        let (former, of_present): (BTreeMap<_, _>, BTreeMap<_, _>) =
            stored.into_iter().partition(|(partition, stored)| is_former(partition, stored));
        let of_former = former.into_keys().chain(afresh.iter().cloned()).collect();
        Committed { of_present, of_former }
    }
}
