//! Partitions of topics that are not read any more, and that the group gives us all the same: a
//! static member that comes back is given what it had, whatever it subscribes to by now (KIP-345).
//!
//! They are not read. librdkafka gives back what its member ceases to subscribe to, so the member
//! subscribes to their topics for a moment. Where the broker assigns (KIP-848) it takes them back
//! itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::Poller;
use crate::intake::slots::Phase;
use crate::record::TopicPartition;

/// How long their topics are subscribed to, and how soon they may be again: in the midst of a
/// rebalance librdkafka takes only the last of its subscriptions.
const FOR: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Unwanted {
    /// When their topics were subscribed to last, and whether they are.
    since: Option<Instant>,
    subscribed: bool,
}

impl Poller {
    pub(super) fn is_wanted(&self, partition: &TopicPartition) -> bool {
        self.config.topics.iter().any(|topic| **topic == *partition.topic)
    }

    /// Those of an assignment that are to be read.
    pub(super) fn without_unwanted(
        &mut self,
        assigned: Vec<TopicPartition>,
    ) -> Vec<TopicPartition> {
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            assigned.into_iter().partition(|partition| self.is_wanted(partition));
        for partition in &unwanted {
            tracing::info!(
                group = self.config.group,
                %partition,
                "the group gives what is not read any more: it is given back"
            );
            if let Some(slot) = self.slots.of(partition) {
                slot.phase = Phase::Absent;
            }
        }
        wanted
    }

    pub(super) fn give_back_unwanted(&mut self, now: Instant) {
        if self.config.properties.joins_by_epochs() || self.closing.is_some() {
            return;
        }
        let since = self.unwanted.since.map(|since| now.duration_since(since));
        if self.unwanted.subscribed {
            if since.is_some_and(|since| since >= FOR) {
                self.unwanted.subscribed = false;
                self.subscribe(false);
            }
            return;
        }
        let absent: Vec<TopicPartition> = self
            .slots
            .iter_mut()
            .filter(|slot| slot.phase == Phase::Absent)
            .map(|slot| slot.partition.clone())
            .collect();
        let unwanted = absent.iter().filter(|partition| !self.is_wanted(partition));
        let topics: BTreeSet<Arc<str>> = unwanted.map(|it| it.topic.clone()).collect();
        if topics.is_empty() || since.is_some_and(|since| since < AGAIN) {
            return;
        }
        let all: Vec<&str> = self.wanted_topics().chain(topics.iter().map(|it| &**it)).collect();
        match self.member.base().subscribe(&all) {
            Ok(()) => self.unwanted = Unwanted { since: Some(now), subscribed: true },
            Err(error) => tracing::warn!(group = self.config.group, %error, "could not subscribe"),
        }
    }
}
