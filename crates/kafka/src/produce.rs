//! Producing: idempotent, acknowledged by all in-sync replicas, bounded in memory.
//!
//! A full queue is back-pressure, never an error and never a block: `send` gives the record back.
//! Records with a key go where Java's default partitioner sends them (murmur2).

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};

use crate::error::{Asked, KafkaError};
use crate::logs::Logs;
use crate::native::token::WithToken;
use crate::properties::Properties;

/// A record to produce. Everything is copied on [`Producer::send`].
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    pub topic: &'a str,
    /// `None`: by the key, or any partition without one.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Milliseconds since the epoch; `None`: now.
    pub timestamp_ms: Option<i64>,
}

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    pub partition: i32,
    pub offset: i64,
}

/// Told once how sending a record ended, on the producer's thread. It must not block.
pub type Delivery = Box<dyn FnOnce(Result<Produced, KafkaError>) + std::marker::Send + Sync>;

/// Why a record was not taken.
pub enum SendError {
    /// The queue is full: wait (for a delivery, or with [`Producer::wait_for_room`]), then send it
    /// again. The delivery is given back uncalled.
    Full(Delivery),
    /// It never can be sent so: too large, no such partition, a name with a zero byte.
    Refused(KafkaError),
}

/// What the sending threads and the answering one share.
struct Context {
    logs: Logs,
    servers: String,
    in_flight: AtomicUsize,
    answered: Mutex<u64>,
    room: Condvar,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.logs.log(level, facility, line);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        self.logs.error(error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Self::DeliveryOpaque) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        delivery(match result {
            Ok(message) => {
                Ok(Produced { partition: message.partition(), offset: message.offset() })
            }
            Err((error, message)) => Err(self.failed(message.topic(), error)),
        });
        *self.answered.lock().expect("nothing that holds the lock panics") += 1;
        self.room.notify_all();
    }
}

impl Context {
    fn failed(&self, topic: &str, error: &rdkafka::error::KafkaError) -> KafkaError {
        let doing = format!("produce to topic {topic}");
        Asked { doing: &doing, servers: &self.servers, waited: Duration::ZERO }
            .error(error)
            .because(self.logs.trouble())
    }
}

/// A producer with a thread of its own for answers. Cheap to share by reference.
pub struct Producer {
    inner: WithToken<ThreadedProducer<Context>>,
}

impl Producer {
    /// `name` says in logs whose producer it is. Unreachable clusters are waited for, each record
    /// for `delivery.timeout.ms` at most.
    pub fn new(properties: &Properties, name: &str) -> Result<Self, KafkaError> {
        Self::with(&properties.producer(), properties, name)
    }

    /// One that gives up a record after this time, whatever the properties say.
    pub(crate) fn impatient(
        properties: &Properties,
        name: &str,
        within: Duration,
    ) -> Result<Self, KafkaError> {
        let mut client = properties.producer();
        client.set("delivery.timeout.ms", within.as_millis().to_string()).set("linger.ms", "0");
        Self::with(&client, properties, name)
    }

    fn with(
        client: &rdkafka::ClientConfig,
        properties: &Properties,
        name: &str,
    ) -> Result<Self, KafkaError> {
        let context = Context {
            logs: Logs::new(name),
            servers: properties.servers().to_owned(),
            in_flight: AtomicUsize::new(0),
            answered: Mutex::new(0),
            room: Condvar::new(),
        };
        let inner: ThreadedProducer<_> =
            client.create_with_context(context).map_err(|error| KafkaError::made(&error))?;
        let inner = WithToken::new(inner, |it| it.client().native_client(), properties.token())
            .map_err(|error| KafkaError::made(&error))?;
        Ok(Self { inner })
    }

    /// Queues a record, or gives `delivery` back. Never blocks.
    pub fn send(&self, record: Send<'_>, delivery: Delivery) -> Result<(), SendError> {
        let context = self.inner.context();
        if let Some((name, _)) = record.headers.iter().find(|(name, _)| name.contains('\0')) {
            let doing = format!("produce to topic {}", record.topic);
            let asked = Asked { doing: &doing, servers: &context.servers, waited: Duration::ZERO };
            let reason = format!("header name {name:?} has a zero byte in it");
            return Err(SendError::Refused(asked.failed(Code::InvalidArgument, Some(reason))));
        }
        let base = BaseRecord::<[u8], [u8], _> {
            topic: record.topic,
            partition: record.partition,
            payload: record.value,
            key: record.key,
            timestamp: record.timestamp_ms,
            headers: owned_headers(record.headers),
            delivery_opaque: Box::new(delivery),
        };
        context.in_flight.fetch_add(1, Ordering::Relaxed);
        self.inner.send(base).map_err(|(error, base)| {
            context.in_flight.fetch_sub(1, Ordering::Relaxed);
            match error.rdkafka_error_code() {
                Some(Code::QueueFull) => SendError::Full(*base.delivery_opaque),
                _ => SendError::Refused(context.failed(record.topic, &error)),
            }
        })
    }

    /// Waits until there may be room again, at most `wait`; says whether there may.
    pub fn wait_for_room(&self, wait: Duration) -> bool {
        let context = self.inner.context();
        let answered = context.answered.lock().expect("nothing that holds the lock panics");
        let before = *answered;
        let still_full =
            |now: &mut u64| *now == before && context.in_flight.load(Ordering::Relaxed) > 0;
        let (guard, waited) = context
            .room
            .wait_timeout_while(answered, wait, still_full)
            .expect("nothing that holds the lock panics");
        drop(guard);
        !waited.timed_out()
    }

    /// Records that were taken and not yet answered.
    pub fn in_flight(&self) -> usize {
        self.inner.context().in_flight.load(Ordering::Relaxed)
    }

    /// Waits until all that was taken is answered, at most `deadline`.
    pub fn flush(&self, deadline: Duration) -> Result<(), KafkaError> {
        let context = self.inner.context();
        let asked =
            Asked { doing: "flush produced records", servers: &context.servers, waited: deadline };
        self.inner.flush(deadline).map_err(|error| asked.error(&error))
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

fn owned_headers(headers: &[(&str, Option<&[u8]>)]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    Some(headers.iter().fold(empty, |all, (key, value)| all.insert(Header { key, value: *value })))
}
