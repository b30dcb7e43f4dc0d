//! The protocol's error codes for what a partition says.

use forebay_log::{AppendError, ReadError};
use forebay_wire::BatchError;
use kafka_protocol::error::ResponseError;

use crate::partition::{Partition, PartitionError};

pub(super) fn code(error: &PartitionError) -> ResponseError {
    match error {
        PartitionError::Append(error) => append_code(error),
        PartitionError::Read(ReadError::OutOfRange { .. }) => ResponseError::OffsetOutOfRange,
        PartitionError::Read(ReadError::Io(_)) | PartitionError::Io(_) => {
            ResponseError::KafkaStorageError
        }
        PartitionError::Closed => ResponseError::NotLeaderOrFollower,
    }
}

fn append_code(error: &AppendError) -> ResponseError {
    match error {
        // A checksum that fails is damage on the way, and worth another try.
        AppendError::Corrupt(BatchError::Crc { .. }) => ResponseError::CorruptMessage,
        AppendError::Corrupt(_)
        | AppendError::NotOneBatch(_)
        | AppendError::Control
        | AppendError::NoSequence { .. } => ResponseError::InvalidRecord,
        AppendError::TooLarge { .. } => ResponseError::MessageTooLarge,
        AppendError::Transactional => ResponseError::InvalidTxnState,
        AppendError::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
        AppendError::Fenced { .. } => ResponseError::InvalidProducerEpoch,
        AppendError::Io(_) | AppendError::Failed => ResponseError::KafkaStorageError,
    }
}

/// Compares the leader epoch a client knows with the partition's (KIP-320); -1 asks for nothing.
pub(super) fn check_epoch(partition: &Partition, known: i32) -> Result<(), ResponseError> {
    match known {
        -1 => Ok(()),
        known if known > partition.leader_epoch() => Err(ResponseError::UnknownLeaderEpoch),
        known if known < partition.leader_epoch() => Err(ResponseError::FencedLeaderEpoch),
        _ => Ok(()),
    }
}
