//! What an operator changes in a running subscription: rules, endpoints, records that wait, and the
//! place from which partitions are read.

use std::time::Duration;

use forebay_core::{
    CommandError, CommitPoint, CommitState, Guarantee, Input, Offset, PartitionId, Rules, Tenure,
};
use forebay_kafka::TopicPartition;

use super::{Runner, Seeking};
use crate::clock::Clock;
use crate::handle::{ChangeError, OperatorError, Order, Place};
use crate::plan::Plan;

impl Runner {
    /// Takes a changed plan. Its endpoints replace the ones there are.
    pub(super) fn change(&self, plan: Plan) -> Result<(), ChangeError> {
        refuse(&self.plan.borrow(), &plan)?;
        let (endpoints, discovery) = (plan.endpoints.clone(), plan.discovery);
        let (limits, tls) = (plan.limits.clone(), plan.tls.clone());
        self.consumer.set(plan.number());
        let before = self.plan.replace(plan);
        if before.limits != limits || before.tls != tls {
            self.reconnect();
        }
        self.handle(Input::Rules(self.rules()));
        if before.endpoints != endpoints || before.discovery != discovery {
            self.names.relist(&endpoints, discovery);
            self.set_endpoints(self.names.endpoints());
        }
        say!(self, info, "the configuration has changed");
        Ok(())
    }

    /// The plan's rules, and what the broker has the say about.
    pub(super) fn rules(&self) -> Rules {
        let rules = self.plan.borrow().rules.clone();
        let session = self.session.get().unwrap_or(rules.session);
        Rules { session, ..rules }
    }

    /// The broker says how long it takes a silent member for alive.
    pub(super) fn take_session(&self, session: Duration) {
        self.session.set(Some(session));
        self.handle(Input::Rules(self.rules()));
        let session = session.as_millis();
        say!(
            self,
            info,
            "what the group acknowledged is believed for {session} ms: its session less a heartbeat"
        );
    }

    pub(super) fn operate(&self, order: &Order) -> Result<(), OperatorError> {
        use forebay_core::Command;
        let (place, command) = match order {
            Order::Pause => (None, Command::Pause),
            Order::Resume => (None, Command::Resume),
            Order::Retry(place) => {
                let (partition, offset) = self.locate(place)?;
                (Some(place), Command::Retry { partition, offset })
            }
            Order::Skip(place) => {
                let (partition, offset) = self.locate(place)?;
                (Some(place), Command::Skip { partition, offset })
            }
            Order::DeadLetter(place) => {
                let (partition, offset) = self.locate(place)?;
                (Some(place), Command::DeadLetter { partition, offset })
            }
        };
        let done = self.core.borrow_mut().command(command, self.clock.now());
        done.map_err(|error| match place {
            Some(place) => explain(error, place),
            None => unreachable!("only a command about a record fails"),
        })
    }

    /// The partitions, where each of them can be read from elsewhere now.
    pub(super) fn may_seek(&self, places: &[Place]) -> Result<Vec<PartitionId>, OperatorError> {
        let mut ids = Vec::with_capacity(places.len());
        for Place { partition, .. } in places {
            let id = self.assigned_id(partition)?;
            let seats = self.seats.borrow();
            let seated = seats[id.0 as usize].assigned.as_ref();
            // What stands still until an operator acts is mended so.
            if seated.is_none()
                || self.seeking.borrow().iter().any(|seeking| seeking.partition == id)
            {
                return Err(OperatorError::NotActive(partition.clone()));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// Begins to drain the partitions; each goes on at its new place once it is drained.
    pub(super) fn seek(&self, places: &[Place]) -> Result<(), OperatorError> {
        for (id, place) in self.may_seek(places)?.into_iter().zip(places) {
            say!(
                self,
                debug,
                "an operator has {} read from offset {}",
                place.partition,
                place.offset
            );
            let to = CommitPoint(place.offset);
            let rewinds = self.core.borrow().sought(id, to);
            self.seeking.borrow_mut().push(Seeking { partition: id, to, rewinds });
            if self.is_held_back(id) {
                self.released(id, 0);
            } else {
                self.drain(id);
            }
        }
        Ok(())
    }

    /// A drained partition that is to be read from elsewhere is not given back. Says whether it is
    /// such a one.
    pub(super) fn reseat(&self, id: PartitionId) -> bool {
        let mut seeking = self.seeking.borrow_mut();
        let Some(at) = seeking.iter().position(|seeking| seeking.partition == id) else {
            return false;
        };
        let Seeking { to, rewinds, .. } = seeking.swap_remove(at);
        drop(seeking);
        let mut seats = self.seats.borrow_mut();
        let seat = &mut seats[id.0 as usize];
        let Some(seated) = seat.assigned.as_mut().filter(|_| self.stopping.borrow().is_none())
        else {
            return false;
        };
        (seated.wanted, seated.committing, seated.origin) = (None, None, None);
        seated.hold = None;
        let (parks, parked) = (self.parks(&seat.partition), seated.parked.clone());
        self.intake.seek(seat.partition.clone(), to.0);
        drop(seats);
        self.handle(Input::Assigned {
            partition: id,
            start: to,
            // Nobody else had it.
            end: to,
            // The tenure grows by what the core remembers.
            stored: Some(CommitState { parked, rewinds, ..CommitState::unknown(Tenure(i64::MIN)) }),
            parks,
            wall_ms: Clock::wall_ms(),
        });
        true
    }

    /// The group takes the partition back: a seek that is under way is void.
    pub(super) fn forget_seek(&self, id: PartitionId) {
        self.seeking.borrow_mut().retain(|seeking| seeking.partition != id);
    }

    fn locate(&self, place: &Place) -> Result<(PartitionId, Offset), OperatorError> {
        Ok((self.assigned_id(&place.partition)?, Offset(place.offset)))
    }

    fn assigned_id(&self, partition: &TopicPartition) -> Result<PartitionId, OperatorError> {
        let seats = self.seats.borrow();
        let at = seats
            .iter()
            .position(|seat| seat.partition == *partition && seat.assigned.is_some())
            .ok_or_else(|| OperatorError::NotAssigned(partition.clone()))?;
        Ok(PartitionId(at as u32))
    }
}

fn refuse(before: &Plan, plan: &Plan) -> Result<(), ChangeError> {
    let is_once = |plan: &Plan| plan.rules.guarantee == Guarantee::AtMostOnce;
    // What else makes a difference there is who commits.
    let guarantee = if is_once(before) == is_once(plan) { "`commit`" } else { "`delivery`" };
    let checks = [
        ("the group", before.intake.group == plan.intake.group),
        ("the park topic", before.park_topic() == plan.park_topic()),
        ("the list of topics", before.intake.topics == plan.intake.topics),
        ("`order`", before.rules.order == plan.rules.order),
        (guarantee, before.rules.guarantee == plan.rules.guarantee),
        ("the dead letter topic", before.letter_topic() == plan.letter_topic()),
    ];
    match checks.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(ChangeError { what }),
        None => Ok(()),
    }
}

fn explain(error: CommandError, place: &Place) -> OperatorError {
    match error {
        CommandError::NotAssigned => OperatorError::NotAssigned(place.partition.clone()),
        CommandError::NotHeld => OperatorError::NotHeld(place.offset),
        CommandError::InFlight => OperatorError::InFlight(place.offset),
        CommandError::Behind => OperatorError::Behind(place.offset),
        CommandError::Leaving => OperatorError::Leaving(place.offset),
        CommandError::NoDeadLetters => OperatorError::NoDeadLetters,
    }
}
