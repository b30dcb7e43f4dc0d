//! One partition's log.

use std::io;
use std::path::Path;

use crate::{LogConfig, Recovered, Recovery, SyncHandle};

/// The end of a leader epoch (KIP-320): `epoch` is the largest one not above what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    pub epoch: i32,
    pub end_offset: i64,
}

/// A partition's segments and what is known about them. One writer; readers share it.
#[derive(Debug)]
pub struct PartitionLog {}

impl PartitionLog {
    /// Opens the log in `dir`, which exists; an empty directory is an empty log.
    pub fn open(
        _dir: &Path,
        _config: LogConfig,
        _recovery: Recovery,
        _sync: SyncHandle,
        _now_ms: i64,
    ) -> io::Result<Self> {
        unimplemented!()
    }

    /// What opening found and repaired.
    pub fn recovered(&self) -> &Recovered {
        unimplemented!()
    }

    pub fn log_start_offset(&self) -> i64 {
        unimplemented!()
    }

    /// The offset that the next record will get.
    pub fn log_end_offset(&self) -> i64 {
        unimplemented!()
    }

    /// End (exclusive) of what is durable; the high watermark.
    pub fn synced_end(&self) -> i64 {
        unimplemented!()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        unimplemented!()
    }

    pub fn set_config(&mut self, _config: LogConfig) {
        unimplemented!()
    }

    /// Where `epoch` ended; `None` where the log never saw it or an older one, or is asked for
    /// one that is yet to come.
    pub fn epoch_end_offset(&self, _epoch: i32) -> Option<EpochEnd> {
        unimplemented!()
    }

    /// Forgets the records below `offset` (DeleteRecords), durably; never past the synced end
    /// and never back. Answers the new log start offset.
    pub fn set_log_start_offset(&mut self, _offset: i64) -> io::Result<i64> {
        unimplemented!()
    }

    /// Removes the batch that contains `offset` and all that follow.
    pub fn truncate(&mut self, _offset: i64) -> io::Result<()> {
        unimplemented!()
    }

    /// Syncs everything and writes what a clean start reads.
    pub fn close(self) -> io::Result<()> {
        unimplemented!()
    }
}
