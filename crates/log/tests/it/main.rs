//! The log from outside: append, read, time, damage, a model, idempotence, group commit.

mod damage;
mod idempotence;
mod log;
mod model;
mod support;
mod syncing;
