//! Which topic of a name the fetcher reads.
//!
//! A topic that is made anew keeps its name and gets another id (KIP-516). librdkafka asks for
//! records by the id that it knows; when it learns another one, it goes on in that topic at the
//! position that it had in the former one, and would bring the end of the new log before its
//! beginning. It says which id it knows before it asks for anything by it. So what it brings is
//! handed over only while partition and fetcher are of one topic. Where they are not, one of them
//! asked a broker that is behind, or the topic is new: the survey finds out, and takes the partition
//! anew, or the fetcher learns better, and then begins again where the partition is.
//!
//! Brokers before Kafka 3.1 are asked by name: there the fetcher may read on in a topic made anew
//! for as long as nothing has it ask for the topics.

use std::sync::Arc;
use std::time::Instant;

use super::Poller;
use crate::intake::slots::Phase;

impl Poller {
    pub(super) fn changed_id(&mut self, topic: &str, id: &str) {
        self.run.flush(&mut self.slots, self.share);
        let id: Arc<str> = id.into();
        self.reads.insert(topic.into(), id.clone());
        let now = Instant::now();
        let (mut astray, mut back) = (Vec::new(), Vec::new());
        for slot in self.slots.iter_mut().filter(|slot| &*slot.partition.topic == topic) {
            let was = slot.astray;
            slot.astray = slot.topic_id.as_ref().is_some_and(|known| *known != id);
            if slot.astray {
                astray.push(slot.partition.clone());
            } else if was && slot.is_fetched() {
                slot.phase = Phase::Flowing;
                slot.arrived = now;
                back.push((slot.partition.clone(), slot.next));
            }
        }
        if !astray.is_empty() {
            tracing::debug!(group = self.config.group, ?astray, %id, "the topic is another one");
            self.survey.hurry();
            self.ask_survey(now);
        }
        if !back.is_empty() {
            let partitions: Vec<_> = back.iter().map(|(partition, _)| partition.clone()).collect();
            self.stop_fetching(&partitions);
            self.start_fetching(&back);
        }
    }
}
