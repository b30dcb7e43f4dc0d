//! Dead letters: from the core's wish to Kafka's acknowledgement (P6).
//!
//! Sending never blocks. How it ended is heard on the producer's thread and waits in a list that is
//! no longer than what the core has out; the subscription's loop takes it from there. Whatever goes
//! wrong is "not written": the core tries again, and the last error is shown.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use forebay_core::{Offset, PartitionId, Tenure};
use forebay_kafka::{Admin, KafkaError, NewTopic, Producer, Properties, Record, Send, SendError};
use forebay_wire::dead_letter::{self, DeadLetter, ForeignNames};
use tokio::sync::Notify;

/// How long looking up and making the topic may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a subscription's dead letters go.
#[derive(Clone)]
pub struct LettersPlan {
    pub properties: Properties,
    pub topic: String,
    /// Names for others, beside our own.
    pub foreign: Option<ForeignNames>,
}

/// Names a letter that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LetterId {
    pub(crate) partition: PartitionId,
    pub(crate) tenure: Tenure,
    pub(crate) offset: Offset,
}

pub(crate) struct Letters {
    plan: LettersPlan,
    producer: Producer,
    outcomes: Arc<Outcomes>,
    cluster: Arc<OnceLock<String>>,
}

/// What the producer's thread tells the subscription's.
struct Outcomes {
    list: Mutex<Vec<(LetterId, Result<(), KafkaError>)>>,
    news: Arc<Notify>,
}

impl Letters {
    /// Looks for the topic meanwhile, and makes it where it is missing.
    pub(crate) fn start(plan: LettersPlan, news: Arc<Notify>) -> Result<Self, KafkaError> {
        let producer = Producer::new(&plan.properties, "dead letters")?;
        let outcomes = Arc::new(Outcomes { list: Mutex::default(), news });
        let cluster = Arc::new(OnceLock::new());
        let (prepared, told) = (plan.clone(), cluster.clone());
        std::thread::Builder::new()
            .name("letters".into())
            .spawn(move || prepare(&prepared, &told))
            .map_err(|error| KafkaError::Client { reason: error.to_string() })?;
        Ok(Self { plan, producer, outcomes, cluster })
    }

    pub(crate) fn topic(&self) -> &str {
        &self.plan.topic
    }

    /// Sends `record` with its story. The outcome is heard by [`Letters::take`].
    pub(crate) fn send(&self, id: LetterId, record: &Record, story: DeadLetter) {
        let story = DeadLetter { cluster: self.cluster.get().cloned(), ..story };
        let mut added = story.headers();
        if let Some(names) = self.plan.foreign {
            added.extend(story.foreign_headers(names));
        }
        // What an earlier death said no longer holds.
        let own = record.headers().filter(|(name, _)| !name.starts_with(dead_letter::PREFIX));
        let mut headers: Vec<(&str, Option<&[u8]>)> = own.collect();
        headers.extend(added.iter().map(|(name, value)| (*name, Some(&**value))));
        let letter = Send {
            topic: &self.plan.topic,
            partition: None,
            key: record.key(),
            value: record.value(),
            headers: &headers,
            timestamp_ms: Some(record.timestamp_ms),
        };
        let outcomes = self.outcomes.clone();
        let told = Box::new(move |outcome: Result<_, KafkaError>| {
            outcomes.tell(id, outcome.map(|_| ()));
        });
        match self.producer.send(letter, told) {
            Ok(()) => {}
            Err(SendError::Full(told)) => {
                told(Err(KafkaError::Client { reason: "the producer's queue is full".to_owned() }))
            }
            Err(SendError::Refused(error)) => self.outcomes.tell(id, Err(error)),
        }
    }

    /// What has ended since the last call.
    pub(crate) fn take(&self) -> Vec<(LetterId, Result<(), KafkaError>)> {
        std::mem::take(&mut *self.outcomes.lock())
    }
}

impl Outcomes {
    fn tell(&self, id: LetterId, outcome: Result<(), KafkaError>) {
        self.lock().push((id, outcome));
        self.news.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(LetterId, Result<(), KafkaError>)>> {
        self.list.lock().expect("nothing that holds the lock panics")
    }
}

/// Kafka may be out of reach, and the topic may come to be without us: nothing here is needed for
/// sending, so nothing here is an error of the subscription's.
fn prepare(plan: &LettersPlan, cluster: &OnceLock<String>) {
    let topic = &plan.topic;
    let prepared = || -> Result<(), KafkaError> {
        let admin = Admin::new(&plan.properties, PATIENCE)?;
        let _ = cluster.set(admin.cluster_id()?);
        if admin.describe_topic(topic)?.is_none() {
            let configs = std::collections::BTreeMap::new();
            let new = NewTopic { name: topic.clone(), partitions: -1, replication: -1, configs };
            admin.create_topic(&new)?;
            tracing::info!("made the dead letter topic {topic}");
        }
        Ok(())
    };
    if let Err(error) = prepared() {
        tracing::warn!("the dead letter topic {topic}: {error}");
    }
}
