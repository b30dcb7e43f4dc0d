//! Partitions that the group gives us and that are not there, for their topic was made anew with
//! fewer.
//!
//! The group does not take them back by itself: librdkafka's assignor leaves to a member whatever
//! that says it owns and is unknown, and a member can't say that it owns less. So the member gives
//! up their whole topic, and subscribes to it again once nothing of it is left. Nothing is lost by
//! that: what is at work is drained and committed as in any other rebalance. Where the broker assigns
//! (KIP-848) it takes them back itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Poller;
use crate::intake::events::RebalanceCause;
use crate::intake::slots::Phase;
use crate::record::TopicPartition;

/// How soon topics may be given up again; nothing of what is there waits for it.
const AGAIN: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Absent {
    /// Topics that the member has given up.
    without: BTreeSet<Arc<str>>,
    /// When it did so last.
    since: Option<Instant>,
}

impl Poller {
    pub(super) fn set_absent(&mut self, partition: &TopicPartition, there: i32) {
        let Some(slot) = self.slots.of(partition) else { return };
        slot.phase = Phase::Absent;
        let topic = &partition.topic;
        slot.no_start = Some(format!(
            "the group assigns {partition}, and topic `{topic}` has {there} partitions; it is to \
             assign anew"
        ));
        self.survey.hurry();
    }

    /// A topic was looked at: takes up what was not there and is, for whoever said so was behind. The
    /// rest is let go.
    pub(super) fn look_for_absent(&mut self, topic: &Arc<str>, there: i32) {
        let absent = self
            .slots
            .iter_mut()
            .filter(|slot| slot.phase == Phase::Absent && slot.partition.topic == *topic);
        let absent = absent.map(|slot| slot.partition.clone());
        let (found, absent): (Vec<_>, Vec<_>) = absent.partition(|absent| absent.partition < there);
        if !found.is_empty() {
            self.tell_step(RebalanceCause::Partitions, Vec::new(), found.clone(), false);
            self.ask_starts(found);
        }
        if !absent.is_empty() {
            self.give_up_topic(topic);
        }
    }

    fn give_up_topic(&mut self, topic: &Arc<str>) {
        let lately = self.absent.since.is_some_and(|since| since.elapsed() < AGAIN);
        let by_broker = self.config.properties.joins_by_epochs();
        if by_broker || self.closing.is_some() || (lately && self.absent.without.is_empty()) {
            return;
        }
        if self.absent.without.insert(topic.clone()) {
            tracing::info!(group = self.config.group, %topic, "gives the topic up, to join it again");
            self.absent.since = Some(Instant::now());
            self.survey.note_change();
            self.subscribe(false);
        }
    }

    /// Subscribes again to what was given up, once nothing of it is left.
    pub(super) fn take_up_topics(&mut self) {
        let Absent { without, .. } = &self.absent;
        if without.is_empty()
            || self.slots.iter_mut().any(|slot| without.contains(&slot.partition.topic))
        {
            return;
        }
        self.absent.without.clear();
        self.survey.note_change();
        self.subscribe(false);
    }

    /// Whether these go because the member gave their topics up, or does not want them.
    pub(super) fn has_given_up(&self, partitions: &[TopicPartition]) -> bool {
        partitions.iter().all(|partition| {
            self.absent.without.contains(&partition.topic) || !self.is_wanted(partition)
        })
    }

    /// The topics that the member wants now.
    pub(super) fn wanted_topics(&self) -> impl Iterator<Item = &str> {
        let topics = self.config.topics.iter().map(String::as_str);
        topics.filter(|topic| !self.absent.without.contains(*topic))
    }

    /// Another member is made, which wants all.
    pub(super) fn forget_given_up(&mut self) {
        self.absent.without.clear();
    }
}
