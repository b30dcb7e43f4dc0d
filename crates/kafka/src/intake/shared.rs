//! What the worker's handle and the poll thread share: commands one way, events the other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::events::IntakeEvent;
use super::lookup::Answer;
use crate::commit::Commit;
use crate::record::TopicPartition;

/// The ends of a partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset that is there.
    pub log_start: i64,
    /// Exclusive end of what a consumer can read (the last stable offset).
    pub log_end: i64,
}

/// What the poll thread is asked to do.
pub(super) enum Command {
    Commit(Commit),
    Release(TopicPartition),
    /// What was not sent of its commits is not to be.
    Forget(TopicPartition),
    Seek(TopicPartition, i64),
    /// The lookup thread has an answer.
    Answer(Answer),
    Close(Duration, Farewell),
}

/// What a static member leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Its place, for its next start.
    ToReturn,
    /// Nothing.
    ForGood,
}

pub(super) struct Shared {
    waker: Arc<dyn Fn() + Send + Sync>,
    poller: OnceLock<Thread>,
    inner: Mutex<Inner>,
    closed: Condvar,
}

#[derive(Default)]
struct Inner {
    commands: Vec<Command>,
    events: VecDeque<IntakeEvent>,
    watermarks: HashMap<TopicPartition, Watermarks>,
    closed: bool,
}

impl Shared {
    pub(super) fn new(waker: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { waker, poller: OnceLock::new(), inner: Mutex::default(), closed: Condvar::new() }
    }

    pub(super) fn set_poller(&self, thread: Thread) {
        // The thread itself may have been first; both name the same one.
        let _ = self.poller.set(thread);
    }

    /// Makes the poll thread look at its queues and commands.
    pub(super) fn nudge(&self) {
        if let Some(thread) = self.poller.get() {
            thread.unpark();
        }
    }

    pub(super) fn command(&self, commands: impl IntoIterator<Item = Command>) {
        self.lock().commands.extend(commands);
        self.nudge();
    }

    pub(super) fn take_commands(&self, into: &mut Vec<Command>) {
        std::mem::swap(&mut self.lock().commands, into);
    }

    pub(super) fn event(&self, event: IntakeEvent) {
        self.lock().events.push_back(event);
        self.wake();
    }

    pub(super) fn wake(&self) {
        (self.waker)();
    }

    pub(super) fn next_event(&self) -> Option<IntakeEvent> {
        self.lock().events.pop_front()
    }

    pub(super) fn watermarks(&self, partition: &TopicPartition) -> Option<Watermarks> {
        self.lock().watermarks.get(partition).copied()
    }

    pub(super) fn set_watermarks(&self, partition: &TopicPartition, log_start: i64, log_end: i64) {
        let mut inner = self.lock();
        match inner.watermarks.get_mut(partition) {
            Some(known) => *known = Watermarks { log_start, log_end },
            None => {
                inner.watermarks.insert(partition.clone(), Watermarks { log_start, log_end });
            }
        }
    }

    pub(super) fn forget_watermarks(&self, partition: &TopicPartition) {
        self.lock().watermarks.remove(partition);
    }

    pub(super) fn set_closed(&self) {
        self.lock().closed = true;
        self.closed.notify_all();
        self.wake();
    }

    pub(super) fn wait_closed(&self, end: Instant) -> bool {
        let mut inner = self.lock();
        while !inner.closed {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            inner = self.closed.wait_timeout(inner, left).expect("lock is not poisoned").0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing that holds the lock panics")
    }
}
