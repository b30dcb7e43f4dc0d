//! A subscription's snapshot: the core's view, with names, log ends and the story of what blocks.

use forebay_core::{
    Blocked, BlockedState, EndpointState, EndpointView, HoldTarget, PartitionStage, PartitionView,
    Stuck, View,
};
use forebay_kafka::TopicPartition;

use super::leaving::last;
use super::{Runner, Seat, Seated};
use crate::snapshot::{
    BlockedSnapshot, EndpointSnapshot, Held, Hold, Holder, PartitionSnapshot, Snapshot, fault_words,
};

/// Endpoints at fault that are named where all are.
const FAULTS_NAMED: usize = 3;

impl Runner {
    pub(super) fn snapshot(&self) -> Snapshot {
        let view = self.core.borrow().view();
        let now = self.clock.now();
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
            reading: self.reading.get(),
            lag_partial: self.has_unknown() || partitions.iter().any(|row| row.lag().is_none()),
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
            dead_letters_fail: self.letters_fail.borrow().why(now).map(str::to_owned),
            park_topic: park_topic.map(str::to_owned),
            park_fails: self.park_fails.borrow().why(now).map(str::to_owned),
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
            commit_point: match (view, &seated.hold) {
                (Some(view), _) => view.commit_point.0,
                (None, Some(Hold::ParkedElsewhere { commit_point, .. })) => *commit_point,
                (None, _) => -1,
            },
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
    pub(super) fn held(&self, view: &View) -> Vec<Held> {
        let mut holds = Vec::new();
        let mut hold = |by, words: String| holds.push(Held { by, words });
        if view.hold.paused {
            hold(Holder::Operator, "an operator paused it; `resume` goes on".to_owned());
        }
        if view.hold.overdrawn {
            let free = self.plan.borrow().rules.given_up_free;
            let words = format!(
                "more records would be given up than 1 % of what was accepted in the last 5 minutes, \
                 plus {free}; look at what is rejected, then `resume`"
            );
            hold(Holder::Budget, words);
        }
        let faults = self.faults(&view.endpoints);
        if let Some((why, since)) = view.hold.target {
            let age = self.clock.now().since(since).as_secs();
            let why = match why {
                HoldTarget::Failing => "more than half of the recent answers are failures",
                HoldTarget::Overloaded => "the target refuses what it gets",
            };
            let last = self.last_failure();
            let probed = faults.unwrap_or_else(|| "it is probed once a second".to_owned());
            hold(Holder::Target, format!("{why}, for {age} s{last}; {probed}"));
        } else if let Some(faults) = faults {
            hold(Holder::Target, faults);
        }
        holds
    }

    /// Words that follow why the target holds it.
    fn last_failure(&self) -> String {
        self.failures.borrow().last().map_or(String::new(), |failure| {
            format!(", last {} from {}", failure.words, self.url(failure.endpoint.0))
        })
    }

    /// What is wrong with the endpoints, where there is none that may be sent to.
    fn faults(&self, endpoints: &[EndpointView]) -> Option<String> {
        let mut listed = endpoints.iter().filter(|one| one.state != EndpointState::Leaving);
        let Some(first) = listed.next() else {
            let why = self.names.fails()?;
            return Some(format!("the names of its endpoints do not resolve: {why}"));
        };
        let listed: Vec<_> = std::iter::once(first).chain(listed).collect();
        let faults = listed.iter().map_while(|one| match one.state {
            EndpointState::AtFault { fault, .. } => Some((one.endpoint, fault_words(fault))),
            EndpointState::Ejected { .. } => Some((one.endpoint, "it is put aside")),
            EndpointState::Well | EndpointState::Leaving => None,
        });
        let faults: Vec<_> = faults.collect();
        if faults.len() < listed.len() {
            return None;
        }
        let named = faults.iter().take(FAULTS_NAMED);
        let named: Vec<_> =
            named.map(|(one, fault)| format!("{}: {fault}", self.url(one.0))).collect();
        let more = match faults.len().saturating_sub(FAULTS_NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        Some(format!(
            "no endpoint is well ({}{more}); each is probed once a second",
            named.join("; ")
        ))
    }

    pub(super) fn blocked(&self, blocked: &Blocked, seats: &[Seat]) -> BlockedSnapshot {
        let endpoint = self.url(blocked.endpoint.0);
        let last = last(blocked.verdict, blocked.status, blocked.reason.as_deref());
        let age = self.clock.now().since(blocked.since);
        let behind = blocked
            .settled_behind
            .map_or(String::new(), |settled| format!(", {settled} settled behind it"));
        let letters = self.plan.borrow().letter_topic().is_some();
        let (state, waits) = waits_for(blocked, letters);
        let at_once = if state == "evidence" && letters {
            "; `forebay subscriptions dead-letter` gives it up at once"
        } else {
            ""
        };
        let times = if blocked.deliveries == 1 { "delivery" } else { "deliveries" };
        let words = format!(
            "offset {}, {} {times} in {} s, {} charged, last {last} from {endpoint}{behind}; {waits}{at_once}",
            blocked.offset.0,
            blocked.deliveries,
            age.as_secs(),
            blocked.charged,
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

    pub(super) fn url(&self, endpoint: u32) -> String {
        self.endpoints.borrow()[endpoint as usize].endpoint().url()
    }
}

/// What a record that failed waits for, in a word and in words. `letters`: whether it could go to a
/// dead letter topic.
fn waits_for(blocked: &Blocked, letters: bool) -> (&'static str, &'static str) {
    match blocked.state {
        BlockedState::Pause { .. } if blocked.unjudged => (
            "evidence",
            "its last failures are not charged: too little else was accepted since to know whose \
             fault they are; it is tried again until that is known, or `evidence.wait` is over",
        ),
        BlockedState::Turn => ("turn", "it waits for its turn"),
        BlockedState::Answer => ("in-flight", "an answer is awaited"),
        BlockedState::Pause { .. } => ("pause", "it waits for its next attempt"),
        BlockedState::Unknown { .. } => ("unknown", "the service may still be at work on it"),
        BlockedState::Evidence => {
            ("evidence", "others will show whose fault it is, or `evidence.wait` is over")
        }
        BlockedState::Park => ("park", "it is being parked, with its key"),
        BlockedState::DeadLetter => ("dead-letter", "its dead letter is being written"),
        BlockedState::Operator(Stuck::Rule) if letters => {
            ("held", "it was given up and is held: retry it, skip it or dead-letter it")
        }
        BlockedState::Operator(Stuck::Rule) => {
            ("held", "it was given up and is held: retry it or skip it")
        }
        BlockedState::Operator(Stuck::Budget) => {
            ("held", "it would be given up, but too many were; resume the subscription")
        }
    }
}
