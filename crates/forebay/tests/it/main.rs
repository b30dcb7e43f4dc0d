//! Tests of the binary as its users run it.

mod demo;
mod harness;
mod secure;
mod system;
mod tools;
