//! How a subscription stands with Kafka, from what its intake tells.
//!
//! Whether Kafka answers and whether it gives out a topic are told apart and in any order: that a
//! broker answers again takes back nothing that it said of a topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_kafka::TakenBy;

use crate::snapshot::KafkaState;

#[derive(Default)]
pub(crate) struct Standing {
    reach: Option<Result<(), String>>,
    /// Topics that can't be read, and why.
    unavailable: BTreeMap<Arc<str>, String>,
    /// Why partitions that are ours have no start yet.
    no_starts: Option<String>,
    /// Why the group does not take this member in yet.
    waits: Option<String>,
    /// Why the group member ended.
    failed: Option<String>,
}

impl Standing {
    pub(crate) fn state(&self) -> KafkaState {
        let unavailable = self.unavailable.values().next().or(self.no_starts.as_ref());
        if let Some(reason) = &self.failed {
            return KafkaState::Failed { reason: reason.clone() };
        }
        match (&self.reach, &self.waits, unavailable) {
            (Some(Err(reason)), ..) => KafkaState::Unreachable { reason: reason.clone() },
            (_, Some(reason), _) => KafkaState::Waiting { reason: reason.clone() },
            (.., Some(reason)) => KafkaState::Unavailable { reason: reason.clone() },
            (Some(Ok(())), ..) => KafkaState::Reachable,
            (None, ..) => KafkaState::Connecting,
        }
    }

    pub(crate) fn reachable(&mut self) {
        self.reach = Some(Ok(()));
    }

    pub(crate) fn unreachable(&mut self, reason: String) {
        self.reach = Some(Err(reason));
    }

    pub(crate) fn unavailable(&mut self, topic: Arc<str>, reason: String) {
        self.unavailable.insert(topic, reason);
    }

    /// The topic can be read.
    pub(crate) fn available(&mut self, topic: &str) {
        self.unavailable.remove(topic);
    }

    /// Not all partitions that are ours are read.
    pub(crate) fn starts_unknown(&mut self, reason: String) {
        self.no_starts = Some(reason);
    }

    pub(crate) fn starts_known(&mut self) {
        self.no_starts = None;
    }

    /// The group does not take this member in yet.
    pub(crate) fn waits(&mut self, reason: String) {
        self.waits = Some(reason);
    }

    /// The group has assigned this member something, be it nothing.
    pub(crate) fn joined(&mut self) {
        self.waits = None;
    }

    /// A partition of `topic` is ours: Kafka answers, and the topic is there.
    pub(crate) fn assigned(&mut self, topic: &str) {
        self.reachable();
        self.unavailable.remove(topic);
    }

    pub(crate) fn failed(&mut self, reason: String) {
        self.failed = Some(reason);
    }
}

/// Why the group does not give this member its instance id, and what to do about it.
pub(crate) fn refused_id(instance_id: &str, taken_by: TakenBy, reason: &str) -> String {
    match taken_by {
        TakenBy::Former => format!(
            "the group has our instance id `{instance_id}` in use, as a former session or an outage \
             leaves it; joining again ({reason})"
        ),
        TakenBy::Another => format!(
            "another process uses instance id `{instance_id}`; set control.instance to another name \
             in one of them; trying on ({reason})"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(told: impl FnOnce(&mut Standing)) -> KafkaState {
        let mut standing = Standing::default();
        told(&mut standing);
        standing.state()
    }

    fn absent(standing: &mut Standing) {
        standing.unavailable("absent".into(), "not there".to_owned());
    }

    #[test]
    fn an_answer_takes_back_nothing_that_was_said_of_a_topic() {
        let unavailable = KafkaState::Unavailable { reason: "not there".to_owned() };
        assert_eq!(state(|_| ()), KafkaState::Connecting);
        assert_eq!(state(Standing::reachable), KafkaState::Reachable);
        assert_eq!(state(absent), unavailable);
        let before = |standing: &mut Standing| {
            absent(standing);
            standing.reachable();
        };
        assert_eq!(state(before), unavailable);
        let through_an_outage = |standing: &mut Standing| {
            absent(standing);
            standing.unreachable("refused".to_owned());
            standing.reachable();
        };
        assert_eq!(state(through_an_outage), unavailable);
    }

    #[test]
    fn an_assignment_takes_back_what_was_said_of_its_topic_only() {
        let of_another = |standing: &mut Standing| {
            absent(standing);
            standing.assigned("present");
        };
        assert!(matches!(state(of_another), KafkaState::Unavailable { .. }));
        let of_this = |standing: &mut Standing| {
            absent(standing);
            standing.assigned("absent");
        };
        assert_eq!(state(of_this), KafkaState::Reachable);
    }

    #[test]
    fn a_topic_that_is_there_again_is_told_by_no_assignment_alone() {
        let back = |standing: &mut Standing| {
            standing.reachable();
            absent(standing);
            standing.available("absent");
        };
        assert_eq!(state(back), KafkaState::Reachable);
    }

    #[test]
    fn what_has_no_start_is_not_read_whatever_else_is_assigned() {
        let unknown = |standing: &mut Standing| {
            standing.starts_unknown("t-5 is not there".to_owned());
            standing.assigned("t");
        };
        let reason = "t-5 is not there".to_owned();
        assert_eq!(state(unknown), KafkaState::Unavailable { reason });
        let known = |standing: &mut Standing| {
            unknown(standing);
            standing.starts_known();
        };
        assert_eq!(state(known), KafkaState::Reachable);
    }

    #[test]
    fn a_member_waits_until_its_group_takes_it_in() {
        let waits = |standing: &mut Standing| {
            standing.reachable();
            standing.waits("the id is taken".to_owned());
        };
        assert_eq!(state(waits), KafkaState::Waiting { reason: "the id is taken".to_owned() });
        let joined = |standing: &mut Standing| {
            waits(standing);
            standing.joined();
        };
        assert_eq!(state(joined), KafkaState::Reachable);
    }

    #[test]
    fn who_has_a_rival_is_told_which_setting_parts_them() {
        let former = refused_id("a-orders", TakenBy::Former, "fenced");
        assert!(former.contains("`a-orders`") && !former.contains("control.instance"), "{former}");
        let another = refused_id("a-orders", TakenBy::Another, "fenced");
        assert!(
            another.contains("`a-orders`") && another.contains("control.instance"),
            "{another}"
        );
    }

    #[test]
    fn a_member_that_ended_stays_so() {
        let ended = |standing: &mut Standing| {
            standing.failed("fenced".to_owned());
            standing.assigned("present");
        };
        assert_eq!(state(ended), KafkaState::Failed { reason: "fenced".to_owned() });
    }
}
