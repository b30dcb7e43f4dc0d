//! Letters on their way back, and the marks that follow them.
//!
//! A letter is out from when it is sent until its mark is acknowledged. No more than [`WINDOW`] are
//! out, so that no more can be repeated by a crash; before the first mark is acknowledged only one
//! is, in case marks can't be written. Of a key one letter at a time is unacknowledged, and after
//! one that failed no other of its key is sent: that keeps the order of the key.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use forebay_kafka::{Delivery, KafkaError, Producer, Send, SendError};
use forebay_wire::dead_letter::Mark;

use super::summary::Tally;
use crate::cli::dead_letters::Offset;
use crate::process::Interrupt;

/// Letters that may be out.
const WINDOW: usize = 256;
/// How long anything is waited for before signals are looked at again.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Letters that may fail before the others are left where they are.
const FAILURES: u64 = 100;

type Key = Option<Vec<u8>>;

pub(super) struct Outbox {
    producer: Producer,
    /// The dead letter topic, where marks go.
    topic: String,
    mark: Mark,
    tell: SyncSender<Told>,
    told: Receiver<Told>,
    out: BTreeMap<Offset, Key>,
    /// Sent back, and to be marked as soon as the producer has room.
    to_mark: VecDeque<Offset>,
    /// Keys whose letter is not acknowledged.
    busy: HashSet<Vec<u8>>,
    /// Keys whose letter failed.
    stuck: HashSet<Vec<u8>>,
    window: usize,
    pub(super) tally: Tally,
}

/// How a step of a letter ended.
struct Told {
    at: Offset,
    step: Step,
    outcome: Result<(), String>,
}

#[derive(Clone, Copy)]
enum Step {
    SendBack,
    Mark,
}

impl Outbox {
    /// `topic`: where the letters lie. `mark`: what becomes of them.
    pub(super) fn new(producer: Producer, topic: &str, mark: Mark) -> Self {
        // A letter that is out has one step at a time to tell of, so telling never blocks.
        let (tell, told) = sync_channel(WINDOW);
        Self {
            producer,
            topic: topic.to_owned(),
            mark,
            tell,
            told,
            out: BTreeMap::new(),
            to_mark: VecDeque::new(),
            busy: HashSet::new(),
            stuck: HashSet::new(),
            window: 1,
            tally: Tally::default(),
        }
    }

    /// Whether it makes sense to send more.
    pub(super) fn goes_on(&self) -> bool {
        self.tally.unmarked == 0 && self.tally.failed < FAILURES
    }

    /// Waits until a letter of this key may go out. False: it must not, or not now.
    pub(super) fn wait_for_turn(&mut self, key: Option<&[u8]>, interrupt: &Interrupt) -> bool {
        loop {
            if key.is_some_and(|key| self.stuck.contains(key)) {
                self.tally.behind += 1;
                return false;
            }
            if interrupt.asked() || !self.goes_on() {
                return false;
            }
            let busy = key.is_some_and(|key| self.busy.contains(key));
            if !busy && self.out.len() < self.window {
                return true;
            }
            self.hear(LOOK_UP);
        }
    }

    /// Sends the record that the letter at `at` is about; the mark follows by itself. It is not
    /// sent where somebody interrupts while there is no room for it.
    pub(super) fn send_back(&mut self, at: Offset, record: Send<'_>, interrupt: &Interrupt) {
        let key = record.key.map(<[u8]>::to_vec);
        self.busy.extend(key.clone());
        self.out.insert(at, key.clone());
        let mut delivery = self.delivery(at, Step::SendBack);
        loop {
            match self.producer.send(record, delivery) {
                Ok(()) => return,
                Err(SendError::Refused(error)) => return self.end(at, Step::SendBack, Err(error)),
                Err(SendError::Full(back)) if self.producer.in_flight() > 0 => delivery = back,
                Err(SendError::Full(_)) => {
                    let reason = "it is larger than the producer's buffer".to_owned();
                    return self.end(at, Step::SendBack, Err(KafkaError::Client { reason }));
                }
            }
            if interrupt.asked() {
                self.out.remove(&at);
                self.free(key.as_deref());
                return;
            }
            self.producer.wait_for_room(LOOK_UP);
            self.hear(Duration::ZERO);
        }
    }

