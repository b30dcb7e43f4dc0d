//! The scripted service over real sockets, heard by a client that takes down every byte.

mod answers;
mod bombs;
mod client;
mod connections;
mod endings;
mod fence;
mod framing;
mod limits;
mod process;
mod proxy;
mod rules;
