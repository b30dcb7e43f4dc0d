//! Sends the rows to Kafka at a steady rate, and keeps what Kafka acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forebay_kafka::{Delivery, KafkaError, Produced, Producer, Properties, Send, SendError};
use forebay_trial::{Place, Sent, clock, digest};

use super::input::Row;
use super::pause::pause;

/// Once all is sent, Kafka may take this long to acknowledge the last of it.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

type Answer = (usize, u64, Result<Produced, KafkaError>);

/// A replay on a thread of its own.
pub(super) struct Replay {
    topic: String,
    rows: Arc<Vec<Row>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    /// By the row's place; none while Kafka has not acknowledged it.
    sent: Vec<Option<Sent>>,
    acknowledged: usize,
    pub(super) started: u64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), KafkaError>>>,
}

impl Replay {
    pub(super) fn start(
        properties: &Properties,
        topic: &str,
        rows: Arc<Vec<Row>>,
        rate: f64,
    ) -> Result<Self, KafkaError> {
        let producer = Producer::new(properties, "replay")?;
        let answers = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (rows, topic) = (rows.clone(), topic.to_owned());
            let (answers, stop) = (answers.clone(), stop.clone());
            std::thread::spawn(move || send_all(&producer, &topic, &rows, rate, &answers, &stop))
        };
        Ok(Self {
            topic: topic.to_owned(),
            sent: vec![None; rows.len()],
            rows,
            answers,
            acknowledged: 0,
            started: clock::now(),
            stop,
            thread: Some(thread),
        })
    }

    /// Takes in what Kafka acknowledged since. Fails if it refused anything.
    pub(super) fn read(&mut self) -> Result<(), KafkaError> {
        for (number, acknowledged, answer) in std::mem::take(&mut *lock(&self.answers)) {
            let Produced { partition, offset } = answer?;
            let row = &self.rows[number];
            let place = Place::new(self.topic.as_str(), partition, offset);
            let (key, digest) = (row.key.clone(), digest(&row.value));
            self.sent[number] = Some(Sent { place, key, digest, acknowledged });
            self.acknowledged += 1;
        }
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => thread.join().expect("a panic ends the whole process"),
            None => Ok(()),
        }
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    pub(super) fn is_done(&self) -> bool {
        self.acknowledged == self.rows.len()
    }

    /// What was acknowledged, in the order of the input.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent.iter().flatten().cloned().collect()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn send_all(
    producer: &Producer,
    topic: &str,
    rows: &[Row],
    rate: f64,
    answers: &Arc<Mutex<Vec<Answer>>>,
    stop: &AtomicBool,
) -> Result<(), KafkaError> {
    let start = Instant::now();
    for (place, row) in rows.iter().enumerate() {
        let due = start + Duration::from_secs_f64(place as f64 / rate);
        pause(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answers = answers.clone();
        let mut delivery: Delivery =
            Box::new(move |answer| lock(&answers).push((place, clock::now(), answer)));
        loop {
            let record = Send {
                topic,
                partition: None,
                key: row.key.as_ref().map(String::as_bytes),
                value: Some(&row.value),
                headers: &[],
                timestamp_ms: None,
            };
            match producer.send(record, delivery) {
                Ok(()) => break,
                Err(SendError::Full(back)) => {
                    delivery = back;
                    producer.wait_for_room(Duration::from_millis(100));
                }
                Err(SendError::Refused(error)) => return Err(error),
            }
        }
    }
    producer.flush(LAST_ANSWERS)
}

fn lock(answers: &Mutex<Vec<Answer>>) -> MutexGuard<'_, Vec<Answer>> {
    answers.lock().expect("nothing that holds the lock panics")
}
