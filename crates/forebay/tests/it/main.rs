//! The whole program, from outside.

mod demo;
