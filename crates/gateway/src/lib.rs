//! The gateway's runtime: it carries values between the world and the core, and decides nothing.
//!
//! A subscription has one consumer here, or several. Each lives on one worker thread: its core, its
//! timer and its delivery slots share that thread, so a record crosses threads once, from the
//! intake's queue to the worker. Outside, a subscription is a [`Handle`]: commands go in,
//! [`Snapshot`]s come out, and no lock is shared.

mod clock;
mod consumers;
mod discovery;
mod gateway;
mod handle;
mod leaving;
mod plan;
mod rebalances;
mod runner;
mod slot;
mod snapshot;
mod standing;

pub use consumers::{CONSUMERS_MAX, first_id, nth_id};
pub use gateway::{Gateway, Handles, ReplanError, StartError};
pub use handle::{ChangeError, Gone, Handle, OperatorError, Order, Place};
pub use plan::{Discovery, LettersPlan, ParkPlan, Plan};
pub use rebalances::{Cause, Moved, RebalanceCounts, RebalanceSnapshot};
pub use snapshot::{
    BlockedSnapshot, CapShares, EndpointSnapshot, Held, Hold, Holder, KafkaState,
    PartitionSnapshot, Snapshot, fault_words,
};

/// Endpoints that a target may list: each is looked at when one is chosen or shown.
pub const ENDPOINTS_MAX: usize = 1_000;

/// The name of a target's only revision.
pub const REVISION: &str = "default";
