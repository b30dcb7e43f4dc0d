//! The directory that holds all partitions of one broker.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{path} is in use by another process")]
    InUse { path: PathBuf },
    #[error("{path} has format version {found}, this program knows up to {known}")]
    NewerVersion { path: PathBuf, found: u32, known: u32 },
    #[error("{path}: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("{name:?} is no topic name that can be a directory")]
    TopicName { name: String },
    #[error("{topic}-{partition} exists already")]
    Exists { topic: String, partition: i32 },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// One partition's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDir {
    pub topic: String,
    pub partition: i32,
    /// The topic's id (KIP-516); `None` where `partition.metadata` is missing.
    pub topic_id: Option<[u8; 16]>,
    pub path: PathBuf,
}

/// An open data directory, locked until it is dropped.
#[derive(Debug)]
pub struct DataDir {}

impl DataDir {
    /// Opens or creates the directory and takes its lock. `new_cluster_id` is asked only where
    /// the directory is new. Unless it was closed cleanly, the leader epoch is bumped.
    pub fn open(
        _path: &Path,
        _new_cluster_id: impl FnOnce() -> String,
    ) -> Result<Self, DataDirError> {
        unimplemented!()
    }

    pub fn path(&self) -> &Path {
        unimplemented!()
    }

    pub fn cluster_id(&self) -> &str {
        unimplemented!()
    }

    /// Whether the last process closed every log before it ended.
    pub fn was_clean(&self) -> bool {
        unimplemented!()
    }

    /// Leader epoch of all partitions for as long as this process runs.
    pub fn leader_epoch(&self) -> i32 {
        unimplemented!()
    }

    /// All partitions, by topic and number; what was being deleted is removed on the way.
    pub fn partitions(&self) -> Result<Vec<PartitionDir>, DataDirError> {
        unimplemented!()
    }

    /// Creates the directories of a new topic's partitions (or of added ones) durably.
    pub fn create_partitions(
        &self,
        _topic: &str,
        _topic_id: [u8; 16],
        _partitions: std::ops::Range<i32>,
    ) -> Result<Vec<PartitionDir>, DataDirError> {
        unimplemented!()
    }

    /// Deletes a partition's directory: once this returns it does not come back.
    pub fn delete_partition(&self, _topic: &str, _partition: i32) -> Result<(), DataDirError> {
        unimplemented!()
    }

    /// Says that every log was closed; the next start then trusts what it finds.
    pub fn close(self) -> Result<(), DataDirError> {
        unimplemented!()
    }
}
