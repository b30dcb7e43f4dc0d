//! The rules of delivery, as machines that take inputs and a time and yield outputs.
//!
//! Nothing here knows Kafka's bytes, HTTP, tokio, a clock or a source of randomness, and
//! `no_std` lets the compiler say so. The gateway and the simulator drive the same
//! [`Subscription`](crate), so what is proved is what runs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod record;
mod time;
mod verdict;

pub use record::{CommitPoint, DeliveryId, EndpointId, Offset, PartitionId, Tenure};
pub use time::Instant;
pub use verdict::{Answer, TargetFault, UnknownCause, Verdict};
