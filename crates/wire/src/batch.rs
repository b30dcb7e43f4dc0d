//! Record batches of magic 2: the header, the walk over several batches, and patching in place.
//!
//! A batch is stored, sent and checked whole: its records stay bytes until somebody asks for
//! them ([`Batch::records`]). Base offset and leader epoch lie outside the checksum, so a broker
//! assigns offsets by patching 12 bytes. Nothing here decompresses. Older magics are an error.
//!
//! Layout (big endian): base offset i64 · length i32 (of what follows it) · leader epoch i32 ·
//! magic i8 · CRC-32C u32 (from attributes to the end) · attributes i16 · last offset delta i32 ·
//! base timestamp i64 · max timestamp i64 · producer id i64 · producer epoch i16 ·
//! base sequence i32 · record count i32 · records.

use crate::cursor::Cursor;
use crate::record::{RecordError, Records};

/// Bytes of a batch before its records.
pub const HEADER_LEN: usize = 61;
/// Producer id of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;

/// Bytes of base offset and length, which `length` does not count.
const PREFIX_LEN: usize = 12;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
/// First byte that the checksum covers.
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;
const MAGIC: u8 = 2;

/// Why bytes are no batch that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("batch is cut short: {have} of {need} bytes")]
    Incomplete { need: usize, have: usize },
    #[error("batch has magic {0}, only 2 is known")]
    Magic(u8),
    #[error("batch length {0} can't be true")]
    Length(i32),
    #[error("batch checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Crc { stored: u32, computed: u32 },
    #[error("batch of {count} records claims a last offset delta of {last_offset_delta}")]
    Count { count: i32, last_offset_delta: i32 },
    #[error("batch with base offset {0} does not fit the offsets there are")]
    Offset(i64),
    #[error("batch uses unknown compression {0}")]
    Codec(u8),
}

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    pub const LOG_APPEND_TIME: i16 = 1 << 3;
    pub const TRANSACTIONAL: i16 = 1 << 4;
    pub const CONTROL: i16 = 1 << 5;

    pub const fn codec(self) -> Result<Codec, BatchError> {
        match self.0 & 0b111 {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(BatchError::Codec(other as u8)),
        }
    }

    /// Whether timestamps are the broker's: every record then counts as of the max timestamp.
    pub const fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }
}

