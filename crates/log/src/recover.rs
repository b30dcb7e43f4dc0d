//! Opening a log: how much of it is checked, and what happens to damage.
//!
//! 1. What the directory holds is listed; files left half written are removed.
//! 2. Segments are walked batch by batch as [`Recovery`] says: header, rising offsets, checksum.
//!    At the first bad batch the log is cut, and all later segments go. Indexes and epochs are
//!    rebuilt on the way.
//! 3. The producers are the newest snapshot plus what the batches after it say.
//! 4. All is synced before the synced end is raised to the log's end: what is found may still
//!    be in the page cache only.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use forebay_wire::BatchError;

use crate::checkpoint::Checkpoint;
use crate::epochs::Epochs;
use crate::files;
use crate::index::Index;
use crate::producers::Producers;
use crate::scan::{Place, ScanError, check_crc};
use crate::segment::{Segment, parse_file_name};
use crate::snapshots::Snapshots;
use crate::{LogConfig, PartitionLog, SyncHandle};

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing: the log was closed cleanly.
    Trust,
    /// What a crash can have damaged: the last segment. Older ones were synced before it was
    /// begun.
    Tail,
    /// Every byte.
    All,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes cut off behind the last whole batch, later segments included.
    pub truncated_bytes: u64,
    /// Why, where anything was cut off.
    pub damage: Option<String>,
}

impl PartitionLog {
    /// Opens the log in `dir`, which exists; an empty directory is an empty log.
    ///
    /// Damage is repaired by cutting and told by [`Self::recovered`]. An error means that the
    /// disk can't be read or written, or that a small file of the log makes no sense.
    pub fn open(
        dir: &Path,
        config: LogConfig,
        recovery: Recovery,
        sync: SyncHandle,
        now_ms: i64,
    ) -> io::Result<Self> {
        let dir: Arc<Path> = dir.into();
        let (segments, snapshots) = list(&dir)?;
        let checkpoint = Checkpoint::read(&dir)?;
        let log_start = segments
            .first()
            .map_or(checkpoint.log_start, |first| first.base_offset().max(checkpoint.log_start));
        let mut log = Self {
            epochs: Epochs::open(&dir)?,
            dir,
            config,
            segments,
            log_start,
            log_end: log_start,
            producers: Producers::default(),
            snapshots,
            sync,
            recovered: Recovered::default(),
            active_since_ms: now_ms,
            changed: false,
        };
        let trusted = recovery == Recovery::Trust && log.trust()?;
        if !trusted {
            log.check(recovery, checkpoint.recovery_point)?;
        }
        log.load_producers(now_ms)?;
        log.sync.reset(log.log_end);
        Ok(log)
    }

    /// Takes a cleanly closed log at its word; answers whether it could.
    fn trust(&mut self) -> io::Result<bool> {
        let interval = self.config.index_interval_bytes;
        let Some(active) = self.segments.last_mut() else { return Ok(true) };
        active.adopt_index(interval)?;
        let mut scan = active.scan_from(active.index(interval)?.last_position()?)?;
        let mut end = active.base_offset();
        loop {
            match scan.next() {
                Ok(Some(place)) => end = place.header.next_offset(),
                Ok(None) => break,
                // It was touched since: then it is checked like after a crash.
                Err(ScanError::Batch(_)) => return Ok(false),
                Err(ScanError::Io(error)) => return Err(error),
            }
        }
        drop(scan);
        self.log_end = end;
        let is_whole = end >= self.log_start;
        if is_whole {
            active.release_file();
        }
        Ok(is_whole)
    }

    fn check(&mut self, recovery: Recovery, recovery_point: i64) -> io::Result<()> {
        let (first, crc_from) = match recovery {
            Recovery::All => (0, 0),
            Recovery::Trust | Recovery::Tail => {
                (self.segments.len().saturating_sub(1), recovery_point)
            }
        };
        for at in first..self.segments.len() {
            let checked = self.check_segment(at, crc_from)?;
            self.log_end = checked.end;
            if let Some(damage) = checked.damage {
                self.cut_behind(at, checked.size, damage)?;
            }
            let is_last = at + 1 >= self.segments.len();
            let segment = &mut self.segments[at];
            segment.set_index(checked.index);
            if is_last {
                break;
            }
            segment.write_index()?;
            segment.release();
        }
        if self.log_end < self.log_start {
            self.start_over()?;
        }
        let Some(active) = self.segments.last_mut() else { return Ok(()) };
        active.sync()?;
        active.release_file();
        files::sync_dir(&self.dir)?;
        self.epochs.truncate(self.log_end);
        self.epochs.write()?;
        self.changed = true;
        // An older recovery point may lie behind the end, and would vouch for what comes there.
        self.write_checkpoint()
    }

