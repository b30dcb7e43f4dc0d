//! The rules of delivery, as machines that take inputs and a time and yield outputs.
//!
//! Nothing here knows Kafka's bytes, HTTP, tokio, a clock or a source of randomness, and
//! `no_std` lets the compiler say so. The gateway and the simulator drive the same
//! [`Subscription`], so what is proved is what runs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod blame;
mod budget;
mod cap;
mod commit;
mod completion;
mod credit;
mod fault;
mod handover;
mod hold;
mod lanes;
mod ledger;
mod limiter;
mod park;
mod partition;
mod pool;
mod rate;
mod record;
mod retry;
mod rng;
mod route;
mod rules;
mod share;
mod subscription;
mod time;
mod verdict;
mod view;

pub use cap::{Cap, CapTimes};
pub use commit::{CommitState, PASTS_MAX, Rewinds};
pub use completion::{Completion, LINK};
pub use fault::{Fault, Planted};
pub use hold::HoldTarget;
pub use park::{PARKED_MAX, ParkPlace, ParkedKey, ParkedLast};
pub use partition::{Stuck, Why};
pub use pool::Ejection;
pub use record::{CommitPoint, DeliveryId, EndpointId, Offset, PartitionId, Past, Record, Tenure};
pub use rng::Rng;
pub use route::RevisionId;
pub use rules::{Backoff, GiveUp, Guarantee, Order, Rules, Takeover};
pub use share::Share;
pub use subscription::{
    Command, CommandError, DeadLetter, Delivery, Input, Output, Park, Subscription,
};
pub use time::Instant;
pub use verdict::{Answer, TargetFault, TlsFault, UnknownCause, Verdict};
pub use view::{
    Blocked, BlockedState, Counts, EndpointState, EndpointView, HoldView, PartitionStage,
    PartitionView, View,
};
