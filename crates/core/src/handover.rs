//! When a tenure may send: after all that earlier ones left at work has ended, and only as long as
//! the group can't have given the partition to somebody else.
//!
//! A key is at work at the service for one tenure at a time (P1). In the same process the flights of
//! earlier tenures are known one by one. Of another process it is known whether its end was quiet;
//! where it was not, whatever it sent ends by deadline and grace. And a process that was frozen, or
//! cut off, does not send on what it believes to have: its lease on the partition is what Kafka
//! acknowledged last, and lasts as long as its session.

use alloc::vec::Vec;
use core::time::Duration;

use crate::record::DeliveryId;
use crate::time::Instant;

/// What earlier tenures of this process left at work, and until when it may be.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(Vec<(DeliveryId, Instant)>);

impl Leftovers {
    pub(crate) fn add(&mut self, id: DeliveryId, until: Instant) {
        self.0.push((id, until));
    }

    /// An answer has come after all, and the service is done with it.
    pub(crate) fn ended(&mut self, id: DeliveryId) -> bool {
        let before = self.0.len();
        self.0.retain(|(left, _)| *left != id);
        self.0.len() < before
    }

    pub(crate) fn forget_ended(&mut self, now: Instant) {
        self.0.retain(|(_, until)| *until > now);
    }

    /// When the last of them has ended.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.0.iter().map(|(_, until)| *until).max()
    }
}

/// Since when the partition is ours for sure, for a session: Kafka acknowledged what was sent then.
/// A session that turns out to be shorter ends what was taken before that was known, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) since: Instant,
}

impl Lease {
    pub(crate) fn until(self, session: Duration) -> Instant {
        self.since + session
    }

    /// From when on it is to be renewed though nothing else is to be committed.
    pub(crate) fn renew_at(self, session: Duration) -> Instant {
        self.since + session / 2
    }
}
