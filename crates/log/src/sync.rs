//! Group commit: one thread that makes appends durable, for all partitions.
//!
//! - An append marks its partition dirty: the file, and the log end it reached.
//! - The thread takes all that is dirty, syncs each file once without any lock, and only then
//!   moves each partition's synced end. What arrives meanwhile is the next round.
//! - Idle, a round begins at once. Under load (something arrived while the round before was
//!   syncing) it waits first, as long as that round took and at most `window`, to sync more with
//!   one call. A lone producer that waits for each acknowledgement is no load.
//! - A failed sync ends it all: nothing is acknowledged any more and nothing is tried again,
//!   because the kernel may have dropped what it could not write.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When an append counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After fdatasync. Under load, appends are gathered for at most `window` (2 ms is good).
    Group { window: Duration },
    /// At once: the operating system writes when it likes, as Kafka's default has it.
    Os,
}

/// The thread that syncs. Dropping it syncs what is dirty and ends the thread; logs that are
/// still open then take no more appends.
#[derive(Debug)]
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// One partition's tie to the [`Syncer`]; for one open log at a time.
#[derive(Clone)]
pub struct SyncHandle {
    point: Arc<Point>,
}

type OnFailure = Box<dyn FnOnce(&io::Error) + Send>;
type OnSynced = Box<dyn Fn(i64) + Send + Sync>;

struct Shared {
    durability: Durability,
    queue: Mutex<Queue>,
    wake: Condvar,
    failed: AtomicBool,
    on_failure: Mutex<Option<OnFailure>>,
}

#[derive(Default)]
struct Queue {
    dirty: Vec<Arc<Point>>,
    stopping: bool,
}

struct Point {
    shared: Arc<Shared>,
    synced_end: AtomicI64,
    state: Mutex<PointState>,
    on_synced: OnSynced,
}

#[derive(Default)]
struct PointState {
    pending: Option<Pending>,
    /// Changes when the log's end goes back, so that a sync begun before says nothing any more.
    generation: u64,
}

struct Pending {
    file: Arc<File>,
    end: i64,
    generation: u64,
}

impl Syncer {
    /// Starts the thread. `on_failure` is called once, when a sync failed: the process must stop,
    /// because the kernel may have dropped what it could not write.
    pub fn start(
        durability: Durability,
        on_failure: impl FnOnce(&io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(durability, Some(Box::new(on_failure))));
        let thread = match durability {
            Durability::Os => None,
            Durability::Group { window } => {
                let shared = Arc::clone(&shared);
                let name = "log-sync".to_owned();
                Some(std::thread::Builder::new().name(name).spawn(move || shared.run(window))?)
            }
        };
        Ok(Self { shared, thread })
    }

