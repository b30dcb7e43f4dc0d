//! What an operator can do to a subscription, and to a record that is stuck.

use crate::commit::Rewinds;
use crate::lanes::Slot;
use crate::partition::{HeldState, Stuck, Why};
use crate::record::{CommitPoint, Offset, PartitionId};
use crate::time::Instant;

use super::Subscription;

/// An operator's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sends nothing more until [`Command::Resume`]; what is in flight ends.
    Pause,
    /// Ends a pause, and the hold of a budget that is spent: that begins anew, and what waited for
    /// it is delivered once more.
    Resume,
    /// Delivers a record that waits, without waiting any longer, and forgives its failures.
    Retry { partition: PartitionId, offset: Offset },
    /// Settles a record that waits, as if it had been accepted.
    Skip { partition: PartitionId, offset: Offset },
    /// Sends a record that waits to the dead letter topic.
    DeadLetter { partition: PartitionId, offset: Offset },
}

/// Why a command can't be obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// This process does not have the partition.
    NotAssigned,
    /// The record was settled, or was not fetched yet.
    NotHeld,
    /// A service is at work on it, or may be.
    InFlight,
    /// It waits behind an earlier record of its key.
    Behind,
    /// It is on its way to the dead letter topic, or to the park topic.
    Leaving,
    /// There is no dead letter topic.
    NoDeadLetters,
}

impl<P: Clone> Subscription<P> {
    /// Obeys an operator.
    ///
    /// # Errors
    /// Where the record is not one that waits; nothing is changed then.
    pub fn command(&mut self, command: Command, now: Instant) -> Result<(), CommandError> {
        self.advance(now);
        match command {
            Command::Pause => self.hold.pause(true),
            Command::Resume => self.resume(),
            Command::Retry { partition, offset } => {
                let slot = self.waiting(partition, offset)?;
                self.forgive(partition, slot);
                self.reopen(partition, slot);
            }
            Command::Skip { partition, offset } => {
                let slot = self.waiting(partition, offset)?;
                self.counts.skipped += 1;
                self.settle(partition, slot);
            }
            Command::DeadLetter { partition, offset } => {
                if !self.rules.dead_letters {
                    return Err(CommandError::NoDeadLetters);
                }
                let slot = self.waiting(partition, offset)?;
                self.leave(partition, slot, Why::Command);
            }
        }
        Ok(())
    }

    /// What is to be stored once a partition is drained and read from `to`; nothing was read of one
    /// that is not assigned.
    pub fn sought(&self, id: PartitionId, to: CommitPoint) -> Rewinds {
        let seat = self.seats.get(id.0 as usize).and_then(|seat| seat.partition.as_ref());
        let sought = seat.map(|partition| partition.rewinds.sought(partition.read_end(), to));
        sought.unwrap_or_default()
    }

    /// How many records of a partition no service has heard of and none ever will if it is lost now: at
    /// most once, those that are committed.
    pub fn unsent(&self, id: PartitionId) -> usize {
        let seat = self.seats.get(id.0 as usize).and_then(|seat| seat.partition.as_ref());
        seat.map_or(0, |partition| partition.unsent(&self.rules))
    }

    /// What an operator said about the whole subscription: paused, or over its budget.
    fn resume(&mut self) {
        self.hold.pause(false);
        self.hold.overdraw(false);
        self.budget.renew();
        let mut denied = alloc::vec::Vec::new();
        for partition in self.seats.iter().filter_map(|seat| seat.partition.as_ref()) {
            let unsettled = partition.ledger.unsettled();
            denied.extend(unsettled.filter_map(|(_, &slot)| {
                let state = partition.lanes.get(slot).state;
                (state == HeldState::Stuck(Stuck::Budget)).then_some((partition.id, slot))
            }));
        }
        for (partition, slot) in denied {
            self.reopen(partition, slot);
        }
    }

    /// The slot of a record that waits, taken off whatever it waits for.
    fn waiting(&mut self, id: PartitionId, offset: Offset) -> Result<Slot, CommandError> {
        let (partition, _) = self.partition(id).ok_or(CommandError::NotAssigned)?;
        let slot = *partition.ledger.ticket(offset).ok_or(CommandError::NotHeld)?;
        let until = match partition.lanes.get(slot).state {
            HeldState::InFlight { .. } | HeldState::Shut { unknown: Some(_), .. } => {
                return Err(CommandError::InFlight);
            }
            HeldState::Queued => return Err(CommandError::Behind),
            HeldState::Leaving | HeldState::Parking { .. } => return Err(CommandError::Leaving),
            HeldState::Stuck(_) => return Ok(slot),
            // The park topic may have it already.
            HeldState::Shut { .. } if partition.lanes.is_aside(slot) => {
                return Err(CommandError::Leaving);
            }
            HeldState::Shut { until, .. } => until,
        };
        if !self.reopenings.remove(&(until, id, slot)) {
            self.awaiting.retain(|waits| *waits != (id, slot));
            self.suspects.stands_no_more(id, slot);
        }
        Ok(slot)
    }

    fn forgive(&mut self, id: PartitionId, slot: Slot) {
        let (partition, _) = self.partition(id).expect("the caller has it");
        let held = partition.lanes.get_mut(slot);
        held.charged = 0;
        if let Some(failure) = &mut held.failure {
            failure.forgive();
        }
    }
}
