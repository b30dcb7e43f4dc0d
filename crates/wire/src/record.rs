//! The records inside an uncompressed batch, borrowed from its bytes.
//!
//! Layout of a record: length varint (of what follows) · attributes i8 · timestamp delta varlong ·
//! offset delta varint · key, value: length varint and bytes, negative for null · count varint of
//! headers, each: name (length varint, UTF-8), value like the record's.

use crate::batch::{BatchError, BatchHeader, Codec};
use crate::cursor::{Cursor, Malformed};

/// Why a batch's records can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("records are compressed with {0:?}")]
    Compressed(Codec),
    #[error("record {index} of the batch is malformed")]
    Malformed { index: i32 },
    #[error("{0} bytes follow the last record of the batch")]
    TrailingBytes(usize),
}

/// One record, its parts borrowed from the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: i64,
    /// Ms since the epoch; -1 where there is none.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<RecordHeader<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    pub name: &'a str,
    pub value: Option<&'a [u8]>,
}

/// Walks the records of one batch, and ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    next: i32,
    cursor: Cursor<'a>,
}

impl<'a> Records<'a> {
    pub(crate) const fn new(header: BatchHeader, bytes: &'a [u8]) -> Self {
        Self { header, next: 0, cursor: Cursor::new(bytes) }
    }

    fn record(&mut self) -> Result<Record<'a>, Malformed> {
        let len = usize::try_from(self.cursor.varint()?).map_err(|_| Malformed)?;
        let mut cursor = Cursor::new(self.cursor.take(len)?);
        cursor.u8()?;
        let timestamp_delta = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        if !(0..=self.header.last_offset_delta).contains(&offset_delta) {
            return Err(Malformed);
        }
        let record = Record {
            offset: self.header.base_offset + i64::from(offset_delta),
            timestamp: self.timestamp(timestamp_delta),
            key: cursor.varint_bytes()?,
            value: cursor.varint_bytes()?,
            headers: headers(&mut cursor)?,
        };
        if cursor.remaining() == 0 { Ok(record) } else { Err(Malformed) }
    }

    fn timestamp(&self, delta: i64) -> i64 {
        if self.header.attributes.is_log_append_time() {
            self.header.max_timestamp
        } else {
            self.header.base_timestamp.wrapping_add(delta)
        }
    }
}

fn headers<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<RecordHeader<'a>>, Malformed> {
    let count = usize::try_from(cursor.varint()?).map_err(|_| Malformed)?;
    // A header takes two bytes at least, so the claim is checked before memory is taken for it.
    if count > cursor.remaining() / 2 {
        return Err(Malformed);
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let name = cursor.varint_bytes()?.ok_or(Malformed)?;
        let name = str::from_utf8(name).map_err(|_| Malformed)?;
        headers.push(RecordHeader { name, value: cursor.varint_bytes()? });
    }
    Ok(headers)
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.header.count {
            let trailing = self.cursor.remaining();
            self.cursor = Cursor::new(&[]);
            return (trailing > 0).then_some(Err(RecordError::TrailingBytes(trailing)));
        }
        let index = self.next;
        if let Ok(record) = self.record() {
            self.next += 1;
            return Some(Ok(record));
        }
        self.next = self.header.count;
        self.cursor = Cursor::new(&[]);
        Some(Err(RecordError::Malformed { index }))
    }
}
