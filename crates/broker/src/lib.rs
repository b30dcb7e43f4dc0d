//! Forebay's embedded broker: Kafka's protocol in front of `forebay-log`, in one process.
//!
//! It serves producers (idempotent ones too), consumers, classic consumer groups and the usual
//! admin calls, to ordinary Kafka clients. What it acknowledged is on disk: records and committed
//! offsets count once they are synced, and consumers see nothing that a power cut could take
//! back. There is one broker and one replica, never a cluster. Left out so far: transactions,
//! KIP-848 groups, retention, compaction, authentication.
//!
//! The way of a request: `connection` reads a frame, `api` finds its file in `handlers/`, which
//! works on `topics`/`partition` or on `coordinator` (over the pure machine in `groups`).
#![forbid(unsafe_code)]

mod api;
mod broker;
mod catalog;
mod clock;
mod config;
mod connection;
mod coordinator;
mod groups;
mod handlers;
mod memory;
mod node;
mod partition;
mod shape;
mod topic_config;
mod topics;

pub use broker::{Broker, BrokerHandle, ShutdownError};
pub use config::{BrokerConfig, StartError};
pub use forebay_log::Durability;
