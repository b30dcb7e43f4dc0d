//! Byte formats that several of our crates read and write, without any IO.
//!
//! Record batches as Kafka stores and sends them ([`batch`], [`record`], [`builder`]), the
//! contents of `__consumer_offsets` ([`offsets_topic`]), what Forebay keeps in the metadata string
//! of a committed offset ([`commit_metadata`], [`completion`]) and in its topic `__forebay`
//! ([`keep`]: [`starts`], [`announcement`], [`command`]), what Parallel Consumer keeps beside an offset ([`parallel_consumer`]), and the
//! headers of dead letters ([`dead_letter`]). Every decoder takes arbitrary bytes: it answers with
//! a typed error, never panics, and allocates no more than the input justifies. Kafka's request and
//! response messages are not here.
#![forbid(unsafe_code)]

pub mod announcement;
pub mod batch;
pub mod builder;
pub mod command;
pub mod commit_metadata;
pub mod completion;
mod cursor;
pub mod dead_letter;
pub mod keep;
pub mod offsets_topic;
pub mod parallel_consumer;
pub mod parked;
pub mod record;
pub mod replay;
pub mod starts;

pub use announcement::Announcement;
pub use batch::{Attributes, Batch, BatchError, BatchHeader, Batches, Codec, HEADER_LEN};
pub use builder::{BatchBuilder, Producer};
pub use command::Command;
pub use commit_metadata::{CommitMetadata, Unreadable};
pub use record::{Record, RecordError, RecordHeader, Records};
pub use replay::Replay;
pub use starts::Starts;
