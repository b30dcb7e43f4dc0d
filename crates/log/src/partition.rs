//! One partition's log: its segments, and what is known about them as a whole.
//!
//! Invariant: every segment but the last is synced, with its index files and a snapshot of the
//! producers at its end, before the next one is created. So a crash can only damage the last.
//! How it is opened is in `recover`, appending in `append`, reading in `read`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use forebay_wire::BatchHeader;

use crate::checkpoint::Checkpoint;
use crate::epochs::Epochs;
use crate::files;
use crate::producers::Producers;
use crate::segment::Segment;
use crate::snapshots::Snapshots;
use crate::{LogConfig, Recovered, SyncHandle};

/// The end of a leader epoch (KIP-320): `epoch` is the largest one not above what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    pub epoch: i32,
    pub end_offset: i64,
}

/// A partition's log. One writer; readers may share it.
#[derive(Debug)]
pub struct PartitionLog {
    pub(crate) dir: Arc<Path>,
    pub(crate) config: LogConfig,
    /// By base offset; the last is the active one. Empty until the first append.
    pub(crate) segments: Vec<Segment>,
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    pub(crate) snapshots: Snapshots,
    pub(crate) sync: SyncHandle,
    pub(crate) recovered: Recovered,
    /// When the active segment was begun or, if before that, the log was opened.
    pub(crate) active_since_ms: i64,
    /// Whether closing has anything to write.
    pub(crate) changed: bool,
}

impl PartitionLog {
    /// What opening found and repaired.
    pub const fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    pub const fn log_start_offset(&self) -> i64 {
        self.log_start
    }

    /// The offset that the next record will get.
    pub const fn log_end_offset(&self) -> i64 {
        self.log_end
    }

    /// End (exclusive) of what is durable; the high watermark.
    pub fn synced_end(&self) -> i64 {
        self.sync.synced_end()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    pub const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Takes effect with the next append.
    pub const fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// Where `epoch` ended; `None` where the log never saw it or an older one, or is asked for
    /// one that is yet to come.
    pub fn epoch_end_offset(&self, epoch: i32) -> Option<EpochEnd> {
        let (epoch, end_offset) = self.epochs.end_of(epoch, self.log_end)?;
        Some(EpochEnd { epoch, end_offset })
    }

    /// Forgets the records below `offset` (DeleteRecords), durably; never past the synced end
    /// and never back. Segments that hold nothing else are removed. Answers the new log start.
    pub fn set_log_start_offset(&mut self, offset: i64) -> io::Result<i64> {
        let offset = offset.min(self.synced_end());
        if offset > self.log_start {
            let checkpoint = Checkpoint { log_start: offset, ..Checkpoint::read(&self.dir)? };
            checkpoint.write(&self.dir)?;
            self.log_start = offset;
            let keep = self.segment_of(offset);
            for segment in self.segments.drain(..keep) {
                segment.remove()?;
            }
        }
        Ok(self.log_start)
    }

    /// Removes the batch that contains `offset` and all that follow, durably. Never below the log
    /// start offset.
    pub fn truncate(&mut self, offset: i64, now_ms: i64) -> io::Result<()> {
        let offset = offset.max(self.log_start);
        if offset >= self.log_end {
            return Ok(());
        }
        let keep = self.segment_of(offset);
        let interval = self.config.index_interval_bytes;
        let first = &self.segments[keep];
        // Where this begins behind the segment's start, it begins with a batch that is kept.
        let start = first.index(interval)?.position_of(offset - 1)?;
        let mut scan = first.scan_from(start)?;
        let (mut size, mut end) = (start, first.base_offset());
        while let Some(place) = scan.next()?
            && place.header.last_offset() < offset
        {
            (size, end) = (place.end(), place.header.next_offset());
        }
        // The newest segments go first, so that a crash on the way leaves no hole.
        for segment in self.segments.drain(keep + 1..).rev() {
            segment.remove()?;
        }
        let active = &mut self.segments[keep];
        active.cut(size)?;
        active.adopt_index(interval)?;
        files::sync_dir(&self.dir)?;
        // The batch that is cut may reach below the log start, whose offsets are not given again.
        self.log_end = end.max(self.log_start);
        self.epochs.truncate(self.log_end);
        self.epochs.write()?;
        self.load_producers(now_ms)?;
        self.write_checkpoint()?;
        self.changed = true;
        self.sync.reset(self.log_end);
        Ok(())
    }

    /// Syncs everything and writes what a clean start reads. A log that is dropped instead is as
    /// after a crash.
    pub fn close(mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        if self.sync.has_failed() {
            return Err(io::Error::other("the log has failed and can't be closed cleanly"));
        }
        self.seal_active()?;
        self.write_checkpoint()
    }

    /// Stores that all there is was synced.
    pub(crate) fn write_checkpoint(&self) -> io::Result<()> {
        Checkpoint { log_start: self.log_start, recovery_point: self.log_end }.write(&self.dir)
    }

    /// Begins a new segment where the active one can't take the batch, or there is none.
    pub(crate) fn make_room(&mut self, header: &BatchHeader, now_ms: i64) -> io::Result<()> {
        if let Some(active) = self.segments.last() {
            if !self.is_due(active, header, now_ms)? {
                return Ok(());
            }
            self.roll()?;
        } else {
            self.segments.push(Segment::create(Arc::clone(&self.dir), self.log_end)?);
        }
        self.active_since_ms = now_ms;
        Ok(())
    }

    fn is_due(&self, active: &Segment, header: &BatchHeader, now_ms: i64) -> io::Result<bool> {
        let LogConfig { segment_bytes, segment_ms, .. } = self.config;
        // Positions and relative offsets are stored in 31 bits by Kafka's formats.
        let limit = u64::from(segment_bytes.min(i32::MAX as u32));
        let last_offset = self.log_end + i64::from(header.last_offset_delta);
        let full = active.size() + header.size() as u64 > limit
            || last_offset - active.base_offset() > i64::from(i32::MAX)
            || now_ms.saturating_sub(self.active_since_ms) >= segment_ms
            || active
                .index(self.config.index_interval_bytes)?
                .is_full(self.config.segment_index_bytes);
        Ok(active.size() > 0 && full)
    }

    /// Seals the active segment and begins the next one.
    pub fn roll(&mut self) -> io::Result<()> {
        if self.segments.last().is_none_or(|active| active.size() == 0) {
            return Ok(());
        }
        self.seal_active()?;
        let next = Segment::create(Arc::clone(&self.dir), self.log_end)?;
        if let Some(sealed) = self.segments.last_mut() {
            sealed.release();
        }
        self.segments.push(next);
        Ok(())
    }

    fn seal_active(&mut self) -> io::Result<()> {
        let Some(active) = self.segments.last_mut() else { return Ok(()) };
        if let Err(error) = active.sync() {
            // The kernel may have dropped what it could not write: never retried.
            self.sync.fail(&error);
            return Err(error);
        }
        self.sync.settled(self.log_end);
        active.write_index()?;
        self.snapshots.write(self.log_end, &self.producers)?;
        files::sync_dir(&self.dir)
    }
}
