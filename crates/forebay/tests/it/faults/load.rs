//! Keyed records that keep coming, produced with acks=all straight to the brokers.
//!
//! A key stays in its partition, whatever is added beside it, so that its order is Kafka's order.
//! What reached Kafka is read from Kafka afterwards; here is remembered when it was acknowledged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use forebay_kafka::{Delivery, Producer, Send, SendError};
use forebay_trial::clock;

use super::cluster::Cluster;
use crate::system::process::pause;

const KEYS: usize = 40;
const PAUSE: Duration = Duration::from_millis(20);
/// A record of this key is one that the services reject.
pub(super) const POISON: &str = "poison";

pub(super) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    topic: String,
    stop: AtomicBool,
    partitions: AtomicI32,
    poison: AtomicUsize,
    said: Mutex<Said>,
}

/// By the records' values.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) acknowledged: HashMap<String, u64>,
    pub(super) failed: HashMap<String, String>,
}

impl Load {
    /// Some records a second, to all partitions in turn.
    pub(super) fn start(cluster: &Cluster, topic: &str, partitions: i32, rate: usize) -> Self {
        let patient = [("delivery.timeout.ms", "900000"), ("request.timeout.ms", "5000")];
        let producer = Producer::new(&cluster.properties(&patient), "load").expect("a client");
        let shared = Arc::new(Shared {
            topic: topic.to_owned(),
            stop: AtomicBool::new(false),
            partitions: AtomicI32::new(partitions),
            poison: AtomicUsize::new(0),
            said: Mutex::default(),
        });
        let sending = shared.clone();
        let thread = std::thread::spawn(move || sending.run(&producer, rate));
        Self { shared, thread: Some(thread) }
    }

    /// From now on this many partitions get records.
    pub(super) fn widen(&self, partitions: i32) {
        self.shared.partitions.store(partitions, Ordering::SeqCst);
    }

    /// Sends so many more that the services will reject.
    pub(super) fn poison(&self, records: usize) {
        self.shared.poison.fetch_add(records, Ordering::SeqCst);
    }

    /// Returns when everything is acknowledged or has failed.
    pub(super) fn end(&mut self) -> Said {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it only sends");
        }
        self.shared.said.lock().expect("nobody panics in here").clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(self: &Arc<Self>, producer: &Producer, rate: usize) {
        let began = clock::now();
        let mut number = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let due = clock::seconds(clock::now() - began) * rate as f64;
            while (number as f64) < due && !self.stop.load(Ordering::SeqCst) {
                let partitions = self.partitions.load(Ordering::SeqCst).unsigned_abs() as usize;
                let partition = number % partitions;
                let key = format!("p{partition}-k{}", number / partitions % KEYS);
                self.send(producer, partition as i32, &key, number);
                number += 1;
            }
            while self.poison.load(Ordering::SeqCst) > 0 {
                self.poison.fetch_sub(1, Ordering::SeqCst);
                self.send(producer, 0, POISON, number);
                number += 1;
            }
            pause(PAUSE);
        }
        producer.flush(Duration::from_secs(120)).expect("all is acknowledged or failed");
    }

    fn send(self: &Arc<Self>, producer: &Producer, partition: i32, key: &str, number: usize) {
        let value = format!("value-{number}");
        let (shared, text) = (self.clone(), value.clone());
        let mut delivery: Delivery = Box::new(move |produced| {
            let mut said = shared.said.lock().expect("nobody panics in here");
            match produced {
                Ok(_) => {
                    said.acknowledged.insert(text, clock::now());
                }
                Err(error) => {
                    said.failed.insert(text, error.to_string());
                }
            }
        });
        loop {
            let record = Send {
                topic: &self.topic,
                partition: Some(partition),
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                headers: &[],
                timestamp_ms: None,
            };
            match producer.send(record, delivery) {
                Ok(()) => return,
                Err(SendError::Full(again)) => delivery = again,
                // A partition that its client has not heard of yet.
                Err(SendError::Refused(_)) => return,
            }
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            producer.wait_for_room(Duration::from_millis(100));
        }
    }
}
