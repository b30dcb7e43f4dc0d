//! Partitions as they come and go: between what the intake tells and what the core is told.

use std::time::Duration;

use forebay_core::{CommitPoint, Guarantee, Input, PartitionId};
use forebay_kafka::{Assigned, LossCause, TopicPartition};

use super::{Runner, Seat, Seated, metadata};
use crate::clock::Clock;
use crate::snapshot::Hold;

impl Runner {
    pub(super) fn assigned(&self, assigned: Assigned) {
        if self.stopping.borrow().is_some() {
            // It would never be drained; leaving gives it back.
            return;
        }
        let id = self.seat(&assigned.partition);
        self.assignments.set(self.assignments.get() + 1);
        self.kafka.borrow_mut().assigned(&assigned.partition.topic);
        let stored = assigned.stored.as_ref();
        let found = stored.map(|stored| metadata::read(stored, assigned.topic_id.as_deref()));
        let doubt = found.as_ref().and_then(|found| found.doubt.as_deref());
        if let Some(doubt) = doubt {
            say!(
                self,
                warn,
                "what was done of {} beyond its commit point is done again: {doubt}",
                assigned.partition
            );
        }
        say!(
            self,
            info,
            "{} assigned{}; its log holds {} to {}",
            assigned.partition,
            assigned.start.map_or(String::new(), |start| format!(", from offset {start}")),
            assigned.log_start,
            assigned.log_end
        );
        let unread = match (assigned.start, assigned.start_lost) {
            (Some(start), _) => {
                let plan = self.plan.borrow();
                found.as_ref().and_then(|found| found.left_behind(plan.park_topic(), start))
            }
            (None, Some(reason)) => Some(Hold::StartLost { reason }),
            (None, None) => Some(Hold::NoOffset),
        };
        if let Some(hold) = &unread {
            say!(self, error, "{} stands still: {hold}", assigned.partition);
        }
        let start = assigned.start.filter(|_| unread.is_none());
        self.seats.borrow_mut()[id.0 as usize].assigned = Some(Seated {
            queue: assigned.queue,
            topic_id: assigned.topic_id,
            wanted: None,
            committing: None,
            commit_fails: None,
            origin: None,
            parked: Vec::new(),
            hold: unread,
        });
        if let Some(start) = start {
            let parks = self.parks(&assigned.partition);
            let stored = found.and_then(|found| found.state);
            self.handle(Input::Assigned {
                partition: id,
                start: CommitPoint(start),
                end: CommitPoint(assigned.log_end),
                stored,
                parks,
                wall_ms: Clock::wall_ms(),
            });
            self.say_what_is_waited_for(id, &assigned.partition);
        }
    }

    pub(super) fn say_what_is_waited_for(&self, id: PartitionId, partition: &TopicPartition) {
        let free_at = self.core.borrow().free_at(id);
        let waits = free_at.map_or(Duration::ZERO, |at| at.since(self.clock.now()));
        if !waits.is_zero() {
            say!(
                self,
                warn,
                "the last owner of {partition} ended without a word: what it may have sent is waited \
                 for, {} ms (`takeover`)",
                waits.as_millis()
            );
        }
    }

    pub(super) fn revoked(&self, partitions: &[TopicPartition]) {
        for partition in partitions {
            say!(self, info, "{partition} revoked");
            let id = self.seat(partition);
            self.forget_seek(id);
            if self.is_held_back(id) {
                self.released(id, 0);
            } else {
                self.drain(id);
            }
        }
    }

    /// At most once, what was not asked of Kafka yet is left to the next owner: its answer might come
    /// too late for what it covers to be delivered.
    pub(super) fn drain(&self, id: PartitionId) {
        if self.rules().guarantee == Guarantee::AtMostOnce {
            let partition = self.seats.borrow()[id.0 as usize].partition.clone();
            self.intake.forget(partition);
        }
        self.handle(Input::Revoked { partition: id });
    }

    /// Whether the core never heard of the assignment, because it can't be read yet.
    pub(super) fn is_held_back(&self, id: PartitionId) -> bool {
        let seats = self.seats.borrow();
        let seated = seats[id.0 as usize].assigned.as_ref();
        let hold = seated.and_then(|seated| seated.hold.as_ref());
        hold.is_some_and(|hold| !matches!(hold, Hold::OutOfRange { .. }))
    }

    pub(super) fn lost(&self, partitions: &[TopicPartition], why: LossCause) {
        let log_is_gone = why != LossCause::Session;
        let why = match why {
            LossCause::Session => "is lost to another member",
            LossCause::TopicAnew => "is gone: its topic was deleted and made anew",
            LossCause::Gone => "is gone, and its topic has no such partition any more",
        };
        for partition in partitions {
            say!(self, warn, "{partition} {why}");
            let id = self.seat(partition);
            self.forget_seek(id);
            self.rebalances.borrow_mut().released(partition, self.transit.now());
            self.say_unsent(partition, self.core.borrow().unsent(id));
            let left = self.seats.borrow_mut()[id.0 as usize].assigned.take();
            self.say_unanswered(partition, left);
            let unsettled = self.unsettled(id);
            self.handle(Input::Lost { partition: id });
            if log_is_gone && self.is_park(partition) {
                self.park_is_gone(partition, unsettled);
            }
        }
    }

    pub(super) fn released(&self, id: PartitionId, unsent: usize) {
        let partition = self.seats.borrow()[id.0 as usize].partition.clone();
        self.say_unsent(&partition, unsent);
        if self.reseat(id) {
            return;
        }
        let left = self.seats.borrow_mut()[id.0 as usize].assigned.take();
        self.rebalances.borrow_mut().released(&partition, self.transit.now());
        match self.stopping.borrow().is_some() {
            true => self.intake.forget(partition.clone()),
            false => self.intake.release(partition.clone()),
        }
        self.say_unanswered(&partition, left);
    }

    fn say_unsent(&self, partition: &TopicPartition, unsent: usize) {
        if unsent > 0 {
            say!(
                self,
                error,
                "{partition} is left with {unsent} records that were committed and not delivered: they \
                 never will be (at most once)"
            );
        }
    }

    /// What a last commit covers that may yet come to count.
    fn say_unanswered(&self, partition: &TopicPartition, left: Option<Seated>) {
        let once = self.rules().guarantee == Guarantee::AtMostOnce;
        let committing = left.and_then(|left| left.committing).filter(|_| once);
        if let Some((_, CommitPoint(point))) = committing {
            say!(
                self,
                error,
                "{partition} is left before Kafka answered to its last commit: if it takes it, what is \
                 before offset {point} and was not delivered never will be (at most once)"
            );
        }
    }

    pub(super) fn hold(&self, partition: &TopicPartition, hold: Hold) {
        let id = self.seat(partition);
        if self.is_held_back(id) {
            return;
        }
        if let Some(seated) = &mut self.seats.borrow_mut()[id.0 as usize].assigned {
            seated.hold = Some(hold);
        }
    }

    pub(super) fn seat(&self, partition: &TopicPartition) -> PartitionId {
        let mut seats = self.seats.borrow_mut();
        let known = seats.iter().position(|seat| seat.partition == *partition);
        let index = known.unwrap_or_else(|| {
            seats.push(Seat { partition: partition.clone(), assigned: None });
            seats.len() - 1
        });
        PartitionId(index as u32)
    }
}
