//! The rules of delivery, as machines that take inputs and a time and yield outputs.
//!
//! Nothing here knows Kafka's bytes, HTTP, tokio, a clock or a source of randomness, and
//! `no_std` lets the compiler say so. The gateway and the simulator drive the same
//! [`Subscription`], so what is proved is what runs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod credit;
mod fault;
mod lanes;
mod ledger;
mod partition;
mod pool;
mod record;
mod retry;
mod rng;
mod route;
mod rules;
mod subscription;
mod time;
mod verdict;
mod view;

pub use fault::{Fault, Planted};
pub use record::{CommitPoint, DeliveryId, EndpointId, Offset, PartitionId, Record, Tenure};
pub use route::RevisionId;
pub use rules::{Backoff, Order, Rules};
pub use subscription::{Delivery, Input, Output, Subscription};
pub use time::Instant;
pub use verdict::{Answer, TargetFault, UnknownCause, Verdict};
pub use view::{Blocked, Counts, EndpointState, EndpointView, PartitionStage, PartitionView, View};
