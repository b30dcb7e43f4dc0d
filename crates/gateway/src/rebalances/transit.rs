//! Partitions on their way between the consumers that a subscription has in this process.
//!
//! A consumer that lets one go does not see who gets it, and whoever gets it does not see since when
//! it stands still; both see this. What another process has by now is taken out as soon as that is
//! known, and otherwise forgotten after a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_core::Instant;
use forebay_kafka::{Fellow, TopicPartition};

use super::{Still, TOGETHER};
use crate::clock::Clock;
use crate::consumers::first_id;

#[derive(Clone)]
pub(crate) struct Transit {
    /// What all consumers tell the time of their rebalances by.
    clock: Clock,
    gone: Arc<Mutex<BTreeMap<TopicPartition, Still>>>,
}

impl Transit {
    pub(crate) fn new() -> Self {
        Self { clock: Clock::new(), gone: Arc::default() }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Nobody here has it any more.
    pub(super) fn let_go(&self, partition: &TopicPartition, still: Still) {
        self.lock().insert(partition.clone(), still);
    }

    /// Somebody here has it again; gives since when it stood still.
    pub(super) fn take(&self, partition: &TopicPartition, now: Instant) -> Option<Still> {
        self.lock().remove(partition).filter(|still| is_recent(still, now))
    }

    /// Who is in the group: `own` is the first id of this process.
    pub(crate) fn look(&self, fellows: &[Fellow], own: &str, subscription: &str) {
        let is_other = |fellow: &&Fellow| {
            let id = fellow.member.instance_id.as_deref();
            id.is_some_and(|id| first_id(id, subscription) != Some(own))
        };
        let mut gone = self.lock();
        for fellow in fellows.iter().filter(is_other) {
            for partition in &fellow.member.assignment {
                gone.remove(partition);
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.known(self.now()).len()
    }

    /// Whether it is the standstill that began then which goes on.
    pub(super) fn has(&self, partition: &TopicPartition, since: Instant) -> bool {
        self.known(self.now()).get(partition).is_some_and(|still| still.since == since)
    }

    fn known(&self, now: Instant) -> MutexGuard<'_, BTreeMap<TopicPartition, Still>> {
        let mut gone = self.lock();
        gone.retain(|_, still| is_recent(still, now));
        gone
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Still>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(still: &Still, now: Instant) -> bool {
    now.since(still.counted) < TOGETHER
}
