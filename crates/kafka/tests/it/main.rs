//! What this crate promises, against a broker: the one at `FOREBAY_TEST_KAFKA` (host:port), or an
//! Apache Kafka of our own, started once for the run and ended with it.

mod admin;
mod anew;
mod announcements;
mod cluster;
mod commands;
mod epochs;
mod handover;
mod intake;
mod produce;
mod start;
mod worker;