    /// A new partition's tie. `on_synced` gets the new synced end (exclusive) each time it grows,
    /// values only rise until the log is truncated. It may be called with the log's lock held,
    /// so it must be short and not touch the log.
    pub fn partition(&self, on_synced: impl Fn(i64) + Send + Sync + 'static) -> SyncHandle {
        SyncHandle::new(Arc::clone(&self.shared), Box::new(on_synced))
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        lock(&self.shared.queue).stopping = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn new(durability: Durability, on_failure: Option<OnFailure>) -> Self {
        Self {
            durability,
            queue: Mutex::default(),
            wake: Condvar::new(),
            failed: AtomicBool::new(false),
            on_failure: Mutex::new(on_failure),
        }
    }

    fn run(&self, window: Duration) {
        let mut pause = Duration::ZERO;
        while let Some(dirty) = self.gather(pause) {
            let begun = Instant::now();
            let mut loaded = false;
            for point in dirty {
                let Some(pending) = point.take() else { continue };
                if let Err(error) = pending.file.sync_data() {
                    self.fail(&error);
                    return;
                }
                // Looked at before the waiters are told: one that answers at once is no load.
                loaded = !lock(&self.queue).dirty.is_empty();
                point.publish(&pending);
            }
            pause = if loaded { begun.elapsed().min(window) } else { Duration::ZERO };
        }
    }

    /// The next round's partitions, `pause` from now at the earliest; `None` when it is time to
    /// end.
    fn gather(&self, pause: Duration) -> Option<Vec<Arc<Point>>> {
        let mut queue = lock(&self.queue);
        if !pause.is_zero() {
            let waited = self.wake.wait_timeout_while(queue, pause, |queue| !queue.stopping);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waited = self.wake.wait_while(queue, |queue| queue.dirty.is_empty() && !queue.stopping);
        queue = waited.unwrap_or_else(PoisonError::into_inner);
        let dirty = std::mem::take(&mut queue.dirty);
        (!dirty.is_empty()).then_some(dirty)
    }

    fn fail(&self, error: &io::Error) {
        self.failed.store(true, Ordering::Release);
        let on_failure = lock(&self.on_failure).take();
        if let Some(on_failure) = on_failure {
            on_failure(error);
        }
    }
}

impl Point {
    fn take(&self) -> Option<Pending> {
        lock(&self.state).pending.take()
    }

    /// Moves the synced end, unless the log was cut since.
    fn publish(&self, synced: &Pending) {
        let state = lock(&self.state);
        if state.generation == synced.generation {
            self.advance(&state, synced.end);
        }
    }

    /// Called with the state locked, so that the values that `on_synced` gets rise.
    fn advance(&self, _locked: &MutexGuard<'_, PointState>, end: i64) {
        if end > self.synced_end.load(Ordering::Relaxed) {
            self.synced_end.store(end, Ordering::Release);
            (self.on_synced)(end);
        }
    }
}

impl SyncHandle {
    fn new(shared: Arc<Shared>, on_synced: OnSynced) -> Self {
        let synced_end = AtomicI64::new(0);
        let state = Mutex::default();
        Self { point: Arc::new(Point { shared, synced_end, state, on_synced }) }
    }

    /// For a log without a syncer: every append counts as durable at once.
    pub fn immediate() -> Self {
        Self::new(Arc::new(Shared::new(Durability::Os, None)), Box::new(|_| {}))
    }

    /// End (exclusive) of what is durable; the partition's high watermark. Takes no lock.
    pub fn synced_end(&self) -> i64 {
        self.point.synced_end.load(Ordering::Acquire)
    }

    /// Whether a sync has failed, so that nothing will ever be acknowledged again.
    pub fn has_failed(&self) -> bool {
        self.point.shared.failed.load(Ordering::Acquire)
    }

    /// Whether appends can still become durable.
    pub(crate) fn takes_appends(&self) -> bool {
        !self.has_failed()
            && (self.point.shared.durability == Durability::Os
                || !lock(&self.point.shared.queue).stopping)
    }

    /// The log grew to `end`, the last of it in `file`; all before `file` is synced.
    pub(crate) fn appended(&self, file: &Arc<File>, end: i64) {
        let shared = &self.point.shared;
        let mut state = lock(&self.point.state);
        if shared.durability == Durability::Os {
            self.point.advance(&state, end);
            return;
        }
        let generation = state.generation;
        let pending = Pending { file: Arc::clone(file), end, generation };
        let was_dirty = state.pending.replace(pending).is_some();
        drop(state);
        if !was_dirty {
            lock(&shared.queue).dirty.push(Arc::clone(&self.point));
            shared.wake.notify_one();
        }
    }

    /// The log was synced up to `end` by its owner.
    pub(crate) fn settled(&self, end: i64) {
        let state = lock(&self.point.state);
        self.point.advance(&state, end);
    }

    /// The log was opened or cut, and ends, synced, at `end`.
    pub(crate) fn reset(&self, end: i64) {
        let mut state = lock(&self.point.state);
        state.generation += 1;
        state.pending = None;
        self.point.synced_end.store(end, Ordering::Release);
        drop(state);
    }

    /// The log's owner saw a failure after which its files can't be trusted.
    pub(crate) fn fail(&self, error: &io::Error) {
        self.point.shared.fail(error);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl fmt::Debug for SyncHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncHandle").field("synced_end", &self.synced_end()).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves these states whole: each is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
