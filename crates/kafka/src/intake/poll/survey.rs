//! Looking, every few seconds, at the topics themselves: librdkafka looks at its subscription every
//! five minutes only, takes a topic of the same name for the same topic, and goes on in it at the
//! offset that it had in the former one.
//!
//! A topic that was refused and is there is told as available. One with more partitions than it
//! had makes the member look, so that the group hears of them. One with another id than it had is
//! another topic: its partitions are lost and come anew, from their beginning (KIP-516).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Poller;
use crate::intake::events::{IntakeEvent, LossCause, RebalanceCause};
use crate::intake::lookup::{Question, Seen};
use crate::intake::slots::{Phase, Slot};
use crate::record::TopicPartition;

const EACH: Duration = Duration::from_secs(3);

/// What is known of the topics.
pub(super) struct Survey {
    due: Instant,
    asked: bool,
    /// How many partitions each topic had; none where it was not there.
    topics: BTreeMap<Arc<str>, Option<i32>>,
    /// Whether a topic changed since the group last assigned.
    changed: bool,
}

impl Survey {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + EACH, asked: false, topics: BTreeMap::new(), changed: false }
    }

    /// Something looks as if a topic were gone or changed: look with the next tick.
    pub(super) fn hurry(&mut self) {
        self.due = Instant::now();
    }

    /// Whether a partition is one that its topic did not have when it was last looked at.
    pub(super) fn is_new(&self, partition: &TopicPartition) -> bool {
        let known = self.topics.get(&partition.topic).copied().flatten();
        known.is_some_and(|known| partition.partition >= known)
    }

    /// Whether topics have partitions that are none of these.
    pub(super) fn has_more_than(&self, owned: &BTreeSet<(&str, i32)>) -> bool {
        self.topics.iter().any(|(topic, partitions)| {
            (0..partitions.unwrap_or(0)).any(|number| !owned.contains(&(&**topic, number)))
        })
    }

    /// What comes next comes by a change of topics.
    pub(super) fn note_change(&mut self) {
        self.changed = true;
    }

    /// Whether topics changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl Poller {
    pub(super) fn ask_survey(&mut self, now: Instant) {
        if self.survey.asked || now < self.survey.due {
            return;
        }
        self.survey.asked = true;
        self.survey.due = now + EACH;
        let topics = self.config.topics.iter().map(|topic| Arc::from(&**topic)).collect();
        self.ask(Question::Survey(topics));
    }

    pub(super) fn surveyed(&mut self, seen: Vec<Seen>) {
        self.survey.asked = false;
        let mut look = false;
        for Seen { topic, id, partitions } in seen {
            if let Some(id) = &id {
                self.renew(&topic, id);
            }
            if partitions.is_some() && self.unavailable.remove(&topic).is_some() {
                self.tell([IntakeEvent::Available { topic: topic.clone() }]);
                self.survey.changed = true;
                look = true;
            }
            let before = self.survey.topics.insert(topic, partitions).flatten();
            if before.is_some() && before != partitions {
                self.survey.changed = true;
                look |= partitions > before;
            }
        }
        if self.slots.iter_mut().any(|slot| slot.astray) {
            // Whoever answered may be behind.
            self.survey.hurry();
        }
        if look {
            self.ask(Question::Refresh);
        }
    }

    /// Takes those partitions of a topic anew that are of a former topic of its name.
    fn renew(&mut self, topic: &Arc<str>, id: &Arc<str>) {
        let of_former = |slot: &&mut Slot| {
            let read = matches!(slot.phase, Phase::Flowing | Phase::Choked | Phase::Held);
            read && slot.partition.topic == *topic
                && slot.topic_id.as_ref().is_some_and(|known| known != id)
        };
        let former = self.slots.iter_mut().filter(of_former);
        let former: Vec<TopicPartition> = former.map(|slot| slot.partition.clone()).collect();
        if former.is_empty() {
            return;
        }
        tracing::warn!(group = self.config.group, %topic, ?former, "the topic was made anew");
        self.run.flush(&mut self.slots, self.share);
        self.gone.retain(|partition| partition.topic != *topic);
        self.tell_step(RebalanceCause::Partitions, former.clone(), Vec::new(), true);
        self.lose(former.clone(), LossCause::TopicAnew);
        for partition in &former {
            let mut slot = self.slot(partition.clone());
            slot.afresh = true;
            self.slots.insert(slot);
        }
        self.tell_step(RebalanceCause::Partitions, Vec::new(), former.clone(), false);
        self.ask_starts(former);
    }
}
