//! JoinGroup: who is let in, who gets an id first, and who may stay without a rebalance.
//!
//! A dynamic newcomer that speaks v4+ is first given its member id (KIP-394), so that retries do
//! not leave ghosts. A static member that returns under a new member id takes its old place and
//! fences the old one (KIP-345); if nothing that matters changed, the generation stays.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::group::{Barrier, Group, Output, State, Ticket};
use super::member::{Member, Moment};
use super::subscription::topics_of;

#[derive(Clone, Debug, Default)]
pub(crate) struct Join {
    /// Empty for a newcomer.
    pub(crate) member_id: String,
    /// The id a newcomer gets; random, made by the shell.
    pub(crate) fresh_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// v4+: a dynamic newcomer must come back with the id it is given.
    pub(crate) id_required: bool,
    /// v9+: a returning static leader can be told to skip the assignment.
    pub(crate) can_skip_assignment: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    pub(crate) member_id: String,
    /// Member id, instance id, metadata; only for the leader.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinRefused {
    pub(crate) error: ResponseError,
    pub(crate) member_id: String,
}

impl Group {
    /// Lets a member in, now or later: the answer is an [`Output::Joined`] with `ticket`.
    pub(crate) fn join(&mut self, join: Join, ticket: Ticket, now: Moment) {
        let member_id = join.member_id.clone();
        if let Err(error) = self.try_join(join, ticket, now) {
            let refused = match error {
                Refusal::Code(error) => JoinRefused { error, member_id },
                Refusal::ComeBackAs(member_id) => {
                    JoinRefused { error: ResponseError::MemberIdRequired, member_id }
                }
            };
            self.outputs.push(Output::Joined(ticket, Err(refused)));
        }
    }

