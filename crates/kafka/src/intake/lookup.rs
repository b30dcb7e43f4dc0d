//! Questions that wait for the cluster, asked from a thread that may wait. The main one, where
//! partitions start, has a file of its own.

mod starts;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::book::Book;
use super::shared::{Command, Shared};
use super::{IntakeConfig, StartPolicy};
use crate::error::{Asked, KafkaError, may_pass};
use crate::native::admin::{AdminClient, NativeMember, Setting};
use crate::native::client::EventConsumer;
use crate::native::rows;
use crate::record::TopicPartition;

pub(super) use starts::{Found, NoStart, Starting};

/// How long one request of a lookup may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

pub(super) enum Question {
    /// Where do these start? The number comes back with the answer. Those of `afresh` are of a topic
    /// that was made anew.
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
    /// For how long does the broker take a member for alive that commits, and then says nothing?
    Session,
    /// From now on this is the member.
    Member(Arc<EventConsumer>),
}

pub(super) enum Answer {
    Start(u64, Starting),
    /// Empty where nobody answered.
    Ends(Vec<Ends>),
    Probe(Result<(), String>),
    /// Empty where nobody answered.
    Survey(Vec<Seen>),
    Session(Result<Duration, KafkaError>),
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

impl Lookup {
    fn answer(&mut self, question: Question) -> Option<Answer> {
        Some(match question {
            Question::Start { ticket, partitions, afresh } => {
                Answer::Start(ticket, self.starts(partitions, &afresh))
            }
            Question::Ends(partitions) => {
                let ends = self.ends(&partitions).unwrap_or_else(|error| vec![Err(error)]);
                let told = ends.into_iter().filter_map(|ends| {
                    let unknown =
                        |error: &_| tracing::debug!(%error, "the ends of a log are not known");
                    ends.inspect_err(unknown).ok()
                });
                Answer::Ends(told.collect())
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
            Question::Session => Answer::Session(self.session()),
            Question::Members => Answer::Members(self.members()),
            Question::Member(member) => {
                self.member = member;
                return None;
            }
        })
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

    /// The group's own setting, which brokers since Kafka 3.8 tell, theirs where it has none; or the
    /// shortest of all brokers, for any may come to coordinate the group.
    fn session(&self) -> Result<Duration, KafkaError> {
        let doing = format!("ask how long a session of group {} is", self.group);
        let asked = self.asked(&doing);
        let failed = |(code, reason)| asked.failed(code, Some(reason));
        let told = self.admin().group_configs(&self.group);
        match told.map(|settings| session_in(&settings, "consumer")) {
            Ok(Some(session)) => return Ok(session),
            Err((Code::GroupAuthorizationFailed, reason)) => {
                return Err(failed((Code::GroupAuthorizationFailed, reason)));
            }
            Err((code, reason)) if may_pass(code) => return Err(failed((code, reason))),
            // Such a group has no settings of its own there.
            Ok(None) | Err(_) => {}
        }
        let known = self.member.base().fetch_metadata(None, PATIENCE);
        let known = known.map_err(|error| asked.error(&error))?;
        let mut shortest = None;
        for broker in known.brokers() {
            let settings = self.admin().broker_configs(broker.id()).map_err(failed)?;
            let session = session_in(&settings, "group.consumer");
            shortest = shortest.into_iter().chain(session).min();
        }
        shortest.ok_or_else(|| {
            failed((Code::UnsupportedFeature, "there is no such setting".to_owned()))
        })
    }

    fn admin(&self) -> AdminClient<'_> {
        AdminClient::new(self.member.base().client().native_client(), PATIENCE)
    }

    /// One answer for each partition, in their order.
    fn ends(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<Ends, KafkaError>>, KafkaError> {
        let starts = self.list(partitions, Offset::Beginning)?;
        let ends = self.list(partitions, Offset::End)?;
        let both = partitions.iter().zip(starts.into_iter().zip(ends));
        let ends = both.map(|(partition, (start, end))| {
            Ok(Ends { partition: partition.clone(), log_start: start?, log_end: end? })
        });
        Ok(ends.collect())
    }

    /// ListOffsets, by time or at an end: one offset for each partition, in their order.
    fn list(
        &self,
        partitions: &[TopicPartition],
        at: Offset,
    ) -> Result<Vec<Result<i64, KafkaError>>, KafkaError> {
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
        let offsets = rows(&list).into_iter().map(|row| match row.error {
            Some(code) => {
                let reason = format!("{}-{}: {code}", row.topic, row.partition);
                Err(asked.failed(code, Some(reason)))
            }
            None => Ok(row.offset),
        });
        Ok(offsets.collect())
    }

    fn asked<'a>(&'a self, doing: &'a str) -> Asked<'a> {
        Asked { doing, servers: &self.servers, waited: PATIENCE }
    }
}

/// A session counts from the last heartbeat, which may be an interval older than a commit.
fn session_in(settings: &[Setting], of: &str) -> Option<Duration> {
    let told = |what: &str| {
        let (_, value, _) =
            settings.iter().find(|(name, ..)| *name == format!("{of}.{what}.ms"))?;
        value.as_ref()?.parse().ok().map(Duration::from_millis)
    };
    Some(told("session.timeout")?.saturating_sub(told("heartbeat.interval")?))
}
