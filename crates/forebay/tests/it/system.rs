//! The whole system: a Kafka, the gateway as a process, and services that remember what they saw.
//!
//! What was delivered, in which order and how often is decided from the services' journals. The
//! Kafka is the embedded broker, or the one that `FOREBAY_TEST_KAFKA` names.

mod abuse;
mod anew;
mod commands;
mod consumers;
mod control;
mod crash;
mod dead_letters;
mod deliver;
mod discovery;
mod group;
mod guarantee;
mod https;
pub(crate) mod input;
pub(crate) mod kafka;
mod load;
mod operate;
mod park;
pub(crate) mod process;
mod rebalance;
mod refuse;
mod scale;
mod start;
mod taken_out;
mod takeover;
