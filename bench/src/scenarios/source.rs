//! What goes into Kafka: the canonical workload, at once or at a rate, and where each record went.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::ensure;
use forebay_kafka::{Producer, Send, SendError};
use forebay_trial::{Place, Sent, clock, digest};

use crate::forebay::{Broker, PATIENCE, pause};
use crate::workload::{KEYS, Workload};

/// Produces into one topic. Clones share what was produced.
#[derive(Clone)]
pub(crate) struct Source(Arc<Shared>);

struct Shared {
    topic: String,
    producer: Producer,
    workload: Workload,
    /// By number in the workload; none until Kafka has acknowledged it.
    produced: Mutex<Vec<Option<Produced>>>,
    failed: Mutex<Option<forebay_kafka::KafkaError>>,
}

#[derive(Clone, Copy)]
struct Produced {
    partition: i32,
    offset: i64,
    acknowledged: u64,
}

/// Records that are offered until this is dropped.
pub(crate) struct Offer {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// How often a rate is caught up with.
const SLICE: Duration = Duration::from_millis(5);

impl Source {
    pub(crate) fn new(broker: &Broker, topic: &str) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Shared {
            topic: topic.to_owned(),
            producer: Producer::new(&broker.properties()?, "source")?,
            workload: Workload::new(KEYS),
            produced: Mutex::default(),
            failed: Mutex::default(),
        })))
    }

    /// Produces so many records, as fast as it goes, and waits for them.
    pub(crate) fn fill(&self, records: usize) -> anyhow::Result<()> {
        for _ in 0..records {
            self.send_next()?;
        }
        self.flush()
    }

    /// Produces so many records a second from now on.
    pub(crate) fn offer(&self, per_second: u32) -> Offer {
        let (source, over) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let (begin, mut count) = (Instant::now(), 0);
            while !told.load(Ordering::Relaxed) {
                let due = begin.elapsed().as_secs_f64() * f64::from(per_second);
                while (count as f64) < due {
                    source.send_next()?;
                    count += 1;
                }
                pause(SLICE);
            }
            source.flush()
        });
        Offer { over, thread: Some(thread) }
    }

    /// Records that were produced so far.
    pub(crate) fn count(&self) -> usize {
        self.produced().len()
    }

    /// All that Kafka has acknowledged, in the order in which it was produced.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        let of_value = digest(self.0.workload.parts(0).1);
        let produced = self.produced();
        let all = produced.iter().enumerate();
        all.filter_map(|(index, produced)| {
            let Produced { partition, offset, acknowledged } = (*produced)?;
            let key = String::from_utf8_lossy(self.0.workload.parts(index).0).into_owned();
            let place = Place::new(self.0.topic.clone(), partition, offset);
            Some(Sent { place, key: Some(key), digest: of_value, acknowledged })
        })
        .collect()
    }

    fn send_next(&self) -> anyhow::Result<()> {
        let index = {
            let mut produced = self.produced();
            produced.push(None);
            produced.len() - 1
        };
        let (key, value) = self.0.workload.parts(index);
        let record = Send {
            topic: &self.0.topic,
            partition: Some(i32::try_from(self.0.workload.partition(index))?),
            key: Some(key),
            value: Some(value),
            headers: &[],
            timestamp_ms: None,
        };
        let told = self.clone();
        let mut delivery: forebay_kafka::Delivery = Box::new(move |result| match result {
            Ok(forebay_kafka::Produced { partition, offset }) => {
                let acknowledged = clock::now();
                told.produced()[index] = Some(Produced { partition, offset, acknowledged });
            }
            Err(error) => {
                let mut failed = told.0.failed.lock().expect("nobody panics with it");
                failed.get_or_insert(error);
            }
        });
        loop {
            match self.0.producer.send(record, delivery) {
                Ok(()) => return Ok(()),
                Err(SendError::Full(back)) => delivery = back,
                Err(SendError::Refused(error)) => return Err(error.into()),
            }
            self.0.producer.wait_for_room(PATIENCE);
        }
    }

    fn flush(&self) -> anyhow::Result<()> {
        self.0.producer.flush(PATIENCE)?;
        let failed = self.0.failed.lock().expect("nobody panics with it").take();
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn produced(&self) -> std::sync::MutexGuard<'_, Vec<Option<Produced>>> {
        self.0.produced.lock().expect("nobody panics with it")
    }
}

impl Offer {
    /// Ends it, and waits until Kafka has all of it.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is taken once");
        let ended = thread.join();
        ensure!(ended.is_ok(), "producing panicked");
        ended.unwrap_or(Ok(()))
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
