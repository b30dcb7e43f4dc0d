//! A segmented log of record batches on disk, in Kafka's own layout.
//!
//! A [`DataDir`] is locked by one process and holds a directory for each partition; a
//! [`PartitionLog`] appends batches to its last segment, reads whole batches back, and recovers
//! after a crash to exactly the whole batches before the damage. A [`Syncer`] makes appends
//! durable in groups. What consumers may see ends at [`PartitionLog::synced_end`], so they never
//! see what a power cut can take back.
//!
//! Not here: the protocol, waiting, retention by time or size, compaction, transactions.
#![forbid(unsafe_code)]

mod append;
mod checkpoint;
mod config;
mod data_dir;
mod epochs;
mod files;
mod index;
mod partition;
mod producers;
mod read;
mod recover;
mod scan;
mod segment;
mod snapshots;
mod sync;

pub use append::{AppendError, Appended};
pub use config::{LogConfig, TimestampType};
pub use data_dir::{DataDir, DataDirError, PartitionDir};
pub use partition::{EpochEnd, PartitionLog};
pub use read::{FileSlice, ReadError, TimedOffset};
pub use recover::{Recovered, Recovery};
pub use sync::{Durability, SyncHandle, Syncer};
