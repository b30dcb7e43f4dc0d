//! Partitions come and go.
//!
//! The member agrees to an assignment at once and asks for nothing; the fetcher starts when the
//! start offset is known. A revocation is agreed to when everything of it was drained, released
//! and committed, or when its time is over; only then does the group give it to somebody else.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::identity::Refusal;
use super::{NAP, Poller};
use crate::error::{Asked, KafkaError};
use crate::intake::events::{Assigned, IntakeEvent, LossCause, RebalanceCause, Stored};
use crate::intake::lookup::{Found, NoStart, Question, Starting};
use crate::intake::shared::Farewell;
use crate::intake::slots::{Phase, Share, Slot};
use crate::native::rows;
use crate::record::TopicPartition;

/// How long a commit of a drained partition is waited for beyond the drain deadline.
const LAST_COMMIT: Duration = Duration::from_secs(3);
/// How long a member that goes for good may take until the group is told.
const RESIGN: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A revocation that is not agreed to yet.
pub(super) struct Drain {
    list: TopicPartitionList,
    partitions: Vec<TopicPartition>,
    deadline: Instant,
}

impl Poller {
    pub(super) fn assigned(&mut self, list: &TopicPartitionList) {
        self.run.flush(&mut self.slots, self.share);
        let mut at = list.clone();
        // Any offset will do, for the member never fetches; naming one saves it the lookup.
        at.set_all_offsets(Offset::Offset(0)).expect("a plain offset");
        if let Err(error) = self.member.base().incremental_assign(&at) {
            tracing::error!(group = self.config.group, %error, "could not take an assignment");
        }
        if at.count() > 0 {
            self.pause(&self.member, &at, true);
        }
        let mut partitions = Vec::new();
        for row in rows(list) {
            let partition = TopicPartition::new(row.topic, row.partition);
            let slot = self.slot(partition.clone());
            self.slots.insert(slot);
            partitions.push(partition);
        }
        let partitions = self.without_unwanted(partitions);
        self.tell_gained(&partitions);
        self.ask_starts(partitions);
    }

    pub(super) fn slot(&self, partition: TopicPartition) -> Slot {
        let shared = self.shared.clone();
        Slot::new(partition, self.tickets + 1, std::sync::Arc::new(move || shared.nudge()))
    }

    pub(super) fn ask_starts(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        // Answered first, so that nothing is handed over before it is known for how long it is ours.
        self.ask_session(Instant::now());
        self.tickets += 1;
        let mut afresh = std::collections::BTreeSet::new();
        for partition in &partitions {
            if let Some(slot) = self.slots.of(partition) {
                slot.phase = Phase::LookingUp(self.tickets);
                if slot.afresh {
                    afresh.insert(partition.clone());
                }
            }
        }
        self.ask(Question::Start { ticket: self.tickets, partitions, afresh });
    }

    /// Asks once more for those that are still ours and still without a start.
    pub(super) fn ask_starts_again(&mut self, now: Instant) {
        let (due, later) =
            std::mem::take(&mut self.asked_again).into_iter().partition(|(at, _)| *at <= now);
        self.asked_again = later;
        for (_, mut partitions) in Vec::from_iter::<Vec<_>>(due) {
            partitions.retain(|partition| {
                self.slots.of(partition).is_some_and(|slot| !slot.is_announced())
            });
            self.ask_starts(partitions);
        }
    }

    pub(super) fn ask(&self, question: Question) {
        // The lookup thread ends after us; if it is gone, so are we.
        let _ = self.questions.send(question);
    }

