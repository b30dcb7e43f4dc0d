//! Classic consumer groups as a pure machine: inputs with a time in, outputs to be taken out.
//!
//! [`Group`] knows members, generations, timers and the rules of JoinGroup, SyncGroup, Heartbeat,
//! LeaveGroup and of who may commit. It promises that the same inputs give the same outputs and
//! that it holds no clock, no task and no socket. Subscriptions and assignments stay opaque but
//! for the list of topics, which decides whether a returning static member changed its mind.
//! What the machine leaves out: committed offsets, and everything of KIP-848.

mod group;
mod join;
mod member;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;

pub(crate) use group::{Group, Output, Settings, Snapshot, State, Ticket};
pub(crate) use join::{Join, JoinRefused, Joined};
pub(crate) use member::{MemberSnapshot, Moment};
pub(crate) use sync::{Leave, Sync, Synced};
