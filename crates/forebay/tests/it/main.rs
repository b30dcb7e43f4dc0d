//! Tests of the binary as its users run it.

mod demo;
mod faults;
mod harness;
mod secure;
mod system;
mod tools;
