//! Reading whole batches.

use std::io;

use bytes::Bytes;

use crate::PartitionLog;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset {offset} is outside {start}..={end}")]
    OutOfRange { offset: i64, start: i64, end: i64 },
    #[error("could not read the log: {0}")]
    Io(#[from] io::Error),
}

/// Whole batches in one segment file, not read yet; can be read without the log's lock.
#[derive(Clone, Debug)]
pub struct FileSlice {}

impl FileSlice {
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    pub fn load(&self) -> io::Result<Bytes> {
        unimplemented!()
    }
}

/// A record's (or, in compressed batches, a batch's) place and timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    pub offset: i64,
    pub timestamp: i64,
}

impl PartitionLog {
    /// Finds whole batches from the one that contains `from` on, or the next one where `from`
    /// lies in a gap, ending before `end` and within `max_bytes`; with `at_least_one` the first
    /// batch may be larger. Empty where there is nothing yet before `end`.
    pub fn find(
        &self,
        _from: i64,
        _max_bytes: usize,
        _end: i64,
        _at_least_one: bool,
    ) -> Result<FileSlice, ReadError> {
        unimplemented!()
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
    /// In a compressed batch: the first offset of the first batch whose max timestamp is.
    pub fn offset_for_time(&self, _timestamp: i64) -> Result<Option<TimedOffset>, ReadError> {
        unimplemented!()
    }
}
