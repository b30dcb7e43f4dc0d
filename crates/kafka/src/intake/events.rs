//! What an intake tells its worker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::queue::PartitionQueue;
use crate::admin::Member;
use crate::error::KafkaError;
use crate::record::TopicPartition;

/// Something happened to the intake or its partitions. Events come in the order in which they
/// happened; records come beside them, through the queues.
#[derive(Debug)]
pub enum IntakeEvent {
    /// A partition is ours, its start is known, and its records begin to flow.
    Assigned(Assigned),
    /// These go to another member: nothing more comes out of their queues. What is in flight may
    /// be finished and committed until [`super::IntakeConfig::drain`] is over; each is then to be
    /// released. Other partitions flow on.
    Revoked(Vec<TopicPartition>),
    /// Our hold of these is over: commits of them would be refused, and nothing is to be released.
    /// A partition that was being drained may end here.
    Lost(Vec<TopicPartition>, LossCause),
    /// Kafka has this commit point.
    Committed { partition: TopicPartition, offset: i64 },
    /// Kafka has not, as far as we know, this commit point. `retry`: the same commit may succeed
    /// later; if not, it never will in this assignment.
    CommitFailed { partition: TopicPartition, offset: i64, error: KafkaError, retry: bool },
    /// This commit was not sent when it was taken back ([`super::Intake::forget`]).
    Forgotten { partition: TopicPartition, offset: i64 },
    /// The next offset is not in the log (retention, truncation): the partition stands still until
    /// [`super::Intake::seek`]. The log's ends are those last heard, −1 where unknown.
    OutOfRange { partition: TopicPartition, offset: i64, log_start: i64, log_end: i64 },
    /// The cluster refuses to serve a topic or partition (it does not exist: `missing`; or we may
    /// not read it). Trying goes on; said once for each change.
    Unavailable { topic: Arc<str>, missing: bool, error: KafkaError },
    /// A topic that was unavailable is there.
    Available { topic: Arc<str> },
    /// Partitions are ours and it is not known where they start, or they are not there: nothing of
    /// them is read. Finding out goes on; told once for each change, until
    /// [`IntakeEvent::StartsKnown`].
    StartsUnknown { reason: String },
    /// All that is ours has its start.
    StartsKnown,
    /// The group's assignment changed, as far as this member sees it. Told before what it moves is.
    Rebalanced(Rebalance),
    /// For how long the group takes this member for alive that commits and then says nothing, where
    /// the broker has the say (KIP-848): its session less a heartbeat's interval, for it does not
    /// count from commits. Told before the first partition, if it was to be known, and when it
    /// changes.
    Session(Duration),
    /// The broker does not say how long that is; told once for each reason.
    SessionUnknown { reason: String },
    /// Members of the group that are no intakes of our kind, in words; told when that changes.
    Foreign(Vec<String>),
    /// Who is in the group and what each has, ourselves too, as Kafka said a moment ago; told when
    /// that changes. Kafka is asked soon after each rebalance of ours, and every half minute.
    Members(Vec<Fellow>),
    /// The group refuses this member its instance id, or has taken it away. All its partitions were
    /// told as [`IntakeEvent::Lost`] before. It joins again, and tells of each refusal, until the
    /// group takes it in: the next [`IntakeEvent::Rebalanced`].
    WaitsForId { instance_id: String, taken_by: TakenBy, reason: String },
    /// No broker can be reached; trying goes on. Said once, until [`IntakeEvent::Reachable`].
    Unreachable { reason: String },
    /// The cluster answered: for the first time, or again.
    Reachable,
    /// This member is finished: the group refuses it for good. All its partitions were told as
    /// [`IntakeEvent::Lost`] before.
    Fatal(KafkaError),
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fellow {
    pub member: Member,
    /// Whether it is an intake of our kind.
    pub is_kin: bool,
}

/// Whose our instance id is when the group refuses it, as far as a member can know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// Our own former self, as a crash or an outage of the coordinator leaves it: it passes.
    Former,
    /// A live process. The two take it from each other until one has another id.
    Another,
}

/// Why partitions were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// The group gave them to others, for it did not hear of us, or somebody took our place.
    Session,
    /// The topic was deleted and made anew: they are assigned again, from their beginning.
    TopicAnew,
    /// There is no such partition any more: its topic was deleted, or made anew with fewer.
    Gone,
}

/// One step of a rebalance: partitions go, or come, or another generation leaves all as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebalance {
    pub cause: RebalanceCause,
    /// The group's generation, or the member's epoch (KIP-848), where it is known.
    pub generation: Option<i32>,
    pub lost: Vec<TopicPartition>,
    pub gained: Vec<TopicPartition>,
    /// Whether another step follows: what was lost is drained, then the group assigns anew.
    pub goes_on: bool,
}

/// Why the group's assignment changed, as far as a member can know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RebalanceCause {
    /// We joined.
    Join,
    /// Another member came or went.
    Members,
    /// The group did not hear of us in time, and gave our partitions away.
    SessionLost,
    /// Another process has our instance id, or the group refuses us for good.
    Fenced,
    /// A topic got partitions, came, went or was made anew.
    Partitions,
}

/// A partition that was assigned.
pub struct Assigned {
    pub partition: TopicPartition,
    /// The topic's id as Kafka prints it (KIP-516); `None` from brokers before 2.8.
    pub topic_id: Option<Arc<str>>,
    pub queue: Arc<PartitionQueue>,
    /// The group's committed offset, with its metadata.
    pub stored: Option<Stored>,
    /// Where reading starts: at the stored offset, else as the policy says. `None`: it is held
    /// back until [`super::Intake::seek`].
    pub start: Option<i64>,
    /// Why it is held back though the policy has a start: what was kept of it in `__forebay` can't
    /// be read.
    pub start_lost: Option<String>,
    /// First offset of the log.
    pub log_start: i64,
    /// End of what can be read now, exclusive.
    pub log_end: i64,
}

impl fmt::Debug for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assigned")
            .field("partition", &self.partition)
            .field("stored", &self.stored)
            .field("start", &self.start)
            .field("log", &(self.log_start..self.log_end))
            .finish_non_exhaustive()
    }
}

/// A committed offset as Kafka keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Exclusive end of what is done.
    pub offset: i64,
    /// Bytes that are not UTF-8 come as replacement characters: they were not written by us.
    pub metadata: String,
    /// Of the leader that wrote what is before the offset (KIP-320), where its committer said it.
    pub leader_epoch: Option<i32>,
}
