//! Lines with their numbers, each of a bounded length.

use std::io::{BufRead, Read};

use super::{Ended, Malformed};

/// Largest row, in bytes: more than any broker takes.
pub(super) const LARGEST_ROW: usize = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) struct Lines {
    bytes: Box<dyn BufRead + Send>,
    line: u64,
    /// [`LARGEST_ROW`], but for tests.
    largest: usize,
}

impl Lines {
    pub(super) fn new(bytes: Box<dyn BufRead + Send>) -> Self {
        Self { bytes, line: 0, largest: LARGEST_ROW }
    }

    #[cfg(test)]
    pub(super) fn with_largest(mut self, largest: usize) -> Self {
        self.largest = largest;
        self
    }

    /// How many were read.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Adds the next line, with its end, to what `row` holds of the same row, and tells its
    /// number. A byte order mark at the start of the input is left out.
    pub(super) fn next(&mut self, row: &mut Vec<u8>) -> Result<Option<u64>, Ended> {
        let start = row.len();
        let room = (self.largest - start) as u64;
        let count = self.bytes.by_ref().take(room + 1).read_until(b'\n', row)?;
        if count == 0 {
            return Ok(None);
        }
        self.line += 1;
        if count as u64 > room {
            let what = format!("longer than {} bytes, the most that is read", self.largest);
            return Err(Malformed::new(self.line, what).into());
        }
        if self.line == 1 && row.starts_with(BYTE_ORDER_MARK) {
            row.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(self.line))
    }
}

/// Takes `\n` or `\r\n` off.
pub(super) fn trim_end(line: &mut Vec<u8>) {
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
}