    /// What was found out about those that are still looked up.
    pub(super) fn looked_up(&mut self, ticket: u64, answers: Starting) {
        self.run.flush(&mut self.slots, self.share);
        let (mut found, mut absent, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (partition, answer) in answers {
            let Some(slot) = self.slots.of(&partition) else { continue };
            if slot.phase != Phase::LookingUp(ticket) {
                continue;
            }
            match answer {
                Ok(start) => found.push(start),
                Err(NoStart::Absent(there)) => absent.push((partition, there)),
                Err(NoStart::Unknown(error)) => {
                    slot.no_start = Some(error.to_string());
                    unknown.push(partition);
                }
            }
        }
        if !unknown.is_empty() {
            self.asked_again.push((Instant::now() + ASK_AGAIN, unknown));
        }
        if !absent.is_empty() {
            let lost: Vec<_> = absent.iter().map(|(partition, _)| partition.clone()).collect();
            self.tell_step(RebalanceCause::Partitions, lost, Vec::new(), false);
            for (partition, there) in absent {
                self.set_absent(&partition, there);
            }
        }
        self.begin(found);
        self.tell_starts();
    }

    /// Their starts are known: the worker is told, and reading begins.
    fn begin(&mut self, found: Vec<Found>) {
        let mut starts = Vec::new();
        let (mut made_anew, mut astray) = (false, false);
        for Found { ends, topic_id, partitions, stored, start, start_lost } in found {
            self.survey.meet(&ends.partition.topic, partitions);
            let Some(slot) = self.slots.of(&ends.partition) else { continue };
            slot.phase = if start.is_some() { Phase::Flowing } else { Phase::Held };
            slot.next = start.unwrap_or(0);
            slot.no_start = None;
            slot.topic_id = topic_id.clone();
            let read = self.reads.get(&ends.partition.topic);
            slot.astray = topic_id.is_some() && read.is_some() && topic_id.as_ref() != read;
            astray |= slot.astray;
            slot.arrived = Instant::now();
            if let Some(id) = &topic_id {
                let known = self.fetched.insert(ends.partition.topic.clone(), id.clone());
                made_anew |= known.is_some_and(|known| known != *id);
            }
            if let Some(Stored { offset, leader_epoch, .. }) = &stored
                && start == Some(*offset)
            {
                slot.queue.note_epoch(*offset, *leader_epoch);
            }
            starts.extend(start.map(|start| (ends.partition.clone(), start)));
            let queue = slot.queue.clone();
            self.shared.set_watermarks(&ends.partition, ends.log_start, ends.log_end);
            self.unavailable.remove(&ends.partition.topic);
            self.tell([IntakeEvent::Assigned(Assigned {
                partition: ends.partition,
                topic_id,
                queue,
                stored,
                start,
                start_lost,
                log_start: ends.log_start,
                log_end: ends.log_end,
            })]);
        }
        self.share_out();
        if made_anew {
            match self.renew_fetcher() {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(group = self.config.group, %error, "fetching as before")
                }
            }
        }
        if astray {
            self.survey.hurry();
        }
        if !starts.is_empty() {
            self.start_fetching(&starts);
        }
    }

    /// Tells why partitions have no start, if that has changed.
    pub(super) fn tell_starts(&mut self) {
        let without = self.slots.iter_mut().filter(|slot| !slot.is_announced());
        let without = without.filter_map(|slot| Some((&slot.partition, slot.no_start.as_ref()?)));
        let reason = without.min().map(|(_, reason)| reason.clone());
        if reason == self.no_starts {
            return;
        }
        self.no_starts = reason.clone();
        self.tell([match reason {
            Some(reason) => IntakeEvent::StartsUnknown { reason },
            None => IntakeEvent::StartsKnown,
        }]);
    }

    fn share_out(&mut self) {
        self.share = Share::new(self.config.records_max, self.config.bytes_max, self.slots.len());
    }

    pub(super) fn revoked(&mut self, list: TopicPartitionList) {
        self.run.flush(&mut self.slots, self.share);
        if self.identity.is_waiting() {
            // A member at its end has told of them before.
            return self.let_go(&list);
        }
        let revoked: Vec<TopicPartition> =
            rows(&list).into_iter().map(|row| self.named(&row.topic, row.partition)).collect();
        if self.closing_now() || self.is_lost(&revoked) {
            let (cause, why) = match revoked.iter().all(|partition| self.survey.is_gone(partition))
            {
                // librdkafka takes what is not there any more from its assignment by itself.
                true => (RebalanceCause::Partitions, LossCause::Gone),
                false => (RebalanceCause::SessionLost, LossCause::Session),
            };
            let ours = |partition: &TopicPartition| self.slots.of(partition).is_some();
            if revoked.iter().any(ours) {
                self.tell_lost(cause, &revoked, true);
            }
            self.lose(revoked, why);
            self.let_go(&list);
            return;
        }
        self.tell_revoked(&revoked);
        let mut fetched = Vec::new();
        let mut announced = Vec::new();
        for partition in &revoked {
            let Some(slot) = self.slots.of(partition) else { continue };
            if slot.is_fetched() {
                fetched.push(partition.clone());
            }
            if slot.is_announced() {
                announced.push(partition.clone());
                slot.phase = Phase::Revoked;
                slot.queue.close();
            } else {
                slot.phase = Phase::Released;
            }
        }
        self.tell_starts();
        self.stop_fetching(&fetched);
        if !announced.is_empty() {
            self.tell([IntakeEvent::Revoked(announced)]);
        }
        let deadline = Instant::now() + self.config.drain;
        self.drains.push(Drain { list, partitions: revoked, deadline });
    }

    /// Whether the group has given these away. librdkafka takes it so as well where the member no
    /// longer wants their topic; then they are ours until they are let go.
    fn is_lost(&self, partitions: &[TopicPartition]) -> bool {
        self.member.base().assignment_lost() && !self.has_given_up(partitions)
    }

