//! A subscription's snapshot: the core's view, with names, log ends and the story of what blocks.

use forebay_core::{Blocked, BlockedState, HoldTarget, PartitionStage, PartitionView, Stuck, View};
use forebay_kafka::TopicPartition;

use super::leaving::verdict;
use super::{Runner, Seat, Seated};
use crate::snapshot::{BlockedSnapshot, EndpointSnapshot, Hold, PartitionSnapshot, Snapshot};

impl Runner {
    pub(super) fn snapshot(&self) -> Snapshot {
        let view = self.core.borrow().view();
        let plan = self.plan.borrow();
        let seats = self.seats.borrow();
        let park_topic = plan.park_topic();
        let topics = plan.intake.topics.iter().filter(|topic| Some(topic.as_str()) != park_topic);
        let assigned = seats.iter().enumerate().filter_map(|(index, seat)| {
            let known = view.partitions.iter().find(|known| known.partition.0 as usize == index);
            Some(self.partition(&seat.partition, seat.assigned.as_ref()?, known, &seats))
        });
        let mut partitions: Vec<PartitionSnapshot> = assigned.collect();
        partitions.sort_by(|one, other| one.partition.cmp(&other.partition));
        Snapshot {
            name: self.name.clone(),
            group: self.group.clone(),
            topics: topics.cloned().collect(),
            kafka: self.kafka.borrow().state(),
            partitions,
            endpoints: view
                .endpoints
                .iter()
                .map(|endpoint| EndpointSnapshot {
                    url: self.url(endpoint.endpoint.0),
                    state: endpoint.state,
                    in_flight: endpoint.in_flight,
                    limit: endpoint.limit,
                    latency: endpoint.latency,
                })
                .collect(),
            discovery_fails: self.names.fails(),
            counts: view.counts,
            in_flight: view.in_flight,
            in_flight_max: plan.rules.in_flight_max,
            in_flight_limit: view.limit,
            overloads: view.overloads,
            held: self.held(&view),
            paused: view.hold.paused,
            overdrawn: view.hold.overdrawn,
            caps: self.caps.borrow().clone(),
            troubled: view.troubled,
            troubles: view.troubles.iter().map(|blocked| self.blocked(blocked, &seats)).collect(),
            dead_letter_topic: plan.letter_topic().map(str::to_owned),
            dead_letters_fail: self.letters_fail.borrow().clone(),
            park_topic: park_topic.map(str::to_owned),
            park_fails: self.park_fails.borrow().clone(),
            settled_per_second: self.rate.get().per_second,
            assignments: self.assignments.get(),
            rebalances: self.rebalances.borrow().counts(),
            foreign_members: self.foreign.borrow().clone(),
        }
    }

    fn partition(
        &self,
        partition: &TopicPartition,
        seated: &Seated,
        view: Option<&PartitionView>,
        seats: &[Seat],
    ) -> PartitionSnapshot {
        let marks = self.intake.watermarks(partition);
        let (log_start, log_end) = match (&seated.hold, marks) {
            // What was heard before may be of another topic of that name, and so is what was read.
            (Some(Hold::OutOfRange { log_start, log_end, .. }), _) => {
                (Some(*log_start), Some(*log_end))
            }
            (_, None) => (None, None),
            // What was read is there, whatever was last heard of the log's end.
            (_, Some(marks)) => {
                let position = view.map_or(0, |view| view.position.0);
                (Some(marks.log_start), Some(marks.log_end.max(position)))
            }
        };
        PartitionSnapshot {
            partition: partition.clone(),
            hold: seated.hold.clone(),
            tenure: view.map_or(0, |view| view.tenure.0),
            stage: view.map_or(PartitionStage::Claiming, |view| self.stage(view)),
            map_weight: view.map_or(0, |view| view.map_weight),
            commit_point: view.map_or(-1, |view| view.commit_point.0),
            log_start,
            log_end,
            held: view.map_or(0, |view| view.held),
            held_bytes: view.map_or(0, |view| view.held_bytes),
            in_flight: view.map_or(0, |view| view.in_flight),
            parked: view.map_or(0, |view| view.parked),
            window_full: view.is_some_and(|view| view.window_full),
            blocked: view
                .and_then(|view| view.blocked.as_ref())
                .map(|blocked| self.blocked(blocked, seats)),
        }
    }

    fn stage(&self, view: &PartitionView) -> PartitionStage {
        match view.stage {
            PartitionStage::Active if view.free_at > self.clock.now() => PartitionStage::Waiting,
            stage => stage,
        }
    }

    /// Why nothing, or nearly nothing, is sent.
    fn held(&self, view: &View) -> Option<String> {
        let mut words = Vec::new();
        if view.hold.paused {
            words.push("an operator paused it; `resume` goes on".to_owned());
        }
        if view.hold.overdrawn {
            words.push(
                "more records would be given up than 1 % of what was accepted in the last 5 \
                 minutes, plus 20; look at what is rejected, then `resume`"
                    .to_owned(),
            );
        }
        if let Some((why, since)) = view.hold.target {
            let age = self.clock.now().since(since).as_secs();
            let why = match why {
                HoldTarget::Failing => "more than half of the recent answers are failures",
                HoldTarget::Overloaded => "the target refuses what it gets",
            };
            words.push(format!("{why}, for {age} s; it is probed once a second"));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }

    fn blocked(&self, blocked: &Blocked, seats: &[Seat]) -> BlockedSnapshot {
        let endpoint = self.url(blocked.endpoint.0);
        let last = match (blocked.status, &blocked.reason) {
            (Some(status), Some(reason)) => format!("{status} ({reason})"),
            (Some(status), None) => status.to_string(),
            (None, Some(reason)) => reason.to_string(),
            (None, None) => verdict(blocked.verdict).to_owned(),
        };
        let age = self.clock.now().since(blocked.since);
        let behind = blocked
            .settled_behind
            .map_or(String::new(), |settled| format!(", {settled} settled behind it"));
        let (state, waits) = waits_for(blocked.state);
        let words = format!(
            "offset {}, {} attempts of {} deliveries in {} s, last {last} from {endpoint}{behind}; \
             {waits}",
            blocked.offset.0,
            blocked.charged,
            blocked.deliveries,
            age.as_secs()
        );
        BlockedSnapshot {
            partition: seats[blocked.partition.0 as usize].partition.clone(),
            offset: blocked.offset.0,
            state,
            age,
            deliveries: blocked.deliveries,
            charged: blocked.charged,
            endpoint,
            status: blocked.status,
            words,
        }
    }

    fn url(&self, endpoint: u32) -> String {
        self.endpoints.borrow()[endpoint as usize].endpoint().url()
    }
}

/// What a record that failed waits for, in a word and in words.
const fn waits_for(state: BlockedState) -> (&'static str, &'static str) {
    match state {
        BlockedState::Turn => ("turn", "it waits for its turn"),
        BlockedState::Answer => ("in-flight", "an answer is awaited"),
        BlockedState::Pause { .. } => ("pause", "it waits for its next attempt"),
        BlockedState::Unknown { .. } => ("unknown", "the service may still be at work on it"),
        BlockedState::Evidence => ("evidence", "others will show whose fault it is"),
        BlockedState::Park => ("park", "it is being parked, with its key"),
        BlockedState::DeadLetter => ("dead-letter", "its dead letter is being written"),
        BlockedState::Operator(Stuck::Rule) => {
            ("held", "it was given up and is held: retry it, skip it or dead-letter it")
        }
        BlockedState::Operator(Stuck::Budget) => {
            ("held", "it would be given up, but too many were; resume the subscription")
        }
    }
}