    /// The letter at `at` failed before it could be sent.
    pub(super) fn fail(&mut self, key: Option<&[u8]>, reason: String) {
        self.stuck.extend(key.map(<[u8]>::to_vec));
        self.tally.failed += 1;
        self.tally.error.get_or_insert(reason);
    }

    /// Marks a letter that nothing is sent for.
    pub(super) fn mark(&mut self, at: Offset, key: Option<&[u8]>) {
        self.out.insert(at, key.map(<[u8]>::to_vec));
        self.to_mark.push_back(at);
        self.send_marks();
    }

    /// Takes what has ended, waiting at most this long for the first.
    pub(super) fn hear(&mut self, wait: Duration) {
        let mut next = match wait.is_zero() {
            true => self.told.try_recv().ok(),
            false => self.told.recv_timeout(wait).ok(),
        };
        while let Some(Told { at, step, outcome }) = next {
            self.take(at, step, outcome);
            next = self.told.try_recv().ok();
        }
        self.send_marks();
    }

    /// Waits for all that is out: each has an end, by `delivery.timeout.ms` at the latest. After an
    /// interruption no longer than `patience`. Says how many have none.
    pub(super) fn finish(&mut self, patience: Duration, interrupt: &Interrupt) -> usize {
        let mut deadline = None;
        while !self.out.is_empty() {
            if interrupt.asked() {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                if Instant::now() >= deadline {
                    break;
                }
            }
            self.hear(LOOK_UP);
        }
        self.out.len()
    }

    fn send_marks(&mut self) {
        while let Some(&at) = self.to_mark.front() {
            let delivery = self.delivery(at, Step::Mark);
            let headers = self.mark.headers(at.offset);
            let headers = headers.each_ref().map(|(name, value)| (*name, Some(value.as_slice())));
            let mark = Send {
                topic: &self.topic,
                partition: Some(at.partition),
                key: self.out.get(&at).and_then(Option::as_deref),
                value: None,
                headers: &headers,
                timestamp_ms: None,
            };
            match self.producer.send(mark, delivery) {
                Ok(()) => {}
                Err(SendError::Full(_)) if self.producer.in_flight() > 0 => return,
                Err(SendError::Full(_)) => {
                    let reason = "its mark is larger than the producer's buffer".to_owned();
                    self.end(at, Step::Mark, Err(KafkaError::Client { reason }));
                }
                Err(SendError::Refused(error)) => self.end(at, Step::Mark, Err(error)),
            }
            self.to_mark.pop_front();
        }
    }

    fn delivery(&self, at: Offset, step: Step) -> Delivery {
        let tell = self.tell.clone();
        Box::new(move |produced| {
            let outcome = produced.map(drop).map_err(|error| error.to_string());
            // Its other end is gone only once nobody asks any more.
            let _ = tell.send(Told { at, step, outcome });
        })
    }

    fn end(&self, at: Offset, step: Step, outcome: Result<(), KafkaError>) {
        let outcome = outcome.map_err(|error| error.to_string());
        let _ = self.tell.send(Told { at, step, outcome });
    }

    fn free(&mut self, key: Option<&[u8]>) {
        if let Some(key) = key {
            self.busy.remove(key);
        }
    }

    fn take(&mut self, at: Offset, step: Step, outcome: Result<(), String>) {
        let key = self.out.get(&at).cloned().flatten();
        match (step, outcome) {
            (Step::SendBack, Ok(())) => {
                self.free(key.as_deref());
                self.to_mark.push_back(at);
            }
            (Step::SendBack, Err(error)) => {
                self.free(key.as_deref());
                self.out.remove(&at);
                self.fail(key.as_deref(), format!("letter {at}: {error}"));
            }
            (Step::Mark, Ok(())) => {
                self.out.remove(&at);
                self.window = WINDOW;
                self.tally.done += 1;
            }
            (Step::Mark, Err(error)) => {
                self.out.remove(&at);
                match self.mark {
                    Mark::Redriven => self.tally.unmarked += 1,
                    Mark::Purged => self.tally.failed += 1,
                }
                self.tally.error.get_or_insert(format!("letter {at}: its mark: {error}"));
            }
        }
    }
}
