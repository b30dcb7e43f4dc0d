//! Reading: whole batches by offset, and offsets by time.
//!
//! [`PartitionLog::find`] decides with the log's lock held; [`FileSlice::load`] reads the bytes
//! without it. One slice never spans two segments. A reader that asks for an offset inside a
//! batch gets the whole batch, one that asks inside a gap gets the next batch, so no gap stops it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use forebay_wire::{Batch, Record};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use crate::PartitionLog;
use crate::scan::{Place, Scan};
use crate::segment::Segment;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset {offset} is outside {start}..={end}")]
    OutOfRange { offset: i64, start: i64, end: i64 },
    #[error("could not read the log: {0}")]
    Io(#[from] io::Error),
}

/// Whole batches in one segment file, not read yet; can be read without the log's lock.
///
/// Deleting the segment meanwhile does no harm; truncating it makes [`Self::load`] fail.
#[derive(Clone, Debug, Default)]
pub struct FileSlice {
    file: Option<Arc<File>>,
    position: u64,
    len: usize,
}

impl FileSlice {
    /// Bytes of the slice.
    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn load(&self) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.len);
        let Some(file) = &self.file else { return Ok(bytes.into()) };
        // Memory that was never written is not zeroed first, which costs as much as the reading.
        while bytes.len() < self.len {
            let position = self.position + bytes.len() as u64;
            match pread(file, spare_capacity(&mut bytes), position) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(self.len);
        Ok(bytes.into())
    }
}

/// A record's (or, in compressed batches, a batch's) place and timestamp (ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    pub offset: i64,
    pub timestamp: i64,
}

/// What one segment is asked for.
#[derive(Clone, Copy)]
struct Want {
    from: i64,
    end: i64,
    max_bytes: usize,
    at_least_one: bool,
    index_interval: u32,
}

impl PartitionLog {
    /// Finds whole batches from the one that contains `from` on, or the next one where `from`
    /// lies in a gap, ending before `end` and within `max_bytes`; with `at_least_one` the first
    /// batch may be larger. Empty where there is nothing yet before `end`.
    pub fn find(
        &self,
        from: i64,
        max_bytes: usize,
        end: i64,
        at_least_one: bool,
    ) -> Result<FileSlice, ReadError> {
        if from < self.log_start || from > self.log_end {
            return Err(ReadError::OutOfRange {
                offset: from,
                start: self.log_start,
                end: self.log_end,
            });
        }
        let end = end.min(self.log_end);
        let index_interval = self.config.index_interval_bytes;
        let want = Want { from, end, max_bytes, at_least_one, index_interval };
        for at in self.segment_of(from)..self.segments.len() {
            if from >= end || self.segments[at].base_offset() >= end {
                break;
            }
            // The segment ends where the next one begins.
            let next = self.segments.get(at + 1).map_or(self.log_end, Segment::base_offset);
            if let Some(slice) = self.segments[at].find(want, next <= end)? {
                return Ok(slice);
            }
        }
        Ok(FileSlice::default())
    }

    /// [`Self::find`] and [`FileSlice::load`] in one.
    pub fn read(
        &self,
        from: i64,
        max_bytes: usize,
        end: i64,
        at_least_one: bool,
    ) -> Result<Bytes, ReadError> {
        Ok(self.find(from, max_bytes, end, at_least_one)?.load()?)
    }

    /// The first record before the synced end whose timestamp is at least `timestamp` (ms).
    ///
    /// Exact in uncompressed batches. In a compressed batch it is the batch's first offset with
    /// its max timestamp: at or before the exact answer, so a reader that starts there sees all
    /// that it asked for.
    pub fn offset_for_time(&self, timestamp: i64) -> Result<Option<TimedOffset>, ReadError> {
        let interval = self.config.index_interval_bytes;
        for segment in &self.segments[self.segment_of(self.log_start)..] {
            if segment.index(interval)?.max_timestamp() < timestamp {
                continue;
            }
            if let Some(found) = segment.find_time(timestamp, self.log_start, interval)? {
                return Ok(Some(found).filter(|found| found.offset < self.synced_end()));
            }
        }
        Ok(None)
    }

    /// Number of the segment that an offset belongs to; 0 where there is none.
    pub(crate) fn segment_of(&self, offset: i64) -> usize {
        let after = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        after.saturating_sub(1)
    }
}

impl Segment {
    /// `None` where no batch ends at `from` or later.
    fn find(&self, want: Want, whole: bool) -> io::Result<Option<FileSlice>> {
        let index = self.index(want.index_interval)?;
        let file = self.file()?;
        let mut scan = Scan::new(file, index.position_of(want.from)?, self.size());
        let first = loop {
            match scan.next()? {
                Some(place) if place.header.last_offset() < want.from => {}
                Some(place) => break place,
                None => return Ok(None),
            }
        };
        let start = first.position;
        let fits = first.header.size() <= want.max_bytes || want.at_least_one;
        if !fits || first.header.last_offset() >= want.end {
            return Ok(Some(FileSlice::default()));
        }
        let limit = start.saturating_add(want.max_bytes as u64).min(self.size());
        let stop = if whole && limit == self.size() {
            limit
        } else if first.end() >= limit {
            first.end()
        } else {
            // The index brings us near; both of its answers begin a batch that is wanted or
            // the one after the last wanted.
            let near = index.position_of(want.end - 1)?.min(index.position_before(limit)?);
            last_end(
                Scan::new(file, near.max(first.end()), limit),
                near.max(first.end()),
                want.end,
            )?
        };
        let len = usize::try_from(stop - start).unwrap_or(usize::MAX);
        Ok(Some(FileSlice { file: Some(Arc::clone(file)), position: start, len }))
    }

    fn find_time(
        &self,
        timestamp: i64,
        log_start: i64,
        interval: u32,
    ) -> io::Result<Option<TimedOffset>> {
        let file = self.file()?;
        let start = self.index(interval)?.position_of_time(timestamp)?;
        let mut scan = Scan::new(file, start, self.size());
        while let Some(place) = scan.next()? {
            let header = &place.header;
            if header.max_timestamp < timestamp || header.last_offset() < log_start {
                continue;
            }
            if let Some(found) = first_at(file, &place, timestamp, log_start)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// End of the last batch of a walk that lies before `end_offset` and wholly within the walk.
fn last_end(mut scan: Scan<'_>, from: u64, end_offset: i64) -> io::Result<u64> {
    let mut stop = from;
    loop {
        match scan.next() {
            Ok(Some(place)) if place.header.last_offset() < end_offset => stop = place.end(),
            Ok(_) | Err(crate::scan::ScanError::Batch(_)) => return Ok(stop),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The first record of a batch with `timestamp` or later.
fn first_at(
    file: &File,
    place: &Place,
    timestamp: i64,
    log_start: i64,
) -> io::Result<Option<TimedOffset>> {
    let mut bytes = vec![0; place.header.size()];
    file.read_exact_at(&mut bytes, place.position)?;
    let batch =
        Batch::read(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let Ok(records) = batch.records() else {
        let offset = place.header.base_offset.max(log_start);
        return Ok(Some(TimedOffset { offset, timestamp: place.header.max_timestamp }));
    };
    let wanted = |record: &Record<'_>| record.timestamp >= timestamp && record.offset >= log_start;
    let found = records.map_while(Result::ok).find(wanted);
    Ok(found.map(|record| TimedOffset { offset: record.offset, timestamp: record.timestamp }))
}
