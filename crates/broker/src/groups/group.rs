//! The group itself: its states, its timers, and how one generation follows another.
//!
//! States and edges are those of Kafka's classic group: Empty → PreparingRebalance (members are
//! awaited) → CompletingRebalance (the leader's assignment is awaited) → Stable, and back to
//! PreparingRebalance whenever the membership or what members want changes. A generation number
//! never goes back. Requests that must wait are parked by their [`Ticket`] and answered later
//! through [`Output`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::join::{JoinRefused, Joined};
use super::member::{Member, MemberSnapshot, Moment};
use super::subscription::topics_of;
use super::sync::Synced;

/// Names one parked request; given by the shell, never used twice.
pub(crate) type Ticket = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

impl State {
    /// The names that DescribeGroups and ListGroups use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// Bounds that the broker's configuration sets for every group.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) initial_rebalance_delay: Duration,
    pub(crate) min_session_timeout: Duration,
    pub(crate) max_session_timeout: Duration,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Joined(Ticket, Result<Joined, JoinRefused>),
    Synced(Ticket, Result<Synced, ResponseError>),
    /// The group changed in a way that must outlive a restart: store [`Group::snapshot`] and
    /// hold back the answers beside it until it is durable.
    Store,
}

/// What DescribeGroups tells and what `__consumer_offsets` keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) protocol_type: String,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) members: Vec<MemberSnapshot>,
}

/// What ends the state PreparingRebalance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Barrier {
    /// The first members of an empty group: each newcomer re-arms the delay, up to `limit`.
    Initial {
        until: Moment,
        limit: Moment,
        newcomer: bool,
    },
    Rejoin {
        until: Moment,
    },
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(super) settings: Settings,
    pub(super) state: State,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Static members: instance id to current member id.
    pub(super) instances: BTreeMap<String, String>,
    /// Member ids handed out with MEMBER_ID_REQUIRED and not yet used, with their end.
    pub(super) promised: BTreeMap<String, Moment>,
    pub(super) barrier: Option<Barrier>,
    pub(super) sync_until: Option<Moment>,
    pub(super) outputs: Vec<Output>,
}