    /// Agrees to those revocations that have nothing left to wait for.
    pub(super) fn finish_drains(&mut self, now: Instant) {
        if self.drains.is_empty() {
            return;
        }
        for drain in std::mem::take(&mut self.drains) {
            if self.is_lost(&drain.partitions) {
                self.lose(drain.partitions, LossCause::Session);
                self.let_go(&drain.list);
                continue;
            }
            if now >= drain.deadline {
                for partition in &drain.partitions {
                    if let Some(slot) = self.slots.of(partition) {
                        slot.phase = Phase::Released;
                    }
                }
            }
            let released = drain.partitions.iter().all(|partition| {
                self.slots.of(partition).is_none_or(|slot| slot.phase == Phase::Released)
            });
            let committed =
                drain.partitions.iter().all(|partition| !self.commits.concerns(partition));
            if released && (committed || now >= drain.deadline + LAST_COMMIT) {
                self.forget(&drain.partitions);
                self.let_go(&drain.list);
            } else {
                self.drains.push(drain);
            }
        }
    }

    /// Our hold of these is over.
    pub(super) fn lose(&mut self, partitions: Vec<TopicPartition>, why: LossCause) {
        let mut fetched = Vec::new();
        let mut announced = Vec::new();
        for partition in &partitions {
            let Some(slot) = self.slots.of(partition) else { continue };
            slot.queue.close();
            if slot.is_fetched() {
                fetched.push(partition.clone());
            }
            if slot.is_announced() {
                announced.push(partition.clone());
            }
        }
        self.stop_fetching(&fetched);
        self.forget(&partitions);
        if !announced.is_empty() {
            self.tell([IntakeEvent::Lost(announced, why)]);
        }
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.slots.remove(partition);
            self.shared.forget_watermarks(partition);
            if let Some(offset) = self.commits.forget(partition) {
                self.refuse(partition.clone(), offset);
            }
        }
        self.tell_starts();
        self.share_out();
    }

    /// Tells the group that these are free.
    fn let_go(&self, list: &TopicPartitionList) {
        crate::intake::give_back(self.member.base(), list);
    }

    fn all_slots(&mut self) -> Vec<TopicPartition> {
        self.slots.iter_mut().map(|slot| slot.partition.clone()).collect()
    }

    /// The member can't go on; its group will have given its partitions away. Where only its id is
    /// refused, another one takes its place.
    pub(super) fn fatal(&mut self, code: Code, reason: String) {
        self.run.flush(&mut self.slots, self.share);
        let (code, reason) = self.member.fatal().unwrap_or((code, reason));
        if self.identity.is_waiting() {
            // It says so once for each thing that it can't do any more.
            return;
        }
        let refusal = match code {
            Code::UnreleasedInstanceId => Some(Refusal::Unreleased),
            Code::FencedInstanceId => Some(Refusal::Fenced),
            _ => None,
        };
        let all = self.all_slots();
        if refusal != Some(Refusal::Unreleased) || !all.is_empty() {
            self.tell_lost(RebalanceCause::Fenced, &all, false);
        }
        self.lose(all, LossCause::Session);
        for drain in std::mem::take(&mut self.drains) {
            self.let_go(&drain.list);
        }
        if let Some(refusal) = refusal {
            return self.wait_for_id(refusal, reason);
        }
        let doing = format!("stay in group {}", self.config.group);
        let asked = Asked { doing: &doing, servers: &self.servers, waited: NAP };
        let error = match asked.failed(code, Some(reason)) {
            fatal @ KafkaError::Fatal { .. } => fatal,
            other => KafkaError::Fatal { doing, reason: other.to_string() },
        };
        self.tell([IntakeEvent::Fatal(error)]);
    }

    fn closing_now(&self) -> bool {
        self.closing.is_some_and(|end| Instant::now() >= end)
    }

    /// Closes both clients. Nothing is told of it: the worker asked for it.
    pub(super) fn leave(mut self) {
        let all = self.all_slots();
        for partition in &all {
            if let Some(slot) = self.slots.of(partition) {
                slot.queue.close();
            }
        }
        let fetched: Vec<_> = all
            .into_iter()
            .filter(|partition| self.slots.of(partition).is_some_and(|slot| slot.is_fetched()))
            .collect();
        self.stop_fetching(&fetched);
        for drain in std::mem::take(&mut self.drains) {
            self.let_go(&drain.list);
        }
        if self.farewell == Farewell::ForGood && !self.config.properties.joins_by_epochs() {
            self.resign();
        }
        let leaving = self.member.start_closing();
        while leaving && !self.member.is_closed() {
            self.hear_last();
        }
    }

    /// Tells the group that a static member goes. librdkafka does so for one that wants no topics any
    /// more, and not for one that closes (KIP-345); by epochs it never does.
    fn resign(&mut self) {
        let end = Instant::now() + RESIGN;
        self.member.base().unsubscribe();
        while self.member.is_in_group() && Instant::now() < end {
            self.hear_last();
        }
    }

    fn hear_last(&mut self) {
        let mut ear = super::MemberEar::default();
        self.member.poll(NAP, &mut ear);
        for heard in ear.0 {
            match heard {
                super::Heard::Rebalance { assign: false, list } => self.let_go(&list),
                super::Heard::Rebalance { .. }
                | super::Heard::Failed { .. }
                | super::Heard::ChangedId { .. } => {}
                super::Heard::Committed { error, rows } => self.committed(error, rows),
            }
        }
    }
}
