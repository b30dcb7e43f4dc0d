//! Tests of the binary as its users run it.

mod demo;
<<<<<<< HEAD
mod system;
=======
mod harness;
mod system;
mod tools;
>>>>>>> main
