//! Sparse indexes of one segment: offset to file position, and timestamp to offset.
//!
//! - `.index`: 8-byte entries, relative offset u32 · position u32, for one batch in every
//!   `index.interval.bytes`: its *last* offset, and where it begins.
//! - `.timeindex`: 12-byte entries, timestamp i64 · relative offset u32: the largest timestamp so
//!   far and the last offset of the batch that has it; both strictly rise.
//!
//! The active segment's index lives in memory and is written when the segment is sealed or the
//! log is closed. A sealed one stays in its files and is searched by `pread`, so it costs no
//! memory. An index can always be rebuilt from the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use forebay_wire::BatchHeader;

use crate::files;

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;

/// Fixed-size entries in memory, or in a file that will not change.
#[derive(Debug)]
enum Table<const N: usize> {
    Memory(Vec<[u8; N]>),
    File { file: File, len: usize },
}

impl<const N: usize> Table<N> {
    /// `None` where the file is missing or cut within an entry.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        Ok(bytes.is_multiple_of(N).then_some(Self::File { file, len: bytes / N }))
    }

    const fn len(&self) -> usize {
        match self {
            Self::Memory(entries) => entries.len(),
            Self::File { len, .. } => *len,
        }
    }

    fn get(&self, at: usize) -> io::Result<[u8; N]> {
        match self {
            Self::Memory(entries) => Ok(entries[at]),
            Self::File { file, .. } => {
                let mut entry = [0; N];
                file.read_exact_at(&mut entry, (at * N) as u64)?;
                Ok(entry)
            }
        }
    }

    fn last(&self) -> io::Result<Option<[u8; N]>> {
        self.len().checked_sub(1).map(|at| self.get(at)).transpose()
    }

    /// The last entry of those that `holds` accepts; it must accept a prefix of the entries.
    fn last_where(&self, holds: impl Fn(&[u8; N]) -> bool) -> io::Result<Option<[u8; N]>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.get(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1).map(|at| self.get(at)).transpose()
    }

    fn load(self) -> io::Result<Vec<[u8; N]>> {
        match self {
            Self::Memory(entries) => Ok(entries),
            Self::File { file, len } => {
                let mut bytes = vec![0; len * N];
                file.read_exact_at(&mut bytes, 0)?;
                Ok(bytes.as_chunks::<N>().0.to_vec())
            }
        }
    }

    /// Entries in memory, which is where all that are still written are.
    fn memory(&mut self) -> Option<&mut Vec<[u8; N]>> {
        match self {
            Self::Memory(entries) => Some(entries),
            Self::File { .. } => None,
        }
    }
}

/// Both indexes of a segment.
#[derive(Debug)]
pub(crate) struct Index {
    base_offset: i64,
    offsets: Table<OFFSET_ENTRY>,
    times: Table<TIME_ENTRY>,
    bytes_since_entry: u64,
    max_timestamp: i64,
    max_timestamp_offset: i64,
}

impl Index {
    /// The index of an empty segment.
    pub(crate) const fn new(base_offset: i64) -> Self {
        Self {
            base_offset,
            offsets: Table::Memory(Vec::new()),
            times: Table::Memory(Vec::new()),
            bytes_since_entry: 0,
            max_timestamp: -1,
            max_timestamp_offset: -1,
        }
    }

    /// Opens the files of a sealed segment; `None` where they are missing or can't be true for a
    /// log file of `log_size` bytes, and must be rebuilt.
    pub(crate) fn open(
        base_offset: i64,
        paths: [&Path; 2],
        log_size: u64,
    ) -> io::Result<Option<Self>> {
        let (Some(offsets), Some(times)) = (Table::open(paths[0])?, Table::open(paths[1])?) else {
            return Ok(None);
        };
        let mut index = Self { offsets, times, ..Self::new(base_offset) };
        let last_position = index.last_position()?;
        // A segment that holds anything has a timestamp, so it has a time entry.
        if (last_position > 0 && last_position >= log_size)
            || (log_size > 0 && index.times.len() == 0)
        {
            return Ok(None);
        }
        if let Some(last) = index.times.last()? {
            let (timestamp, offset) = index.time_entry(&last);
            (index.max_timestamp, index.max_timestamp_offset) = (timestamp, offset);
        }
        Ok(Some(index))
    }