/// The fixed part of a batch, decoded. Timestamps are ms since the epoch, -1 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Bytes after this field, as stored; [`BatchHeader::size`] is the whole batch.
    pub length: i32,
    pub leader_epoch: i32,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which need not hold the records.
    ///
    /// What comes back is safe to walk by: [`Self::size`] is at least [`HEADER_LEN`], offsets
    /// do not overflow, and the count is not larger than the offsets allow. The checksum is not
    /// looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        // Old magics have shorter headers; naming the magic beats calling them cut short.
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic != MAGIC
        {
            return Err(BatchError::Magic(magic));
        }
        let header = Self::fields(bytes)
            .ok_or(BatchError::Incomplete { need: HEADER_LEN, have: bytes.len() })?;
        if (header.length as i64) < (HEADER_LEN - PREFIX_LEN) as i64 {
            return Err(BatchError::Length(header.length));
        }
        let end = header.base_offset.checked_add(i64::from(header.last_offset_delta) + 1);
        if header.base_offset < 0 || end.is_none() {
            return Err(BatchError::Offset(header.base_offset));
        }
        // Compaction leaves fewer records than offsets, never more.
        let Self { count, last_offset_delta, .. } = header;
        if last_offset_delta < 0 || count < 0 || i64::from(count) > i64::from(last_offset_delta) + 1
        {
            return Err(BatchError::Count { count, last_offset_delta });
        }
        Ok(header)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let base_offset = cursor.i64().ok()?;
        let length = cursor.i32().ok()?;
        let leader_epoch = cursor.i32().ok()?;
        cursor.u8().ok()?;
        Some(Self {
            base_offset,
            length,
            leader_epoch,
            crc: cursor.i32().ok()? as u32,
            attributes: Attributes(cursor.i16().ok()?),
            last_offset_delta: cursor.i32().ok()?,
            base_timestamp: cursor.i64().ok()?,
            max_timestamp: cursor.i64().ok()?,
            producer_id: cursor.i64().ok()?,
            producer_epoch: cursor.i16().ok()?,
            base_sequence: cursor.i32().ok()?,
            count: cursor.i32().ok()?,
        })
    }

    /// Bytes of the whole batch, header included.
    pub const fn size(&self) -> usize {
        PREFIX_LEN + self.length as usize
    }

    pub const fn last_offset(&self) -> i64 {
        self.base_offset + self.last_offset_delta as i64
    }

    /// The offset after the batch.
    pub const fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    pub const fn has_producer(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence of the last record; sequences wrap from `i32::MAX` to 0.
    pub const fn last_sequence(&self) -> i32 {
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Appends the header's 61 bytes to `out`, as the fields say.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.base_offset.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
        out.extend_from_slice(&self.leader_epoch.to_be_bytes());
        out.push(MAGIC);
        out.extend_from_slice(&self.crc.to_be_bytes());
        out.extend_from_slice(&self.attributes.0.to_be_bytes());
        out.extend_from_slice(&self.last_offset_delta.to_be_bytes());
        out.extend_from_slice(&self.base_timestamp.to_be_bytes());
        out.extend_from_slice(&self.max_timestamp.to_be_bytes());
        out.extend_from_slice(&self.producer_id.to_be_bytes());
        out.extend_from_slice(&self.producer_epoch.to_be_bytes());
        out.extend_from_slice(&self.base_sequence.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
    }
}

/// The sequence `by` records after `sequence`; sequences wrap from `i32::MAX` to 0.
pub const fn advance_sequence(sequence: i32, by: i32) -> i32 {
    ((sequence as i64 + by as i64) & i32::MAX as i64) as i32
}

/// One whole batch: its header, and its bytes where they lie.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the batch at the start of `bytes`; what follows it is not looked at.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let header = BatchHeader::read(bytes)?;
        let need = header.size();
        let whole = bytes.get(..need).ok_or(BatchError::Incomplete { need, have: bytes.len() })?;
        Ok(Self { header, bytes: whole })
    }

    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Checks the bytes against the stored CRC-32C.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..]);
        match self.header.crc {
            stored if stored == computed => Ok(()),
            stored => Err(BatchError::Crc { stored, computed }),
        }
    }

    /// Checks what a producer must have got right: checksum, known compression, and one record
    /// for each offset.
    pub fn check_produced(&self) -> Result<(), BatchError> {
        let BatchHeader { count, last_offset_delta, attributes, .. } = self.header;
        attributes.codec()?;
        if i64::from(count) != i64::from(last_offset_delta) + 1 {
            return Err(BatchError::Count { count, last_offset_delta });
        }
        self.check_crc()
    }

    /// The records of an uncompressed batch.
    pub fn records(&self) -> Result<Records<'a>, RecordError> {
        match self.header.attributes.codec()? {
            Codec::None => Ok(Records::new(self.header, &self.bytes[HEADER_LEN..])),
            codec => Err(RecordError::Compressed(codec)),
        }
    }
}

/// Walks the batches of a byte slice, and ends after the first error.
///
/// A batch cut short at the end, as Kafka's fetch responses may have, is
/// [`BatchError::Incomplete`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = Batch::read(self.rest);
        self.rest = batch.as_ref().map_or(&[], |batch| &self.rest[batch.bytes.len()..]);
        Some(batch)
    }
}

/// Gives a batch its place in the log; the checksum stays true.
pub fn patch_place(header: &mut [u8; HEADER_LEN], base_offset: i64, leader_epoch: i32) {
    header[..8].copy_from_slice(&base_offset.to_be_bytes());
    header[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Stamps a batch with the broker's time (`message.timestamp.type=LogAppendTime`) and makes the
/// checksum true again; `records` is the rest of the batch after its header.
pub fn patch_log_append_time(header: &mut [u8; HEADER_LEN], records: &[u8], time_ms: i64) {
    // The timestamp bit is in the low byte of the attributes.
    header[ATTRIBUTES_AT + 1] |= Attributes::LOG_APPEND_TIME as u8;
    header[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&time_ms.to_be_bytes());
    seal(header, records);
}

/// Writes the checksum of `header` and `records` into `header`.
pub(crate) fn seal(header: &mut [u8; HEADER_LEN], records: &[u8]) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[ATTRIBUTES_AT..]), records);
    header[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}

/// Computes a batch's checksum from pieces, for batches that are not in memory as a whole.
#[derive(Clone, Copy, Debug)]
pub struct RunningCrc(u32);

impl RunningCrc {
    pub fn new(header: &[u8; HEADER_LEN]) -> Self {
        Self(crc32c::crc32c(&header[ATTRIBUTES_AT..]))
    }

    /// Adds the next bytes after the header.
    pub fn add(&mut self, records: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, records);
    }

    pub const fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests;
