//! Group commit: one thread that makes appends durable, for all partitions.

use std::io;
use std::time::Duration;

/// When an append counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After fdatasync. Under load, appends are gathered for at most `window` (2 ms is good).
    Group { window: Duration },
    /// At once: the operating system writes when it likes, as Kafka's default has it.
    Os,
}

/// The thread that syncs. Dropping it syncs what is dirty and ends the thread.
#[derive(Debug)]
pub struct Syncer {}

/// One partition's tie to the [`Syncer`].
#[derive(Clone, Debug)]
pub struct SyncHandle {}

impl Syncer {
    /// Starts the thread. `on_failure` is called once, when a sync failed: the process must stop,
    /// because the kernel may have dropped what it could not write.
    pub fn start(
        _durability: Durability,
        _on_failure: impl FnOnce(&io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        unimplemented!()
    }

    /// A new partition's tie. `on_synced` gets the new synced end (exclusive) each time it grows;
    /// it may be called with the log's lock held, so it must be short and not touch the log.
    pub fn partition(&self, _on_synced: impl Fn(i64) + Send + Sync + 'static) -> SyncHandle {
        unimplemented!()
    }
}

impl SyncHandle {
    /// For a log without a syncer: every append counts as durable at once.
    pub fn immediate() -> Self {
        unimplemented!()
    }

    /// End (exclusive) of what is durable; the partition's high watermark. Needs no lock.
    pub fn synced_end(&self) -> i64 {
        unimplemented!()
    }

    /// Whether a sync has failed, so that nothing will ever be acknowledged again.
    pub fn has_failed(&self) -> bool {
        unimplemented!()
    }
}