    /// Takes the entries into memory, so that more can be added.
    pub(crate) fn into_memory(self, log_size: u64) -> io::Result<Self> {
        let bytes_since_entry = log_size - self.last_position()?;
        let offsets = Table::Memory(self.offsets.load()?);
        let times = Table::Memory(self.times.load()?);
        Ok(Self { offsets, times, bytes_since_entry, ..self })
    }

    /// Notes the batch that begins at `position`, as the next one of the segment.
    pub(crate) fn note(&mut self, header: &BatchHeader, position: u64, interval: u32) {
        if header.max_timestamp > self.max_timestamp || self.max_timestamp_offset < 0 {
            self.max_timestamp = header.max_timestamp;
            self.max_timestamp_offset = header.last_offset();
        }
        if self.bytes_since_entry > u64::from(interval) {
            let mut entry = [0; OFFSET_ENTRY];
            entry[..4].copy_from_slice(&self.relative(header.last_offset()).to_be_bytes());
            entry[4..].copy_from_slice(&(position as u32).to_be_bytes());
            if let Some(entries) = self.offsets.memory() {
                entries.push(entry);
            }
            self.note_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.size() as u64;
    }

    fn note_time(&mut self) {
        let mut entry = [0; TIME_ENTRY];
        entry[..8].copy_from_slice(&self.max_timestamp.to_be_bytes());
        entry[8..].copy_from_slice(&self.relative(self.max_timestamp_offset).to_be_bytes());
        if let Some(entries) = self.times.memory()
            && entries.last() != Some(&entry)
        {
            entries.push(entry);
        }
    }

    /// Relative offsets fit because a segment is sealed before they do not.
    const fn relative(&self, offset: i64) -> u32 {
        (offset - self.base_offset) as u32
    }

    /// Writes both files. They are durable once their directory is synced.
    pub(crate) fn write(&mut self, paths: [&Path; 2]) -> io::Result<()> {
        if self.max_timestamp_offset >= 0 {
            self.note_time();
        }
        if let (Some(offsets), Some(times)) = (self.offsets.memory(), self.times.memory()) {
            files::replace_lazily(paths[0], offsets.as_flattened())?;
            files::replace_lazily(paths[1], times.as_flattened())?;
        }
        Ok(())
    }

    /// Whether another entry would pass `max_bytes` in either file.
    pub(crate) const fn is_full(&self, max_bytes: u32) -> bool {
        // One time entry is kept free for the one that sealing adds.
        (self.offsets.len() + 1) * OFFSET_ENTRY > max_bytes as usize
            || (self.times.len() + 2) * TIME_ENTRY > max_bytes as usize
    }

    pub(crate) const fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Position of a batch that is not behind the one that contains `offset`.
    pub(crate) fn position_of(&self, offset: i64) -> io::Result<u64> {
        let entry = self.offsets.last_where(|entry| self.offset_entry(entry).0 <= offset)?;
        Ok(entry.map_or(0, |entry| self.offset_entry(&entry).1))
    }

    /// Position of a batch that begins at `position` or before.
    pub(crate) fn position_before(&self, position: u64) -> io::Result<u64> {
        let entry = self.offsets.last_where(|entry| self.offset_entry(entry).1 <= position)?;
        Ok(entry.map_or(0, |entry| self.offset_entry(&entry).1))
    }

    /// Position of a batch that is not behind the first one with `timestamp` or later.
    pub(crate) fn position_of_time(&self, timestamp: i64) -> io::Result<u64> {
        match self.times.last_where(|entry| self.time_entry(entry).0 < timestamp)? {
            Some(entry) => self.position_of(self.time_entry(&entry).1),
            None => Ok(0),
        }
    }

    /// Position of the last batch that has an entry.
    pub(crate) fn last_position(&self) -> io::Result<u64> {
        Ok(self.offsets.last()?.map_or(0, |entry| self.offset_entry(&entry).1))
    }

    fn offset_entry(&self, entry: &[u8; OFFSET_ENTRY]) -> (i64, u64) {
        let [a, b, c, d, position @ ..] = *entry;
        let relative = u32::from_be_bytes([a, b, c, d]);
        (self.base_offset + i64::from(relative), u64::from(u32::from_be_bytes(position)))
    }

    fn time_entry(&self, entry: &[u8; TIME_ENTRY]) -> (i64, i64) {
        let [timestamp @ .., a, b, c, d] = *entry;
        let relative = u32::from_be_bytes([a, b, c, d]);
        (i64::from_be_bytes(timestamp), self.base_offset + i64::from(relative))
    }
}

#[cfg(test)]
mod tests;
