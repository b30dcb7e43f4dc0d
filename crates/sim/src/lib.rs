//! Deterministic worlds that try to break the promises of the pure core.
//!
//! A seed becomes a [`Plan`](swarm::Plan): rules, a log, and what goes wrong when. A
//! [`World`](world::World) lives it on virtual time around the same [`forebay_core::Subscription`]
//! that the gateway drives. A plain [`Model`](model::Model) keeps its own books of what was handed
//! over, sent and answered, and the [`checkers`], one for each promise, hold the core to them.
//! Faults that were planted in the core on purpose show that the checkers see.
//!
//! It leaves out everything that is not the core: sockets, librdkafka, threads.
#![forbid(unsafe_code)]

mod agenda;
pub mod checkers;
pub mod faults;
mod kafka;
pub mod model;
pub mod replay;
mod rng;
mod service;
pub mod swarm;
pub mod world;
