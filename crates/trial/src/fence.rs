//! What a careful keeper of state refuses: the work of former owners, and work that came too late.
//!
//! It knows the newest tenure that it heard of each partition. A delivery of an older one is
//! refused when it comes, and when its work is done; so is work that is done after the deadline
//! which its request named, for its sender counts it as unknown and sends the record again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::delivery::Arrival;

/// One for all that keep the same state.
#[derive(Debug, Default)]
pub(crate) struct Fence(Mutex<HashMap<(String, i32), i64>>);

/// What a delivery must still hold when its work is done.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    partition: (String, i32),
    tenure: i64,
    /// Exclusive.
    deadline: u64,
}

pub(crate) const OLDER_TENURE: &str = "an older tenure";
pub(crate) const DEADLINE: &str = "its deadline";

impl Fence {
    /// Hears of a delivery's tenure.
    pub(crate) fn enter(&self, what: &Arrival) -> Claim {
        let partition = (what.topic.clone(), what.partition);
        let newest = &mut *self.newest();
        let known = newest.entry(partition.clone()).or_insert(what.tenure);
        *known = what.tenure.max(*known);
        let timeout = what.timeout_ms.unwrap_or(u64::MAX).saturating_mul(1_000_000);
        Claim { partition, tenure: what.tenure, deadline: clock::now().saturating_add(timeout) }
    }

    /// Runs `then` with the reason for which the claim does not hold, if there is one; until it
    /// returns, no newer tenure is heard of.
    pub(crate) fn hold<T>(&self, claim: &Claim, then: impl FnOnce(Option<&'static str>) -> T) -> T {
        let newest = self.newest();
        let is_older = newest.get(&claim.partition).is_some_and(|newest| claim.tenure < *newest);
        then(match is_older {
            true => Some(OLDER_TENURE),
            false => (clock::now() >= claim.deadline).then_some(DEADLINE),
        })
    }

    fn newest(&self) -> MutexGuard<'_, HashMap<(String, i32), i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
