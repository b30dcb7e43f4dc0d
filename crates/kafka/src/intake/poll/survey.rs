//! Looking, every few seconds, at the topics themselves: librdkafka looks at its subscription every
//! five minutes only, takes a topic of the same name for the same topic, and goes on in it at the
//! offset that it had in the former one.
//!
//! A topic that was refused and is there is told as available. One with another number of partitions
//! than it had, or that comes back, makes the member look, so that the group hears of it. One with
//! another id than it had is another topic: its partitions are lost and come anew, from their
//! beginning (KIP-516), but for those that it does not have (`absent`).

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
    topics: BTreeMap<Arc<str>, Known>,
    /// Whether a topic changed since the group last assigned.
    changed: bool,
}

/// A topic as it was last looked at.
#[derive(Clone, Copy)]
struct Known {
    is_there: bool,
    /// How many it has, or had when it was last there.
    partitions: i32,
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
        let known = self.topics.get(&partition.topic).filter(|known| known.is_there);
        known.is_some_and(|known| partition.partition >= known.partitions)
    }

    /// Whether a partition is not there, or its topic is not.
    pub(super) fn is_gone(&self, partition: &TopicPartition) -> bool {
        let known = self.topics.get(&partition.topic);
        known.is_some_and(|known| !known.is_there) || self.is_new(partition)
    }

    /// Whether topics have partitions that are none of these.
    pub(super) fn has_more_than(&self, owned: &BTreeSet<(&str, i32)>) -> bool {
        self.topics.iter().filter(|(_, known)| known.is_there).any(|(topic, known)| {
            (0..known.partitions).any(|number| !owned.contains(&(&**topic, number)))
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

    /// Notes what a topic has when its first partitions come, so that what it gets before it is looked
    /// at is news.
    pub(super) fn meet(&mut self, topic: &Arc<str>, partitions: i32) {
        let known = Known { is_there: true, partitions };
        self.topics.entry(topic.clone()).or_insert(known);
    }

    /// Notes what was seen of a topic; whether its group has to hear of it.
    fn note(&mut self, topic: &Arc<str>, partitions: Option<i32>) -> bool {
        let before = self.topics.get(topic).copied();
        let Some(partitions) = partitions else {
            if let Some(known) = self.topics.get_mut(topic) {
                self.changed |= known.is_there;
                known.is_there = false;
            }
            return false;
        };
        self.topics.insert(topic.clone(), Known { is_there: true, partitions });
        let news = before.is_some_and(|was| !was.is_there || was.partitions != partitions);
        self.changed |= news;
        news
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
            if let Some(there) = partitions {
                self.look_for_absent(&topic, there);
                self.give_up_former(&topic, id.as_ref(), there);
                if self.unavailable.remove(&topic).is_some() {
                    self.tell([IntakeEvent::Available { topic: topic.clone() }]);
                    self.survey.changed = true;
                    look = true;
                }
            }
            look |= self.survey.note(&topic, partitions);
        }
        if self.slots.iter_mut().any(|slot| slot.astray) {
            // Whoever answered may be behind.
            self.survey.hurry();
        }
        if look {
            self.ask(Question::Refresh);
        }
    }

    /// Loses those partitions of a topic that are of a former one of its name, and takes those anew
    /// that the topic has.
    fn give_up_former(&mut self, topic: &Arc<str>, id: Option<&Arc<str>>, there: i32) {
        let is_former = |slot: &Slot| {
            slot.partition.topic == *topic
                && match (&slot.topic_id, id) {
                    (Some(was), Some(is)) => was != is,
                    // Brokers before 2.8 have no ids, but no topic gets fewer partitions.
                    _ => slot.is_announced() && slot.partition.partition >= there,
                }
        };
        let mut former = Vec::new();
        let mut revoked = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| is_former(slot)) {
            match slot.phase {
                Phase::Flowing | Phase::Choked | Phase::Held => former.push(slot.partition.clone()),
                // What was done of it can't be committed any more.
                Phase::Revoked => revoked.push(slot.partition.clone()),
                Phase::LookingUp(_) | Phase::Absent | Phase::Released => {}
            }
        }
        if former.is_empty() && revoked.is_empty() {
            return;
        }
        tracing::warn!(
            group = self.config.group,
            %topic,
            ?former,
            there,
            "the topic was made anew"
        );
        self.run.flush(&mut self.slots, self.share);
        self.gone.retain(|partition| partition.topic != *topic);
        self.lose(revoked, LossCause::TopicAnew);
        let (anew, gone): (Vec<_>, Vec<_>) =
            former.iter().cloned().partition(|former| former.partition < there);
        self.tell_step(RebalanceCause::Partitions, former.clone(), Vec::new(), true);
        self.lose(anew.clone(), LossCause::TopicAnew);
        self.lose(gone.clone(), LossCause::Gone);
        for partition in &former {
            let mut slot = self.slot(partition.clone());
            slot.afresh = true;
            self.slots.insert(slot);
        }
        for partition in &gone {
            self.set_absent(partition, there);
        }
        self.tell_step(RebalanceCause::Partitions, Vec::new(), anew.clone(), false);
        self.ask_starts(anew);
        self.tell_starts();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_gets_before_it_was_first_looked_at_is_news() {
        let topic: Arc<str> = "grows".into();
        let mut survey = Survey::new(Instant::now());
        survey.meet(&topic, 1);
        assert!(!survey.note(&topic, Some(1)), "it is as it was met");
        assert!(!survey.take_changed());
        let mut survey = Survey::new(Instant::now());
        survey.meet(&topic, 1);
        assert!(survey.note(&topic, Some(3)));
        assert!(survey.take_changed());
        // A later partition's start is no look at the topic.
        survey.meet(&topic, 4);
        assert!(survey.is_new(&TopicPartition::new("grows", 3)));
        assert!(survey.note(&topic, Some(4)));
    }
}