    /// Walks one segment; checksums are computed from the offset `crc_from` on.
    fn check_segment(&mut self, at: usize, crc_from: i64) -> io::Result<Checked> {
        let segment = &self.segments[at];
        let limit = self.segments.get(at + 1).map_or(i64::MAX, Segment::base_offset);
        let base = segment.base_offset();
        let mut checked = Checked { size: 0, end: base, index: Index::new(base), damage: None };
        let mut scan = segment.scan_from(0)?;
        let mut buffer = Vec::new();
        loop {
            let place = scan.next().and_then(|place| {
                place
                    .map(|place| {
                        check_place(&place, base, checked.end, limit)?;
                        if place.header.last_offset() >= crc_from {
                            check_crc(segment.file()?, &place, &mut buffer)?;
                        }
                        Ok(place)
                    })
                    .transpose()
            });
            match place {
                Ok(Some(Place { position, header })) => {
                    checked.index.note(&header, position, self.config.index_interval_bytes);
                    self.epochs.note(header.leader_epoch, header.base_offset);
                    checked.size = position + header.size() as u64;
                    checked.end = header.next_offset();
                }
                Ok(None) => return Ok(checked),
                Err(ScanError::Batch(error)) => {
                    let Checked { size, .. } = checked;
                    let damage = format!("at byte {size} of the segment {base}: {error}");
                    return Ok(Checked { damage: Some(damage), ..checked });
                }
                Err(ScanError::Io(error)) => return Err(error),
            }
        }
    }

    /// Removes all that lies behind `size` bytes of a segment.
    fn cut_behind(&mut self, at: usize, size: u64, damage: String) -> io::Result<()> {
        let mut truncated_bytes = self.segments[at].size() - size;
        // The newest go first, so that a crash on the way leaves no hole.
        for segment in self.segments.drain(at + 1..).rev() {
            truncated_bytes += segment.size();
            segment.remove()?;
        }
        self.recovered = Recovered { truncated_bytes, damage: Some(damage) };
        self.segments[at].cut(size)
    }

    /// The whole log lies below its start: nothing of it is wanted.
    fn start_over(&mut self) -> io::Result<()> {
        for segment in self.segments.drain(..).rev() {
            segment.remove()?;
        }
        self.log_end = self.log_start;
        self.epochs.truncate(self.log_end);
        self.epochs.write()?;
        files::sync_dir(&self.dir)?;
        self.write_checkpoint()
    }

    /// Rebuilds the producers from the newest snapshot and the batches behind it.
    ///
    /// Replayed batches count as seen now: their own timestamps may be years old.
    pub(crate) fn load_producers(&mut self, now_ms: i64) -> io::Result<()> {
        let newest = self.snapshots.newest(self.log_end)?;
        let (from, mut producers) = newest.unwrap_or((self.log_start, Producers::default()));
        if from < self.log_end {
            for segment in &self.segments[self.segment_of(from)..] {
                let index = segment.index(self.config.index_interval_bytes)?;
                let mut scan = segment.scan_from(index.position_of(from)?)?;
                while let Some(place) = scan.next()? {
                    if place.header.base_offset >= from {
                        producers.note(&place.header, now_ms);
                    }
                }
            }
        }
        self.producers = producers;
        Ok(())
    }
}

/// What the walk over a segment found.
struct Checked {
    /// Bytes of whole batches.
    size: u64,
    /// The offset after them.
    end: i64,
    index: Index,
    damage: Option<String>,
}

/// Offsets rise within a segment, stay near enough to its base to be indexed, and stay below the
/// next one. Gaps are legal: compaction leaves them.
fn check_place(place: &Place, base: i64, expected: i64, limit: i64) -> Result<(), BatchError> {
    let header = &place.header;
    let last = header.last_offset();
    if header.base_offset < expected || last >= limit || last - base > i64::from(i32::MAX) {
        return Err(BatchError::Offset(header.base_offset));
    }
    Ok(())
}

/// The segments, by base offset, and the snapshots; half-written files are removed.
fn list(dir: &Arc<Path>) -> io::Result<(Vec<Segment>, Snapshots)> {
    let mut segments = Vec::new();
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(files::TEMPORARY) {
            fs::remove_file(entry.path())?;
            continue;
        }
        match parse_file_name(name) {
            Some((base, "log")) => {
                segments.push(Segment::found(Arc::clone(dir), base, entry.metadata()?.len()));
            }
            Some((offset, "snapshot")) => snapshots.push(offset),
            _ => {}
        }
    }
    segments.sort_unstable_by_key(Segment::base_offset);
    Ok((segments, Snapshots::found(Arc::clone(dir), snapshots)))
}
