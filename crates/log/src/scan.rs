//! Walks the batches of a segment file by their headers, reading as little as it can.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use forebay_wire::batch::RunningCrc;
use forebay_wire::{BatchError, BatchHeader, HEADER_LEN};

/// Read at once to find headers: a little more than lies between two index entries.
const WINDOW: usize = 8 * 1024;
/// Read at once to check checksums.
const CHUNK: usize = 256 * 1024;

/// Where the walk had to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl From<ScanError> for io::Error {
    /// For callers to whom a bad batch is as much a broken disk as an unreadable sector.
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => error,
            ScanError::Batch(error) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// A batch's header, and where in the file the batch begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

impl Place {
    pub(crate) const fn end(&self) -> u64 {
        self.position + self.header.size() as u64
    }
}

/// The walk over `position..end` of a file.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(file: &'a File, position: u64, end: u64) -> Self {
        Self { file, position, end, window: Vec::new(), window_at: 0 }
    }

    /// The next batch that lies wholly before the end; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Place>, ScanError> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let header = BatchHeader::read(self.peek(left.min(HEADER_LEN))?)?;
        if header.size() > left {
            return Err(BatchError::Incomplete { need: header.size(), have: left }.into());
        }
        let place = Place { position: self.position, header };
        self.position = place.end();
        Ok(Some(place))
    }

    fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        let end = self.position + len as u64;
        if self.position < self.window_at || end > self.window_at + self.window.len() as u64 {
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            self.window.resize(left.min(WINDOW), 0);
            self.file.read_exact_at(&mut self.window, self.position)?;
            self.window_at = self.position;
        }
        let at = (self.position - self.window_at) as usize;
        Ok(&self.window[at..at + len])
    }
}

/// Checks a batch's bytes against its checksum, in pieces, so that its size costs no memory.
pub(crate) fn check_crc(file: &File, place: &Place, buffer: &mut Vec<u8>) -> Result<(), ScanError> {
    let mut head = [0; HEADER_LEN];
    file.read_exact_at(&mut head, place.position)?;
    let mut crc = RunningCrc::new(&head);
    let mut position = place.position + HEADER_LEN as u64;
    while position < place.end() {
        let len = usize::try_from(place.end() - position).unwrap_or(CHUNK).min(CHUNK);
        buffer.resize(len, 0);
        file.read_exact_at(buffer, position)?;
        crc.add(buffer);
        position += len as u64;
    }
    match (place.header.crc, crc.value()) {
        (stored, computed) if stored == computed => Ok(()),
        (stored, computed) => Err(BatchError::Crc { stored, computed }.into()),
    }
}
