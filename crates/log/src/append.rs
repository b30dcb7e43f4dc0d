//! Appending one batch: check it, give it its place, write it with one write.
//!
//! Nothing that is known about the log changes before the batch is in the file, so a full disk
//! leaves the log as it was. The records' bytes are written as they came.

use std::io;

use forebay_wire::batch::{patch_log_append_time, patch_place};
use forebay_wire::{Batch, BatchError, BatchHeader, HEADER_LEN};

use crate::segment::WriteError;
use crate::{PartitionLog, TimestampType};

/// Where a batch went. It is durable once `synced_end > last_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: i64,
    pub last_offset: i64,
    /// Ms since the epoch; `None` where timestamps are the producer's, and for duplicates.
    pub log_append_time: Option<i64>,
    /// The batch was there already (an idempotent producer sent it again); nothing was written.
    pub duplicate: bool,
}

/// Why nothing was appended. Except after [`AppendError::Failed`] the log is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error(transparent)]
    Corrupt(#[from] BatchError),
    #[error("batch of {size} bytes is larger than max.message.bytes {max}")]
    TooLarge { size: usize, max: u32 },
    #[error("{0} bytes follow the batch; one batch is appended at a time")]
    NotOneBatch(usize),
    #[error("producers may not write control batches")]
    Control,
    #[error("transactions are not known to this log")]
    Transactional,
    #[error("batch of producer {producer_id} lacks an epoch or a sequence")]
    NoSequence { producer_id: i64 },
    #[error("producer {producer_id} sent sequence {found}, expected {expected}")]
    OutOfOrderSequence { producer_id: i64, expected: i32, found: i32 },
    #[error("producer {producer_id} has epoch {found}, but epoch {current} was seen")]
    Fenced { producer_id: i64, current: i16, found: i16 },
    /// The disk refused (full, for one); a later append may work.
    #[error("could not write the log: {0}")]
    Io(#[from] io::Error),
    /// The log can't be trusted any more; the process must stop.
    #[error("the log has failed and takes no more")]
    Failed,
}

impl PartitionLog {
    /// Appends one batch as a producer sent it, giving it the next offsets and `leader_epoch`.
    pub fn append(
        &mut self,
        batch: &[u8],
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        if !self.sync.takes_appends() {
            return Err(AppendError::Failed);
        }
        let header = self.admit(batch)?;
        let expiration_ms = self.config.producer_id_expiration_ms;
        if let Some(sent) = self.producers.check(&header, now_ms, expiration_ms)? {
            return Ok(Appended {
                base_offset: sent.first_offset(),
                last_offset: sent.last_offset,
                log_append_time: None,
                duplicate: true,
            });
        }
        self.make_room(&header, now_ms)?;
        self.begin_epoch(leader_epoch)?;
        self.write(batch, leader_epoch, now_ms)
    }

    /// Checks that these bytes are one batch that a producer may write.
    fn admit(&self, bytes: &[u8]) -> Result<BatchHeader, AppendError> {
        let max = self.config.max_message_bytes;
        if bytes.len() > max as usize {
            return Err(AppendError::TooLarge { size: bytes.len(), max });
        }
        let batch = Batch::read(bytes)?;
        match bytes.len() - batch.bytes().len() {
            0 => {}
            more => return Err(AppendError::NotOneBatch(more)),
        }
        if batch.header.attributes.is_control() {
            return Err(AppendError::Control);
        }
        if batch.header.attributes.is_transactional() {
            return Err(AppendError::Transactional);
        }
        batch.check_produced()?;
        Ok(batch.header)
    }

    /// Stores a new leader epoch before its first batch.
    fn begin_epoch(&mut self, leader_epoch: i32) -> io::Result<()> {
        if !self.epochs.note(leader_epoch, self.log_end) {
            return Ok(());
        }
        // What is not stored is forgotten again, so that the next append stores it.
        self.epochs.write().inspect_err(|_| self.epochs.truncate(self.log_end))
    }

    fn write(
        &mut self,
        batch: &[u8],
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let (head, records) =
            batch.split_first_chunk::<HEADER_LEN>().expect("admit() read a header");
        let mut head = *head;
        patch_place(&mut head, self.log_end, leader_epoch);
        let log_append_time =
            (self.config.timestamp_type == TimestampType::LogAppendTime).then_some(now_ms);
        if let Some(time) = log_append_time {
            patch_log_append_time(&mut head, records, time);
        }
        let placed = BatchHeader::read(&head)?;

        let interval = self.config.index_interval_bytes;
        let active = self.segments.last_mut().expect("make_room() left a segment");
        match active.append(&head, records, placed, interval) {
            Ok(_) => {}
            Err(WriteError::Undone(error)) => return Err(error.into()),
            Err(WriteError::Torn(error)) => {
                self.sync.fail(&error);
                return Err(AppendError::Failed);
            }
        }
        self.log_end = placed.next_offset();
        self.changed = true;
        self.producers.note(&placed, now_ms);
        self.producers.sweep(now_ms, self.config.producer_id_expiration_ms);
        self.sync.appended(active.file()?, self.log_end);
        Ok(Appended {
            base_offset: placed.base_offset,
            last_offset: placed.last_offset(),
            log_append_time,
            duplicate: false,
        })
    }
}