impl Group {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            promised: BTreeMap::new(),
            barrier: None,
            sync_until: None,
            outputs: Vec::new(),
        }
    }

    /// A group as it was stored: its members are taken to be alive for one session timeout, so
    /// that a restart of the broker alone rebalances nobody.
    pub(crate) fn restore(settings: Settings, stored: Snapshot, now: Moment) -> Self {
        let mut group = Self::new(settings);
        group.generation = stored.generation;
        group.protocol_type = (!stored.protocol_type.is_empty()).then_some(stored.protocol_type);
        group.protocol = stored.protocol;
        group.leader = stored.leader;
        let protocol = group.protocol.clone().unwrap_or_default();
        for member in stored.members {
            if let Some(instance) = &member.instance {
                group.instances.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(
                member.id.clone(),
                Member {
                    id: member.id,
                    instance: member.instance,
                    client_id: member.client_id,
                    client_host: member.client_host,
                    session_timeout: member.session_timeout,
                    rebalance_timeout: member.rebalance_timeout,
                    protocols: vec![(protocol.clone(), member.subscription)],
                    assignment: member.assignment,
                    join: None,
                    sync: None,
                    synced: true,
                    fresh: false,
                    touched: now,
                },
            );
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
        }
        group
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        Snapshot {
            protocol_type: self.protocol_type().to_owned(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.values().map(|member| member.snapshot(protocol)).collect(),
        }
    }

    /// Whether some member reads `topic`; true when that can't be known.
    pub(crate) fn subscribes_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| {
            member.protocols.iter().any(|(_, metadata)| {
                topics_of(metadata).is_none_or(|topics| topics.contains(topic))
            })
        })
    }

    /// No member can join any more; the shell has removed the group.
    pub(crate) fn kill(&mut self) {
        self.state = State::Dead;
    }

    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The member named by id and, for a static one, instance.
    pub(super) fn identify(
        &mut self,
        member_id: &str,
        instance: Option<&str>,
    ) -> Result<&mut Member, ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(current) if current != member_id => {
                    return Err(ResponseError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        self.members.get_mut(member_id).ok_or(ResponseError::UnknownMemberId)
    }

    /// Heartbeat; an error is the answer's code.
    pub(crate) fn heartbeat(
        &mut self,
        member_id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Moment,
    ) -> Result<(), ResponseError> {
        let current = self.generation;
        let member = self.identify(member_id, instance)?;
        if generation != current {
            return Err(ResponseError::IllegalGeneration);
        }
        member.touch(now);
        match self.state {
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether this caller may commit offsets now. Generation -1 is a simple consumer, which may
    /// only where no member is.
    pub(crate) fn may_commit(
        &mut self,
        member_id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Moment,
    ) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        let current = self.generation;
        let state = self.state;
        let member = self.identify(member_id, instance)?;
        if generation != current {
            return Err(ResponseError::IllegalGeneration);
        }
        member.touch(now);
        match state {
            State::CompletingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// When [`Group::tick`] next has something to do.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        let barrier = self.barrier.map(|barrier| match barrier {
            Barrier::Initial { until, .. } | Barrier::Rejoin { until } => until,
        });
        let sessions = self.members.values().filter_map(Member::expires).min();
        let promises = self.promised.values().copied().min();
        [barrier, self.sync_until, sessions, promises].into_iter().flatten().min()
    }

    /// Ends what is due at `now`: promised ids, sessions, the wait for joins, the wait for syncs.
    pub(crate) fn tick(&mut self, now: Moment) {
        self.promised.retain(|_, until| *until > now);
        let gone: Vec<String> = self
            .members
            .values()
            .filter(|member| member.expires().is_some_and(|end| end <= now))
            .map(|member| member.id.clone())
            .collect();
        for id in gone {
            self.remove(&id, now);
        }
        match self.barrier {
            Some(Barrier::Initial { until, limit, newcomer }) if until <= now => {
                if newcomer && until < limit {
                    let until = (now + self.settings.initial_rebalance_delay).min(limit);
                    self.barrier = Some(Barrier::Initial { until, limit, newcomer: false });
                } else {
                    self.begin_generation(now);
                }
            }
            Some(Barrier::Rejoin { until }) if until <= now => self.begin_generation(now),
            _ => self.begin_generation_if_all_joined(now),
        }
        if self.sync_until.is_some_and(|until| until <= now) {
            self.drop_members_that_did_not_sync(now);
        }
    }

    fn drop_members_that_did_not_sync(&mut self, now: Moment) {
        self.sync_until = None;
        let late: Vec<String> = self
            .members
            .values()
            .filter(|member| !member.synced)
            .map(|member| member.id.clone())
            .collect();
        for id in &late {
            self.forget(id);
        }
        if !late.is_empty() {
            self.prepare_rebalance(now);
        }
    }

    /// Takes a member out and lets the others rebalance.
    pub(super) fn remove(&mut self, id: &str, now: Moment) {
        self.forget(id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(now),
            State::PreparingRebalance => self.begin_generation_if_all_joined(now),
            State::Empty | State::Dead => {}
        }
    }

    fn forget(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.refuse_parked(&member, ResponseError::UnknownMemberId);
    }

    /// Answers whatever the member had parked with an error.
    pub(super) fn refuse_parked(&mut self, member: &Member, error: ResponseError) {
        if let Some(ticket) = member.join {
            let refused = JoinRefused { error, member_id: member.id.clone() };
            self.outputs.push(Output::Joined(ticket, Err(refused)));
        }
        if let Some(ticket) = member.sync {
            self.outputs.push(Output::Synced(ticket, Err(error)));
        }
    }

    /// Everybody has to join again. Parked syncs are told so; members learn it by heartbeat.
    pub(super) fn prepare_rebalance(&mut self, now: Moment) {
        for member in self.members.values_mut() {
            member.synced = false;
            if let Some(ticket) = member.sync.take() {
                member.touch(now);
                let answer = Err(ResponseError::RebalanceInProgress);
                self.outputs.push(Output::Synced(ticket, answer));
            }
        }
        self.sync_until = None;
        let patience = self.rebalance_timeout();
        if self.state == State::Empty {
            let limit = now + patience;
            let until = (now + self.settings.initial_rebalance_delay).min(limit);
            self.barrier = Some(Barrier::Initial { until, limit, newcomer: false });
        } else {
            self.barrier = Some(Barrier::Rejoin { until: now + patience });
        }
        self.state = State::PreparingRebalance;
        self.begin_generation_if_all_joined(now);
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Newcomers of an empty group wait for their delay even if all known members are there.
    pub(super) fn begin_generation_if_all_joined(&mut self, now: Moment) {
        let delayed = match self.barrier {
            Some(Barrier::Initial { until, .. }) => until > now,
            Some(Barrier::Rejoin { .. }) => false,
            None => return,
        };
        let all = self.members.values().all(|member| member.join.is_some());
        if all && self.promised.is_empty() && !delayed {
            self.begin_generation(now);
        }
    }

    fn begin_generation(&mut self, now: Moment) {
        self.barrier = None;
        // A static member keeps its place until its session ends, a dynamic one does not.
        let absent: Vec<String> = self
            .members
            .values()
            .filter(|member| member.join.is_none() && member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in &absent {
            self.forget(id);
        }
        if !self.members.is_empty() && !self.elect_leader_that_joined() {
            self.barrier = Some(Barrier::Rejoin { until: now + self.rebalance_timeout() });
            return;
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            self.leader = None;
            self.outputs.push(Output::Store);
            return;
        }
        self.protocol = self.choose_protocol();
        self.state = State::CompletingRebalance;
        self.sync_until = Some(now + self.rebalance_timeout());
        self.answer_joins(now);
    }

    fn answer_joins(&mut self, now: Moment) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.synced = false;
            member.assignment = Bytes::new();
            let Some(ticket) = member.join.take() else { continue };
            member.fresh = false;
            member.touch(now);
            self.outputs.push(Output::Joined(ticket, Ok(answer)));
        }
    }

    /// Whether a member that is here can lead; false only if all that remain are static members
    /// which have not come back yet.
    fn elect_leader_that_joined(&mut self) -> bool {
        let joined = |member: &&Member| member.join.is_some();
        let keeps = self.leader.as_ref().and_then(|id| self.members.get(id)).filter(joined);
        if keeps.is_none() {
            match self.members.values().find(joined) {
                Some(member) => self.leader = Some(member.id.clone()),
                None => return false,
            }
        }
        true
    }

    /// Of the protocols that all members offer, the one most of them like best; the leader's
    /// order breaks ties.
    pub(super) fn choose_protocol(&self) -> Option<String> {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id))?;
        let common = |name: &str| self.members.values().all(|member| member.offers(name));
        let candidates: Vec<&str> =
            leader.protocols.iter().map(|(name, _)| name.as_str()).filter(|n| common(n)).collect();
        let votes = |candidate: &str| {
            let first = |member: &&Member| {
                let best = member.protocols.iter().find(|(name, _)| candidates.contains(&&**name));
                best.is_some_and(|(name, _)| name == candidate)
            };
            self.members.values().filter(first).count()
        };
        // max_by_key keeps the last of equals, hence the reversal.
        candidates.iter().rev().max_by_key(|candidate| votes(candidate)).map(|c| (*c).to_owned())
    }

    /// The answer that tells `id` about the current generation; the leader also gets the members.
    pub(super) fn joined(&self, id: &str) -> Joined {
        let leads = self.leader.as_deref() == Some(id);
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = if leads { self.offers_of(&protocol) } else { Vec::new() };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol,
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: id.to_owned(),
            members,
        }
    }

    pub(super) fn offers_of(&self, protocol: &str) -> Vec<(String, Option<String>, Bytes)> {
        let offer = |member: &Member| {
            (member.id.clone(), member.instance.clone(), member.metadata(protocol))
        };
        self.members.values().map(offer).collect()
    }
}
