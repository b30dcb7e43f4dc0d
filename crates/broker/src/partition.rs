//! One partition: its log behind its own lock, and those who wait for it to grow.
//!
//! Visible is what is durable: the high watermark is the log's synced end. Nothing here decodes
//! records. Reads take the lock only to find the bytes, not to load them.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use forebay_log::{
    AppendError, Appended, EpochEnd, FileSlice, LogConfig, PartitionLog, ReadError, Recovery,
    SyncHandle, Syncer, TimedOffset,
};
use tokio::sync::{Notify, watch};

use crate::clock::now_ms;

/// Why nothing came of a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartitionError {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("log: {0}")]
    Io(#[from] std::io::Error),
    #[error("the partition was deleted or the broker is stopping")]
    Closed,
}

/// What a reader needs to know about a log's ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) start: i64,
    /// End of what is visible (exclusive).
    pub(crate) high_watermark: i64,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    synced_end: i64,
    closed: bool,
}

/// Woken from the sync thread, with the log's lock held: hence nothing but flags and wakers.
struct Signals {
    progress: watch::Sender<Progress>,
    fetches: Mutex<Vec<Weak<Notify>>>,
}

impl Signals {
    fn advance(&self, synced_end: i64) {
        self.progress.send_modify(|progress| {
            progress.synced_end = progress.synced_end.max(synced_end);
        });
        self.wake_fetches();
    }

    fn wake_fetches(&self) {
        for fetch in locked(&self.fetches).drain(..).filter_map(|fetch| fetch.upgrade()) {
            fetch.notify_one();
        }
    }
}

pub(crate) struct Partition {
    pub(crate) index: i32,
    leader_epoch: i32,
    /// None once closed.
    log: Mutex<Option<PartitionLog>>,
    signals: Arc<Signals>,
}

impl Partition {
    pub(crate) fn open(
        index: i32,
        directory: &Path,
        config: LogConfig,
        recovery: Recovery,
        syncer: &Syncer,
        leader_epoch: i32,
    ) -> std::io::Result<Self> {
        let (progress, _) = watch::channel(Progress { synced_end: 0, closed: false });
        let signals = Arc::new(Signals { progress, fetches: Mutex::default() });
        let woken = Arc::clone(&signals);
        let sync: SyncHandle = syncer.partition(move |end| woken.advance(end));
        let log = PartitionLog::open(directory, config, recovery, sync, now_ms())?;
        if let Some(damage) = &log.recovered().damage {
            let bytes = log.recovered().truncated_bytes;
            tracing::warn!(directory = %directory.display(), bytes, damage, "log was cut back");
        }
        signals.advance(log.synced_end());
        Ok(Self { index, leader_epoch, log: Mutex::new(Some(log)), signals })
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Appends one batch as it came from a client. It is not durable yet, see
    /// [`Partition::wait_synced`].
    pub(crate) fn append(&self, batch: &[u8]) -> Result<Appended, PartitionError> {
        let mut guard = locked(&self.log);
        let log = guard.as_mut().ok_or(PartitionError::Closed)?;
        Ok(log.append(batch, self.leader_epoch, now_ms())?)
    }

    /// Waits until the record at `offset` is durable.
    pub(crate) async fn wait_synced(&self, offset: i64) -> Result<(), PartitionError> {
        let mut progress = self.signals.progress.subscribe();
        let reached = progress.wait_for(|now| now.closed || now.synced_end > offset).await;
        match reached {
            Ok(progress) if progress.synced_end > offset => Ok(()),
            _ => Err(PartitionError::Closed),
        }
    }

    pub(crate) fn bounds(&self) -> Result<Bounds, PartitionError> {
        self.with_log(|log| {
            Ok(Bounds { start: log.log_start_offset(), high_watermark: log.synced_end() })
        })
    }

    /// Whole visible batches from the one with `offset` on. Also tells the log's ends.
    pub(crate) fn find(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<(Bounds, Result<FileSlice, ReadError>), PartitionError> {
        self.with_log(|log| {
            let high_watermark = log.synced_end();
            let bounds = Bounds { start: log.log_start_offset(), high_watermark };
            let outside = offset < bounds.start || offset > high_watermark;
            let found = if outside {
                Err(ReadError::OutOfRange { offset, start: bounds.start, end: high_watermark })
            } else {
                log.find(offset, max_bytes, high_watermark, at_least_one)
            };
            Ok((bounds, found))
        })
    }

    /// `waiter` is notified once, when something becomes visible or the partition is closed.
    pub(crate) fn wake_on_growth(&self, waiter: &Arc<Notify>) {
        let mut fetches = locked(&self.signals.fetches);
        // Polls of an idle partition end by time and leave their entry behind.
        if fetches.len() >= 16 {
            fetches.retain(|fetch| fetch.strong_count() > 0);
        }
        fetches.push(Arc::downgrade(waiter));
    }

    pub(crate) fn offset_for_time(
        &self,
        timestamp: i64,
    ) -> Result<Option<TimedOffset>, PartitionError> {
        self.with_log(|log| Ok(log.offset_for_time(timestamp)?))
    }

    pub(crate) fn epoch_end(&self, epoch: i32) -> Result<Option<EpochEnd>, PartitionError> {
        self.with_log(|log| Ok(log.epoch_end_offset(epoch)))
    }

    /// DeleteRecords: answers the new start.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<i64, PartitionError> {
        let mut guard = locked(&self.log);
        let log = guard.as_mut().ok_or(PartitionError::Closed)?;
        let start = log.set_log_start_offset(offset)?;
        Ok(start)
    }

    pub(crate) fn log_end(&self) -> Result<i64, PartitionError> {
        self.with_log(|log| Ok(log.log_end_offset()))
    }

    pub(crate) fn set_config(&self, config: LogConfig) {
        if let Some(log) = locked(&self.log).as_mut() {
            log.set_config(config);
        }
    }

    /// Takes the log away: whoever waits is let go with [`PartitionError::Closed`].
    pub(crate) fn take_log(&self) -> Option<PartitionLog> {
        let log = locked(&self.log).take();
        self.fail();
        log
    }

    /// Lets go of all who wait, since nothing will become durable any more.
    pub(crate) fn fail(&self) {
        self.signals.progress.send_modify(|progress| progress.closed = true);
        self.signals.wake_fetches();
    }

    fn with_log<T>(
        &self,
        look: impl FnOnce(&PartitionLog) -> Result<T, PartitionError>,
    ) -> Result<T, PartitionError> {
        look(locked(&self.log).as_ref().ok_or(PartitionError::Closed)?)
    }
}

/// A log that a panicking thread left behind was changed in single steps and stays usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