    fn try_join(&mut self, join: Join, ticket: Ticket, now: Moment) -> Result<(), Refusal> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable.into());
        }
        let bounds = self.settings.min_session_timeout..=self.settings.max_session_timeout;
        if !bounds.contains(&join.session_timeout) {
            return Err(ResponseError::InvalidSessionTimeout.into());
        }
        if !self.accepts_protocols(&join) {
            return Err(ResponseError::InconsistentGroupProtocol.into());
        }
        if join.member_id.is_empty() {
            return self.join_newcomer(join, ticket, now);
        }
        if self.promised.remove(&join.member_id).is_some() {
            let id = join.member_id.clone();
            self.add(id, join, ticket, now);
            return Ok(());
        }
        self.identify(&join.member_id, join.instance.as_deref())?;
        self.join_again(join, ticket, now)
    }

    /// A group without members takes any type; else type and at least one protocol must be
    /// common to all.
    fn accepts_protocols(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        let others = |member: &&Member| {
            member.id != join.member_id
                && (member.instance.is_none() || member.instance != join.instance)
        };
        let common =
            |name: &str| self.members.values().filter(others).all(|member| member.offers(name));
        self.protocol_type.as_ref() == Some(&join.protocol_type)
            && join.protocols.iter().any(|(name, _)| common(name))
    }

    fn join_newcomer(&mut self, join: Join, ticket: Ticket, now: Moment) -> Result<(), Refusal> {
        let id = join.fresh_id.clone();
        if let Some(instance) = &join.instance {
            match self.instances.get(instance).cloned() {
                Some(old) => self.replace(&old, id, join, ticket, now),
                None => self.add(id, join, ticket, now),
            }
        } else if join.id_required {
            self.promised.insert(id.clone(), now + join.session_timeout);
            return Err(Refusal::ComeBackAs(id));
        } else {
            self.add(id, join, ticket, now);
        }
        Ok(())
    }

    fn add(&mut self, id: String, join: Join, ticket: Ticket, now: Moment) {
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        let member = Member {
            id: id.clone(),
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            join: Some(ticket),
            sync: None,
            synced: false,
            fresh: true,
            touched: now,
        };
        self.members.insert(id, member);
        if let Some(Barrier::Initial { newcomer, .. }) = &mut self.barrier {
            *newcomer = true;
        }
        self.rebalance(now);
    }

    fn rebalance(&mut self, now: Moment) {
        match self.state {
            State::PreparingRebalance => self.begin_generation_if_all_joined(now),
            _ => self.prepare_rebalance(now),
        }
    }

    /// A known member joins again: only what changes the outcome starts a rebalance.
    fn join_again(&mut self, join: Join, ticket: Ticket, now: Moment) -> Result<(), Refusal> {
        let id = join.member_id.clone();
        let leads = self.leader.as_ref() == Some(&id);
        let state = self.state;
        let member = self.members.get_mut(&id).ok_or(ResponseError::UnknownMemberId)?;
        let unchanged = member.protocols == join.protocols;
        let stays = match state {
            State::CompletingRebalance => unchanged,
            State::Stable => unchanged && !leads,
            _ => false,
        };
        member.touch(now);
        if stays {
            let answer = self.joined(&id);
            self.outputs.push(Output::Joined(ticket, Ok(answer)));
            return Ok(());
        }
        member.protocols = join.protocols;
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        if let Some(abandoned) = member.join.replace(ticket) {
            let error = ResponseError::RebalanceInProgress;
            let refused = JoinRefused { error, member_id: id };
            self.outputs.push(Output::Joined(abandoned, Err(refused)));
        }
        self.rebalance(now);
        Ok(())
    }

    /// A static member is back under a new member id.
    fn replace(&mut self, old: &str, id: String, join: Join, ticket: Ticket, now: Moment) {
        let Some(mut member) = self.members.remove(old) else { return };
        self.refuse_parked(&member, ResponseError::FencedInstanceId);
        let was_leader = self.leader.as_deref() == Some(old);
        if was_leader {
            self.leader = Some(id.clone());
        }
        let wants_the_same = self.wants_the_same(&member, &join);
        member.id = id.clone();
        member.client_id = join.client_id;
        member.client_host = join.client_host;
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.protocols = join.protocols;
        member.join = Some(ticket);
        member.sync = None;
        member.touch(now);
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
        let same_protocol = self.choose_protocol() == self.protocol;
        if self.state == State::Stable && wants_the_same && same_protocol {
            self.outputs.push(Output::Store);
            let answer = self.joined_in_place(&id, old, was_leader, join.can_skip_assignment);
            self.outputs.push(Output::Joined(ticket, Ok(answer)));
            if let Some(member) = self.members.get_mut(&id) {
                member.join = None;
            }
        } else {
            self.rebalance(now);
        }
    }

    /// Metadata of a restarted process may differ in what it last owned, which is no reason to
    /// rebalance; other topics are. Of protocols that aren't the consumers' nothing is known and,
    /// as in Kafka, the choice of the protocol alone decides.
    fn wants_the_same(&self, member: &Member, join: &Join) -> bool {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let new = join.protocols.iter().find(|(name, _)| name == protocol);
        let Some((_, new)) = new else { return false };
        let old = member.metadata(protocol);
        if join.protocol_type != "consumer" || old == *new {
            return true;
        }
        match (topics_of(&old), topics_of(new)) {
            (Some(old), Some(new)) => old == new,
            _ => true,
        }
    }

    /// A leader that can't be told to skip the assignment is told that its former id leads, so
    /// that it takes itself for a follower and fetches what it had.
    fn joined_in_place(&self, id: &str, old: &str, led: bool, can_skip: bool) -> Joined {
        let mut answer = self.joined(id);
        if led && can_skip {
            answer.skip_assignment = true;
        } else if led {
            answer.leader = old.to_owned();
            answer.members.clear();
        }
        answer
    }
}

enum Refusal {
    Code(ResponseError),
    ComeBackAs(String),
}

impl From<ResponseError> for Refusal {
    fn from(error: ResponseError) -> Self {
        Self::Code(error)
    }
}
