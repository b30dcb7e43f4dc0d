//! `forebay-trial serve`: the scripted service as a process.

fn main() {}
