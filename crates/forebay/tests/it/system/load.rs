//! Records that keep coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::input::{Input, Sending};
use super::kafka::Kafka;
use super::process::pause;

const KEYS: usize = 500;

/// Produces on and on until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sending: Sending,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    /// So many records every 10 ms.
    pub(crate) fn start(kafka: &Kafka, topic: &str, records: usize) -> Self {
        let (stop, sending) = (Arc::new(AtomicBool::new(false)), Sending::default());
        let (stopped, into, producer) = (stop.clone(), sending.clone(), kafka.producer());
        let topic = topic.to_owned();
        let thread = std::thread::spawn(move || {
            let mut number = 0_usize;
            while !stopped.load(Ordering::SeqCst) {
                for _ in 0..records {
                    let key = format!("key-{}", number % KEYS);
                    into.send(&producer, &topic, Some(key.as_bytes()), Some(b"value"));
                    number += 1;
                }
                pause(Duration::from_millis(10));
            }
            producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
        });
        Self { stop, sending, thread }
    }

    /// Records that were acknowledged so far.
    pub(crate) fn len(&self) -> usize {
        self.sending.len()
    }

    /// All that was acknowledged.
    pub(crate) fn end(self) -> Input {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.sending.read()
    }
}
