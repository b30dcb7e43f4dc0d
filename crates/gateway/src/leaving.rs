//! Records that leave for another topic, dead letters and parked ones: from the core's wish to
//! Kafka's acknowledgement (P6).
//!
//! Sending never blocks. How it ended is heard on the producer's thread and waits in a list that is
//! no longer than what the core has out; the subscription's loop takes it from there. Whatever goes
//! wrong is "not written": the core tries again, and the last error is shown.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use forebay_core::{Offset, PartitionId, Tenure};
use forebay_kafka::{
    Admin, KafkaError, NewTopic, Produced, Producer, Properties, Record, Send, SendError,
};
use tokio::sync::Notify;

/// How long looking up and making the topic may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names a record that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeavingId {
    pub(crate) partition: PartitionId,
    pub(crate) tenure: Tenure,
    pub(crate) offset: Offset,
}

/// Writes to one topic.
pub(crate) struct Leaving {
    topic: String,
    producer: Producer,
    outcomes: Arc<Outcomes>,
    cluster: Arc<OnceLock<String>>,
}

type Outcome = (LeavingId, Result<Produced, KafkaError>);

/// What the producer's thread tells the subscription's.
struct Outcomes {
    list: Mutex<Vec<Outcome>>,
    news: Arc<Notify>,
}

impl Leaving {
    /// Looks for the topic meanwhile, and makes it where it is missing. `what` it is, in words.
    pub(crate) fn start(
        properties: &Properties,
        topic: &str,
        what: &'static str,
        news: Arc<Notify>,
    ) -> Result<Self, KafkaError> {
        let producer = Producer::new(properties, what)?;
        let outcomes = Arc::new(Outcomes { list: Mutex::default(), news });
        let cluster = Arc::new(OnceLock::new());
        let (properties, told) = (properties.clone(), cluster.clone());
        let prepared = topic.to_owned();
        std::thread::Builder::new()
            .name("prepare-topic".into())
            .spawn(move || prepare(&properties, &prepared, what, &told))
            .map_err(|error| KafkaError::Client { reason: error.to_string() })?;
        Ok(Self { topic: topic.to_owned(), producer, outcomes, cluster })
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// The cluster's id, once it is known.
    pub(crate) fn cluster(&self) -> Option<&str> {
        self.cluster.get().map(String::as_str)
    }

    /// Sends `record` with those of its headers that it `keeps`, and others added. The outcome is
    /// heard by [`Leaving::take`].
    pub(crate) fn send(
        &self,
        id: LeavingId,
        record: &Record,
        to: Option<i32>,
        keeps: impl Fn(&str, Option<&[u8]>) -> bool,
        added: &[(&'static str, Vec<u8>)],
    ) {
        let own = record.headers().filter(|(name, value)| keeps(name, *value));
        let mut headers: Vec<(&str, Option<&[u8]>)> = own.collect();
        headers.extend(added.iter().map(|(name, value)| (*name, Some(&**value))));
        let letter = Send {
            topic: &self.topic,
            partition: to,
            key: record.key(),
            value: record.value(),
            headers: &headers,
            timestamp_ms: Some(record.timestamp_ms),
        };
        let outcomes = self.outcomes.clone();
        let told = Box::new(move |outcome: Result<_, KafkaError>| outcomes.tell(id, outcome));
        match self.producer.send(letter, told) {
            Ok(()) => {}
            Err(SendError::Full(told)) => {
                told(Err(KafkaError::Client { reason: "the producer's queue is full".to_owned() }))
            }
            Err(SendError::Refused(error)) => self.outcomes.tell(id, Err(error)),
        }
    }

    /// What has ended since the last call.
    pub(crate) fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.outcomes.lock())
    }
}

impl Outcomes {
    fn tell(&self, id: LeavingId, outcome: Result<Produced, KafkaError>) {
        self.lock().push((id, outcome));
        self.news.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Outcome>> {
        self.list.lock().expect("nothing that holds the lock panics")
    }
}

/// Kafka may be out of reach, and the topic may come to be without us: nothing here is needed for
/// sending, so nothing here is an error of the subscription's.
fn prepare(properties: &Properties, topic: &str, what: &str, cluster: &OnceLock<String>) {
    let prepared = || -> Result<(), KafkaError> {
        let admin = Admin::new(properties, PATIENCE)?;
        let _ = cluster.set(admin.cluster_id()?);
        if admin.describe_topic(topic)?.is_none() {
            let configs = std::collections::BTreeMap::new();
            let new = NewTopic { name: topic.to_owned(), partitions: -1, replication: -1, configs };
            admin.create_topic(&new)?;
            tracing::info!("made {topic} for {what}");
        }
        Ok(())
    };
    if let Err(error) = prepared() {
        tracing::warn!("{topic}, for {what}: {error}");
    }
}
