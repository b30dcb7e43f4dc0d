//! Commits go out for partitions that are ours, one request at a time, and are answered one by one.

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::{NAP, Poller};
use crate::commit::Commit;
use crate::error::{Asked, KafkaError, may_pass};
use crate::intake::events::IntakeEvent;
use crate::native::{Row, rows, set_leader_epoch};
use crate::record::TopicPartition;

impl Poller {
    pub(super) fn commit(&mut self, commit: Commit) {
        if self.slots.of(&commit.partition).is_some_and(|slot| slot.may_commit()) {
            self.commits.push(commit);
        } else {
            self.refuse(commit.partition, commit.offset);
        }
    }

    /// Answers a commit of a partition that is not ours (any more).
    pub(super) fn refuse(&self, partition: TopicPartition, offset: i64) {
        let error = KafkaError::Refused {
            doing: format!("commit offset {offset} of {partition}"),
            servers: self.servers.clone(),
            reason: "the partition is not ours".to_owned(),
            retry: false,
        };
        self.tell([IntakeEvent::CommitFailed { partition, offset, error, retry: false }]);
    }

    pub(super) fn send_commits(&mut self) {
        let Some(request) = self.commits.next() else { return };
        let mut list = TopicPartitionList::with_capacity(request.len());
        for commit in &request {
            let mut row = list.add_partition(&commit.partition.topic, commit.partition.partition);
            row.set_offset(Offset::Offset(commit.offset)).expect("a plain offset");
            if !commit.metadata.is_empty() {
                row.set_metadata(&commit.metadata);
            }
            let slot = self.slots.of(&commit.partition);
            if let Some(epoch) = slot.and_then(|slot| slot.queue.leader_epoch(commit.offset)) {
                set_leader_epoch(&mut list, epoch);
            }
        }
        if let Some(code) = self.member.commit(&list) {
            self.committed(Some(code), rows(&list));
        }
    }

    /// One request was answered, for all of its partitions.
    pub(super) fn committed(&mut self, error: Option<Code>, rows: Vec<Row>) {
        self.commits.answered();
        for row in rows {
            let partition = self.named(&row.topic, row.partition);
            let offset = row.offset;
            let Some(code) = error.or(row.error) else {
                self.tell([IntakeEvent::Committed { partition, offset }]);
                continue;
            };
            let doing = format!("commit offset {offset} of {partition}");
            let asked = Asked { doing: &doing, servers: &self.servers, waited: NAP };
            let error = asked.failed(code, None);
            let retry = may_pass(code);
            self.tell([IntakeEvent::CommitFailed { partition, offset, error, retry }]);
        }
    }
}
