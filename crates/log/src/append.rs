//! Appending one batch.

use std::io;

use forebay_wire::BatchError;

use crate::PartitionLog;

/// Where a batch went. It is durable once `synced_end > last_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: i64,
    pub last_offset: i64,
    /// Ms since the epoch; `None` where timestamps are the producer's.
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
        _batch: &[u8],
        _leader_epoch: i32,
        _now_ms: i64,
    ) -> Result<Appended, AppendError> {
        unimplemented!()
    }
}
