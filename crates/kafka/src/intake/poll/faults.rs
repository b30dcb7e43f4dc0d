//! What librdkafka reports as failed, sorted by what the worker can do about it.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::{NAP, Poller};
use crate::error::Asked;
use crate::intake::events::IntakeEvent;
use crate::intake::lookup::Question;
use crate::intake::slots::Phase;
use crate::native::Row;
use crate::trouble::Trouble;

impl Poller {
    pub(super) fn failed(&mut self, code: Code, reason: &str, about: Option<Row>) {
        if Self::is_nowhere(reason, about.as_ref().map(|row| row.topic.as_str())) {
            return;
        }
        match code {
            Code::AllBrokersDown => {
                self.suspect_known();
                let told = self.reach.all_down(reason, Instant::now());
                self.tell(told);
            }
            Code::BrokerTransportFailure | Code::Resolve | Code::SSL | Code::Authentication => {
                self.reach.suspect(&Trouble::new(reason).reason);
            }
            Code::AutoOffsetReset | Code::LogTruncation => {
                if let Some(row) = about {
                    self.out_of_range(&row);
                }
            }
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed => {
                let topic = about.map(|row| Arc::from(row.topic)).or_else(|| self.topic_in(reason));
                let topics = match topic {
                    Some(topic) => vec![topic],
                    None => self.config.topics.iter().map(|topic| Arc::from(&**topic)).collect(),
                };
                for topic in topics {
                    self.unavailable(topic, code);
                }
            }
            _ => tracing::warn!(group = self.config.group, %code, reason, "librdkafka"),
        }
    }

    /// Of some failed connections librdkafka tells in its log alone.
    pub(super) fn suspect_known(&mut self) {
        if let Some(trouble) = self.member.base().client().context().trouble() {
            self.reach.suspect(&trouble.reason);
        }
    }

    /// The topic that an error without a partition talks of.
    fn topic_in(&self, reason: &str) -> Option<Arc<str>> {
        let named = |topic: &&String| reason.contains(&format!(": {topic}:"));
        self.config.topics.iter().find(named).map(|topic| Arc::from(&**topic))
    }

    fn unavailable(&mut self, topic: Arc<str>, code: Code) {
        self.survey.hurry();
        if self.unavailable.insert(topic.clone(), code) == Some(code) {
            return;
        }
        let doing = format!("read topic {topic}");
        let asked = Asked { doing: &doing, servers: &self.servers, waited: NAP };
        let error = asked.failed(code, None);
        let missing = matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic);
        self.tell([IntakeEvent::Unavailable { topic, missing, error }]);
    }

    fn out_of_range(&mut self, row: &Row) {
        self.run.flush(&mut self.slots, self.share);
        let Some(slot) = self.slots.get_mut(&row.topic, row.partition) else { return };
        if !slot.is_fetched() {
            return;
        }
        slot.phase = Phase::Held;
        let partition = slot.partition.clone();
        self.stop_fetching(std::slice::from_ref(&partition));
        self.gone.push(partition.clone());
        // A topic that was made anew has a shorter log, too.
        self.survey.hurry();
        self.asked_ends = true;
        self.ask(Question::Ends(vec![partition]));
    }

    pub(super) fn tell_out_of_range(&mut self) {
        for partition in std::mem::take(&mut self.gone) {
            let Some(slot) = self.slots.of(&partition) else { continue };
            if slot.phase != Phase::Held {
                continue;
            }
            let offset = slot.next;
            let known = self.shared.watermarks(&partition);
            self.tell([IntakeEvent::OutOfRange {
                partition,
                offset,
                log_start: known.map_or(-1, |known| known.log_start),
                log_end: known.map_or(-1, |known| known.log_end),
            }]);
        }
    }
}
