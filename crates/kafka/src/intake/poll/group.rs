//! What this member can know of its group: why the assignment changed, and who else is in it.
//!
//! Kafka tells a member its new assignment and nothing else. The cause is deduced: from what we did
//! ourselves, from what librdkafka says of the session, from what the survey saw of the topics; what
//! is left is that another member came or went.
//!
//! A static member that comes back is given what it had, and nobody looks whether its topics have
//! grown while all were away (KIP-345). Partitions that nobody owns make it ask for a rebalance,
//! which librdkafka has no call for: it joins anew once it has looked for a topic that is not there.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::Poller;
use super::identity::Refusal;
use crate::admin::Member;
use crate::commit::CommitLine;
use crate::intake::events::{Fellow, IntakeEvent, Rebalance, RebalanceCause};
use crate::intake::lookup::Question;
use crate::intake::member;
use crate::intake::slots::{Phase, Slot};
use crate::native::admin::NativeMember;
use crate::record::TopicPartition;

/// How often to look who is in the group, and how soon after a rebalance or no answer.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_SOON: Duration = Duration::from_secs(1);
/// A member that joined and was given nothing is still joining for so long.
const JOINING: Duration = Duration::from_secs(60);
/// How long the topic that is not there stays subscribed to, and how soon it may be again.
const NOWHERE_FOR: Duration = Duration::from_secs(3);
const NOWHERE_AGAIN: Duration = Duration::from_secs(60);
/// Nobody makes a topic of this name.
const NOWHERE: &str = "__forebay.nowhere";

pub(super) struct Group {
    /// Whether the group has assigned us anything, be it nothing, since the member was made.
    joined: bool,
    /// Since when it has joined and was given nothing.
    idle_since: Option<Instant>,
    /// Looks in a row that saw partitions which nobody owns.
    unowned: u32,
    /// When a rebalance was asked for last, and whether that is under way.
    asked: Option<Instant>,
    asking: bool,
    session_lost: bool,
    /// What went was told, and that another step follows.
    open: bool,
    /// When to look who is in the group; none while that is asked.
    look: Option<Instant>,
    foreign: Vec<String>,
    /// As it was told last.
    fellows: Vec<Fellow>,
}

impl Group {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            joined: false,
            idle_since: None,
            unowned: 0,
            asked: None,
            asking: false,
            session_lost: false,
            open: false,
            look: Some(now + LOOK),
            foreign: Vec::new(),
            fellows: Vec::new(),
        }
    }
}

impl Poller {
    /// The group assigned these, in addition to what we have.
    pub(super) fn tell_gained(&mut self, gained: &[TopicPartition]) {
        let changed = self.survey.take_changed();
        let is_new = gained.iter().any(|partition| self.survey.is_new(partition));
        let joining = !self.group.joined
            || self.group.idle_since.is_some_and(|since| since.elapsed() < JOINING);
        let cause = if joining {
            RebalanceCause::Join
        } else if self.group.session_lost {
            RebalanceCause::SessionLost
        } else if changed || is_new {
            RebalanceCause::Partitions
        } else {
            RebalanceCause::Members
        };
        let first = !self.group.joined;
        self.group.joined = true;
        if !gained.is_empty() {
            self.group.idle_since = None;
        } else if first {
            self.group.idle_since = Some(Instant::now());
        }
        self.group.session_lost = false;
        self.identity.joined(Instant::now());
        self.group.look = Some(Instant::now() + LOOK_SOON);
        let open = std::mem::take(&mut self.group.open);
        // Another generation that leaves us what we have is no rebalance of ours.
        if !gained.is_empty() || first || open {
            // What comes to one that was given nothing comes by the same rebalance.
            self.tell_step(cause, Vec::new(), gained.to_vec(), first && gained.is_empty());
        }
    }

    /// The group wants these back.
    pub(super) fn tell_revoked(&mut self, revoked: &[TopicPartition]) {
        let is_absent = |slot: &mut Slot| slot.phase == Phase::Absent;
        let there = |partition: &&TopicPartition| !self.slots.of(partition).is_some_and(is_absent);
        let lost: Vec<TopicPartition> = revoked.iter().filter(there).cloned().collect();
        let gone = lost.len() < revoked.len()
            || lost.iter().any(|lost| self.unavailable.contains_key(&lost.topic));
        let cause = match gone {
            true => RebalanceCause::Partitions,
            false => RebalanceCause::Members,
        };
        self.tell_lost(cause, &lost, true);
    }

