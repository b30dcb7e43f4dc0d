//! Commits, on their way to Kafka and back.

use forebay_core::{CommitPoint, CommitState, Input, PartitionId};
use forebay_kafka::{Commit, KafkaError, TopicPartition};

use super::{Runner, metadata};

impl Runner {
    pub(super) fn commit(&self, id: PartitionId, point: CommitPoint, state: CommitState) {
        let mut seats = self.seats.borrow_mut();
        let seat = &mut seats[id.0 as usize];
        let Some(seated) = &mut seat.assigned else { return };
        let limit = self.metadata_limit.get();
        let plan = self.plan.borrow();
        let of = metadata::Of {
            topic_id: seated.topic_id.as_deref(),
            leader_epoch: seated.queue.leader_epoch(point.0),
            park_topic: plan.park_topic(),
        };
        let metadata = metadata::write(point, &state, of, limit);
        seated.committing = Some((state.tenure, point));
        seated.parked = state.parked;
        let partition = seat.partition.clone();
        self.intake.commit([Commit { partition, offset: point.0, metadata }]);
    }

    /// Says it once for each reason: it is tried again for as long as it fails.
    pub(super) fn say_commit_fails(
        &self,
        partition: &TopicPartition,
        offset: i64,
        error: &KafkaError,
    ) {
        let id = self.seat(partition);
        if let Some(seated) = &mut self.seats.borrow_mut()[id.0 as usize].assigned {
            let before = seated.commit_fails.replace(error.reason().to_owned());
            if before.as_deref() == Some(error.reason()) {
                return;
            }
        }
        say!(self, warn, "committing {offset} of {partition}: {error}");
    }

    pub(super) fn commit_answered(
        &self,
        partition: &TopicPartition,
        offset: i64,
        acknowledged: bool,
    ) {
        let id = self.seat(partition);
        let mut seats = self.seats.borrow_mut();
        let Some(seated) = &mut seats[id.0 as usize].assigned else { return };
        let Some((tenure, point)) = seated.committing.take_if(|out| out.1.0 == offset) else {
            return;
        };
        if acknowledged {
            seated.commit_fails = None;
        }
        drop(seats);
        self.handle(if acknowledged {
            Input::Committed { partition: id, tenure, point }
        } else {
            Input::CommitFailed { partition: id, tenure }
        });
    }

    /// The broker takes less beside an offset than it does by default: less of what is settled
    /// beyond the commit point is said from now on.
    pub(super) fn say_less(&self) {
        let limit = (self.metadata_limit.get() / 2).max(metadata::LIMIT_MIN);
        say!(
            self,
            warn,
            "the broker's `offset.metadata.max.bytes` is below {}: {limit} bytes are written from \
             now on, so more is delivered again after a crash",
            self.metadata_limit.replace(limit),
        );
    }
}
