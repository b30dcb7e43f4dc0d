//! One member of a classic group: what it offered, what it waits for, when it is given up.

use std::ops::Add;
use std::time::Duration;

use bytes::Bytes;

use super::group::Ticket;

/// Milliseconds since a moment the shell chose; the machine is told the time and never asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// How long a dynamic member that never completed a rebalance may sit in JoinGroup: its client
/// may be gone without a trace, since a parked request needs no heartbeats.
pub(super) const FRESH_MEMBER_LIMIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    /// Name and metadata, in the member's order of preference.
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    pub(super) join: Option<Ticket>,
    pub(super) sync: Option<Ticket>,
    /// Whether it asked for the current generation's assignment (or is the one that gave it).
    pub(super) synced: bool,
    /// True until its first rebalance completes.
    pub(super) fresh: bool,
    pub(super) touched: Moment,
}

impl Member {
    pub(super) fn touch(&mut self, now: Moment) {
        self.touched = now;
    }

    /// When it counts as gone; a parked member sends no heartbeats and is therefore alive,
    /// unless it is fresh.
    pub(super) fn expires(&self) -> Option<Moment> {
        match (self.join, self.sync) {
            (Some(_), _) if self.fresh => Some(self.touched + FRESH_MEMBER_LIMIT),
            (Some(_), _) | (_, Some(_)) => None,
            (None, None) => Some(self.touched + self.session_timeout),
        }
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    pub(super) fn offers(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    pub(super) fn snapshot(&self, protocol: &str) -> MemberSnapshot {
        MemberSnapshot {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }
}

/// A member as it is stored and described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberSnapshot {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}
