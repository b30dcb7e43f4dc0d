//! Tests of the binary as its users run it.

mod demo;
mod faults;
mod harness;
mod parallel_consumer;
mod secure;
mod system;
mod tools;
