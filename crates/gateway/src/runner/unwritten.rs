//! Why records can't be written to a topic, for as long as some can't: others may be written
//! meanwhile, and it is said once.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::Instant;

use crate::leaving::LeavingId;

/// A record that was not tried again for so long has gone with its partition.
const GONE_AFTER: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub(super) struct Unwritten {
    /// Records whose last try failed, and when that was.
    failing: BTreeMap<LeavingId, Instant>,
    /// Why the last of them did.
    reason: String,
}

impl Unwritten {
    /// What became of a record. Says whether it is news that some can't be written.
    pub(super) fn heard(&mut self, id: LeavingId, failure: Option<&str>, now: Instant) -> bool {
        self.failing.retain(|_, at| now.since(*at) < GONE_AFTER);
        let Some(failure) = failure else {
            self.failing.remove(&id);
            return false;
        };
        failure.clone_into(&mut self.reason);
        let is_first = self.failing.is_empty();
        self.failing.insert(id, now);
        is_first
    }

    pub(super) fn why(&self, now: Instant) -> Option<&str> {
        let fails = self.failing.values().any(|at| now.since(*at) < GONE_AFTER);
        fails.then_some(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use forebay_core::{Offset, PartitionId, Tenure};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn id(offset: i64) -> LeavingId {
        LeavingId { partition: PartitionId(0), tenure: Tenure(1), offset: Offset(offset) }
    }

    #[test]
    fn a_failure_is_news_once_though_others_are_written_meanwhile() {
        let mut unwritten = Unwritten::default();
        assert!(!unwritten.heard(id(1), None, at(0)));
        assert!(unwritten.heard(id(2), Some("full"), at(1)));
        assert!(!unwritten.heard(id(1), None, at(2)));
        assert!(!unwritten.heard(id(3), Some("too large"), at(3)));
        assert_eq!(unwritten.why(at(4)), Some("too large"));
        assert!(!unwritten.heard(id(2), None, at(5)));
        assert!(unwritten.why(at(5)).is_some(), "one is still not written");
        assert!(!unwritten.heard(id(3), None, at(6)));
        assert_eq!(unwritten.why(at(6)), None);
        assert!(unwritten.heard(id(2), Some("full"), at(7)));
    }

    #[test]
    fn what_is_not_tried_again_is_not_waited_for() {
        let mut unwritten = Unwritten::default();
        assert!(unwritten.heard(id(1), Some("full"), at(0)));
        assert!(unwritten.why(at(119)).is_some());
        assert_eq!(unwritten.why(at(120)), None);
        assert!(unwritten.heard(id(2), Some("full"), at(121)), "it is news again");
    }
}
