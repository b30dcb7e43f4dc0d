//! What this member can know of its group: why the assignment changed, who else is in it, and
//! whether its own id is free.
//!
//! Kafka tells a member its new assignment and nothing else. The cause is deduced: from what we did
//! ourselves, from what librdkafka says of the session, from what the survey saw of the topics; what
//! is left is that another member came or went.

use std::time::{Duration, Instant};

use super::Poller;
use crate::commit::CommitLine;
use crate::intake::events::{IntakeEvent, Rebalance, RebalanceCause};
use crate::intake::lookup::Question;
use crate::intake::member;
use crate::native::admin::NativeMember;
use crate::record::TopicPartition;

/// How often to look who is in the group, and how soon after a rebalance or no answer.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_SOON: Duration = Duration::from_secs(1);
/// How often a taken id is asked for.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(4);

pub(super) struct Group {
    /// Whether the group has assigned us anything, be it nothing, since the member was made.
    joined: bool,
    session_lost: bool,
    generation: Option<i32>,
    /// When to look who is in the group; none while that is asked.
    look: Option<Instant>,
    foreign: Vec<String>,
    /// When to join again, and after which pause.
    again: Option<Instant>,
    pause: Duration,
}

impl Group {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            joined: false,
            session_lost: false,
            generation: None,
            look: Some(now + LOOK),
            foreign: Vec::new(),
            again: None,
            pause: PAUSE,
        }
    }
}

impl Poller {
    /// The group assigned these, in addition to what we have.
    pub(super) fn tell_gained(&mut self, gained: &[TopicPartition]) {
        let generation = self.member.generation();
        let changed = self.survey.take_changed();
        let is_new = gained.iter().any(|partition| self.survey.is_new(partition));
        let cause = if !self.group.joined {
            RebalanceCause::Join
        } else if self.group.session_lost {
            RebalanceCause::SessionLost
        } else if changed || is_new {
            RebalanceCause::Partitions
        } else {
            RebalanceCause::Members
        };
        let same = self.group.joined && self.group.generation == generation && gained.is_empty();
        self.group.joined = true;
        self.group.session_lost = false;
        self.group.generation = generation;
        self.group.pause = PAUSE;
        self.group.look = Some(Instant::now() + LOOK_SOON);
        if !same {
            self.tell_step(cause, Vec::new(), gained.to_vec(), false);
        }
    }

    /// The group wants these back.
    pub(super) fn tell_revoked(&mut self, revoked: &[TopicPartition]) {
        let gone = revoked.iter().any(|gone| self.unavailable.contains_key(&gone.topic));
        let cause = match gone {
            true => RebalanceCause::Partitions,
            false => RebalanceCause::Members,
        };
        self.tell_lost(cause, revoked, true);
    }

    pub(super) fn tell_lost(
        &mut self,
        cause: RebalanceCause,
        lost: &[TopicPartition],
        goes_on: bool,
    ) {
        self.group.session_lost |= cause == RebalanceCause::SessionLost;
        if self.closing.is_none() {
            self.tell_step(cause, lost.to_vec(), Vec::new(), goes_on);
        }
    }

    pub(super) fn tell_step(
        &self,
        cause: RebalanceCause,
        lost: Vec<TopicPartition>,
        gained: Vec<TopicPartition>,
        goes_on: bool,
    ) {
        let generation = self.group.generation;
        let step = Rebalance { cause, generation, lost, gained, goes_on };
        self.tell([IntakeEvent::Rebalanced(step)]);
    }

    pub(super) fn ask_members(&mut self, now: Instant) {
        if self.group.joined && self.group.look.is_some_and(|at| at <= now) {
            self.group.look = None;
            self.ask(Question::Members);
        }
    }

    pub(super) fn members_known(&mut self, members: Option<Vec<NativeMember>>) {
        let wait = if members.is_some() { LOOK } else { LOOK_SOON };
        self.group.look = Some(Instant::now() + wait);
        let Some(members) = members else { return };
        let foreign = members.iter().filter(|member| !self.is_kin(member));
        let mut foreign: Vec<String> = foreign.map(named).collect();
        foreign.sort();
        if foreign != self.group.foreign {
            self.group.foreign = foreign.clone();
            self.tell([IntakeEvent::Foreign(foreign)]);
        }
    }

    fn is_kin(&self, member: &NativeMember) -> bool {
        let id = &member.client_id;
        let by_instance = self.config.kin.as_ref().is_some_and(|end| {
            member.instance_id.as_ref().is_some_and(|instance| instance.ends_with(end.as_str()))
        });
        by_instance || id.starts_with("forebay") || *id == self.config.properties.client_id()
    }

    /// Our id is another's until its session ends: this member is at its end, the next one asks.
    pub(super) fn wait_for_id(&mut self, reason: String) {
        let pause = self.group.pause;
        self.group.pause = (pause * 2).min(PAUSE_MAX);
        self.group.again = Some(Instant::now() + pause);
        self.tell([IntakeEvent::WaitsForId { reason }]);
    }

    pub(super) fn join_again(&mut self, now: Instant) {
        if self.closing.is_some() || self.group.again.is_none_or(|at| at > now) {
            return;
        }
        self.group.again = None;
        match member::member(&self.config, &self.shared) {
            Ok(member) => {
                let member = std::sync::Arc::new(member);
                self.ask(Question::Member(member.clone()));
                self.member = member;
                // What was sent by the former one is never answered, and nothing of it is ours.
                self.commits = CommitLine::default();
                self.group.joined = false;
                self.group.generation = None;
            }
            Err(error) => self.wait_for_id(error.to_string()),
        }
    }
}

/// A member in words.
fn named(member: &NativeMember) -> String {
    let instance = match &member.instance_id {
        Some(instance) => format!(", instance id {instance}"),
        None => String::new(),
    };
    let owned = member.assignment.len();
    format!("client id {}{instance}, at {}, with {owned} partitions", member.client_id, member.host)
}
