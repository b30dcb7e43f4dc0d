//! SyncGroup and LeaveGroup: handing out the leader's assignment, and going.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::group::{Group, Output, State, Ticket};
use super::member::Moment;

#[derive(Clone, Debug, Default)]
pub(crate) struct Sync {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: i32,
    /// v5+: must be the group's own where given.
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    /// Filled by the leader only: member id and its share.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

/// One member that goes, by member id or, for a static one, by instance alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leave {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
}

impl Group {
    /// Asks for the assignment: the answer is an [`Output::Synced`] with `ticket`.
    pub(crate) fn sync(&mut self, sync: Sync, ticket: Ticket, now: Moment) {
        if let Err(error) = self.try_sync(sync, ticket, now) {
            self.outputs.push(Output::Synced(ticket, Err(error)));
        }
    }

    fn try_sync(&mut self, sync: Sync, ticket: Ticket, now: Moment) -> Result<(), ResponseError> {
        let current = self.generation;
        let state = self.state;
        let differs =
            |given: &Option<String>, own: &Option<String>| given.is_some() && given != own;
        let foreign = differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol, &self.protocol);
        let member = self.identify(&sync.member_id, sync.instance.as_deref())?;
        if sync.generation != current {
            return Err(ResponseError::IllegalGeneration);
        }
        if foreign {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match state {
            State::Empty | State::Dead => return Err(ResponseError::UnknownMemberId),
            State::PreparingRebalance => return Err(ResponseError::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => {}
        }
        member.touch(now);
        member.synced = true;
        if let Some(abandoned) = member.sync.replace(ticket) {
            let answer = Err(ResponseError::RebalanceInProgress);
            self.outputs.push(Output::Synced(abandoned, answer));
        }
        if state == State::Stable {
            self.answer_sync(&sync.member_id, now);
        } else if self.leader.as_ref() == Some(&sync.member_id) {
            self.assign(sync.assignments, now);
        }
        if self.members.values().all(|member| member.synced) {
            self.sync_until = None;
        }
        Ok(())
    }

    /// The leader has spoken: whoever it left out gets nothing, whom it doesn't know is ignored.
    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Moment) {
        let mut shares: HashMap<String, Bytes> = assignments.into_iter().collect();
        for member in self.members.values_mut() {
            member.assignment = shares.remove(&member.id).unwrap_or_default();
        }
        self.state = State::Stable;
        self.outputs.push(Output::Store);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            self.answer_sync(&id, now);
        }
    }

    fn answer_sync(&mut self, id: &str, now: Moment) {
        let Some(member) = self.members.get_mut(id) else { return };
        let Some(ticket) = member.sync.take() else { return };
        member.touch(now);
        let answer = Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.assignment.clone(),
        };
        self.outputs.push(Output::Synced(ticket, Ok(answer)));
    }

    /// Takes a member out at its own wish or an operator's.
    pub(crate) fn leave(&mut self, leave: &Leave, now: Moment) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if self.promised.remove(&leave.member_id).is_some() {
            self.begin_generation_if_all_joined(now);
            return Ok(());
        }
        let id = match &leave.instance {
            Some(instance) => {
                let current = self.instances.get(instance);
                let current = current.ok_or(ResponseError::UnknownMemberId)?;
                if !leave.member_id.is_empty() && leave.member_id != *current {
                    return Err(ResponseError::FencedInstanceId);
                }
                current.clone()
            }
            None => leave.member_id.clone(),
        };
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id, now);
        Ok(())
    }
}