    pub(super) fn tell_lost(
        &mut self,
        cause: RebalanceCause,
        lost: &[TopicPartition],
        goes_on: bool,
    ) {
        self.group.session_lost |= cause == RebalanceCause::SessionLost;
        if self.closing.is_none() {
            self.group.open = goes_on;
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
        let generation = self.member.generation();
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
        self.look_for_unowned(&members);
        let foreign = members.iter().filter(|member| !self.is_kin(member));
        let mut foreign: Vec<String> = foreign.map(named).collect();
        foreign.sort();
        if foreign != self.group.foreign {
            self.group.foreign = foreign.clone();
            self.tell([IntakeEvent::Foreign(foreign)]);
        }
        self.tell_fellows(members);
    }

    fn tell_fellows(&mut self, members: Vec<NativeMember>) {
        let fellow = |member: NativeMember| {
            let is_kin = self.is_kin(&member);
            let mut member = Member::from(member);
            member.assignment.sort();
            Fellow { member, is_kin }
        };
        let mut fellows: Vec<Fellow> = members.into_iter().map(fellow).collect();
        fellows.sort_by(|one, other| one.member.member_id.cmp(&other.member.member_id));
        if fellows != self.group.fellows {
            self.group.fellows = fellows.clone();
            self.tell([IntakeEvent::Members(fellows)]);
        }
    }

    fn is_kin(&self, member: &NativeMember) -> bool {
        let id = &member.client_id;
        let by_instance = self.config.kin.as_ref().is_some_and(|is_kin| {
            member.instance_id.as_ref().is_some_and(|instance| is_kin(instance))
        });
        by_instance || id.starts_with("forebay") || *id == self.config.properties.client_id()
    }

    /// Asks for a rebalance where partitions stay without an owner.
    fn look_for_unowned(&mut self, members: &[NativeMember]) {
        let rows = members.iter().flat_map(|member| &member.assignment);
        let owned = rows.map(|row| (row.topic.as_str(), row.partition)).collect();
        if self.config.properties.joins_by_epochs() || !self.survey.has_more_than(&owned) {
            self.group.unowned = 0;
            return;
        }
        self.group.look = Some(Instant::now() + LOOK_SOON);
        self.group.unowned += 1;
        let lately = self.group.asked.is_some_and(|asked| asked.elapsed() < NOWHERE_AGAIN);
        if self.group.unowned >= 2 && !lately && self.closing.is_none() {
            tracing::info!(
                group = self.config.group,
                "partitions have no owner: asking for a rebalance"
            );
            self.group.asked = Some(Instant::now());
            self.group.asking = true;
            self.survey.note_change();
            self.subscribe(true);
        }
    }

    /// Takes back the topic that is not there; the group does not notice.
    pub(super) fn end_asking(&mut self) {
        if self.group.asking && self.group.asked.is_some_and(|asked| asked.elapsed() >= NOWHERE_FOR)
        {
            self.group.asking = false;
            self.subscribe(false);
        }
    }

    /// Whether an error is about the topic that is not there on purpose.
    pub(super) fn is_nowhere(reason: &str, topic: Option<&str>) -> bool {
        topic.map_or_else(|| reason.contains(NOWHERE), |topic| topic == NOWHERE)
    }

    /// To what is wanted now; with `nowhere`, or where that is nothing, to the topic that is not there.
    pub(super) fn subscribe(&self, nowhere: bool) {
        let mut topics: Vec<&str> = self.wanted_topics().collect();
        if nowhere || topics.is_empty() {
            topics.push(NOWHERE);
        }
        if let Err(error) = self.member.base().subscribe(&topics) {
            tracing::warn!(group = self.config.group, %error, "could not subscribe anew");
        }
    }

    /// The group refuses our id: this member is at its end, the next one asks.
    pub(super) fn wait_for_id(&mut self, how: Refusal, reason: String) {
        let taken_by = self.identity.refused(how, Instant::now());
        let instance_id = self.config.instance_id.clone().unwrap_or_default();
        self.tell([IntakeEvent::WaitsForId { instance_id, taken_by, reason }]);
    }

    pub(super) fn join_again(&mut self, now: Instant) {
        if self.closing.is_some() || !self.identity.is_due(now) {
            return;
        }
        match member::member(&self.config, &self.shared) {
            Ok(member) => {
                let member = std::sync::Arc::new(member);
                self.ask(Question::Member(member.clone()));
                self.member = member;
                // What was sent by the former one is never answered, and nothing of it is ours.
                self.commits = CommitLine::default();
                self.group.joined = false;
                self.group.idle_since = None;
                self.group.asking = false;
                self.forget_given_up();
            }
            Err(error) => {
                tracing::warn!(group = self.config.group, %error, "could not join again");
                self.identity.try_again(now);
            }
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
