//! The broker as its clients see it: over TCP, in one process with the test, or by real clients.
//!
//! `client` is a hand-made client that can send any version of any request, and nonsense.

mod admin;
mod broker;
mod clients;
mod garbage;
mod groups;
mod produce_fetch;
mod restart;
mod versions;

mod client;
