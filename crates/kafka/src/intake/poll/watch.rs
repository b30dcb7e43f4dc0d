//! What is done by the clock: asking whether the cluster is there, refreshing the log's ends, and
//! looking for partitions that stand still.
//!
//! librdkafka can leave a partition paused for ever after pause, assign and resume come close
//! together. A partition that should flow, has something to read and gives nothing for a while is
//! resumed, then its fetching is restarted. A log may end in control records that are never handed
//! out, so the same sight may be innocent: each try waits twice as long as the one before.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;

use super::Poller;
use crate::intake::lookup::Question;
use crate::intake::slots::Phase;

const EACH: Duration = Duration::from_secs(1);
const STANDSTILL: Duration = Duration::from_secs(10);
/// 10 s × 2⁵ is the longest wait between tries.
const DOUBLINGS: u32 = 5;

impl Poller {
    pub(super) fn watch(&mut self, now: Instant) {
        self.unchoke();
        self.ask_starts_again(now);
        let topic = self.config.topics.first().map(|topic| std::sync::Arc::from(&**topic));
        if let Some(topic) = topic
            && self.reach.ask(now)
        {
            self.ask(Question::Probe(topic));
        }
        if now.duration_since(self.watched) < EACH {
            return;
        }
        self.watched = now;
        self.refresh_ends();
        self.restart_still_ones(now);
        self.ask_survey(now);
        if self.reach.is_reachable() {
            self.ask_session(now);
        }
        self.ask_members(now);
        self.join_again(now);
        self.end_asking();
        self.take_up_topics();
        self.give_back_unwanted(now);
        for topic in self.unavailable.keys() {
            self.ask(Question::Probe(topic.clone()));
        }
    }

    /// A fetched partition's ends come with its records; the others' are asked for.
    fn refresh_ends(&mut self) {
        let mut unknown = Vec::new();
        for slot in self.slots.iter_mut() {
            let partition = &slot.partition;
            if slot.phase == Phase::Flowing {
                let (start, end) =
                    self.fetcher.cached_watermarks(&slot.native_topic, partition.partition);
                if start >= 0 && end >= 0 {
                    self.shared.set_watermarks(partition, start, end);
                    continue;
                }
            }
            if matches!(slot.phase, Phase::Choked | Phase::Held) {
                unknown.push(partition.clone());
            }
        }
        if !unknown.is_empty() && !self.asked_ends {
            self.asked_ends = true;
            self.ask(Question::Ends(unknown));
        }
    }

    fn restart_still_ones(&mut self, now: Instant) {
        if self.block.is_some() {
            return;
        }
        let mut resume = TopicPartitionList::new();
        let mut restart = Vec::new();
        for slot in self.slots.iter_mut() {
            let patience = STANDSTILL * 2u32.pow(slot.stalls.min(DOUBLINGS));
            let end = self.shared.watermarks(&slot.partition).map_or(0, |known| known.log_end);
            let still = slot.phase == Phase::Flowing
                && slot.next < end
                && now.duration_since(slot.arrived) >= patience;
            if !still {
                continue;
            }
            slot.stalls += 1;
            slot.arrived = now;
            if slot.stalls == 1 {
                resume.add_partition(&slot.partition.topic, slot.partition.partition);
            } else {
                restart.push((slot.partition.clone(), slot.next));
            }
        }
        if resume.count() > 0 {
            tracing::debug!(partitions = ?resume, "nothing comes though there is more: resuming");
            self.pause(&self.fetcher, &resume, false);
        }
        if !restart.is_empty() {
            let partitions: Vec<_> =
                restart.iter().map(|(partition, _)| partition.clone()).collect();
            tracing::debug!(?partitions, "nothing comes though there is more: fetching anew");
            self.stop_fetching(&partitions);
            self.start_fetching(&restart);
        }
    }
}
