//! Tests of the binary as its users run it.

mod harness;
mod system;
mod tools;
