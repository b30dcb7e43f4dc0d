//! What a subscription is told: all that can happen to it.
//!
//! What it makes of an input is in the files of its machines. What an operator wants comes as a
//! [`Command`](super::Command) instead, which may be refused.

use alloc::vec::Vec;

use crate::commit::CommitState;
use crate::park::ParkPlace;
use crate::record::{CommitPoint, DeliveryId, EndpointId, Offset, PartitionId, Record, Tenure};
use crate::rules::Rules;
use crate::time::Instant;
use crate::verdict::{Answer, TargetFault};

#[cfg(doc)]
use super::{Output, Subscription};

/// All that can happen to a subscription.
#[derive(Clone, Debug)]
pub enum Input<P> {
    /// The group gave us a partition. `start` is its stored commit point, or where the start
    /// policy begins; `end` the end of its log; `stored` what was found beside the commit point;
    /// `wall_ms` the time since 1970. `parks`: whether its keys may be parked.
    Assigned {
        partition: PartitionId,
        start: CommitPoint,
        end: CommitPoint,
        stored: Option<CommitState>,
        parks: bool,
        wall_ms: i64,
    },
    /// Answers [`Output::Fetch`]: at least one record, in rising order.
    Fetched { partition: PartitionId, tenure: Tenure, records: Vec<Record<P>> },
    /// Answers [`Output::Deliver`].
    Answered { id: DeliveryId, answer: Answer },
    /// Answers [`Output::Commit`]: Kafka has it.
    Committed { partition: PartitionId, tenure: Tenure, point: CommitPoint },
    /// Answers [`Output::Commit`]: Kafka does not have it, or it can't be known.
    CommitFailed { partition: PartitionId, tenure: Tenure },
    /// The group wants the partition back; [`Output::Released`] will follow.
    Revoked { partition: PartitionId },
    /// The partition is another's already: nothing may be committed.
    Lost { partition: PartitionId },
    /// Answers [`Output::DeadLetter`]: Kafka acknowledged it, or did not, or it can't be known.
    DeadLettered { partition: PartitionId, tenure: Tenure, offset: Offset, written: bool },
    /// Answers [`Output::Park`]: where Kafka has it; none where it has not, or it can't be known.
    Parked { partition: PartitionId, tenure: Tenure, offset: Offset, at: Option<ParkPlace> },
    /// The group's commit point in a partition of the park topic, and the end of the log there,
    /// when they were asked for: to be told now and then while [`Subscription::parked_in`] names
    /// the partition.
    ParkCommitted { partition: i32, asked: Instant, point: CommitPoint, end: CommitPoint },
    /// A partition of the park topic is gone, or is another topic's of that name: nobody has what it
    /// held.
    ParkGone { partition: i32 },
    /// Answers [`Output::Check`]: what is wrong with the endpoint, as far as connecting tells.
    Checked { endpoint: EndpointId, asked: Instant, fault: Option<TargetFault> },
    /// The endpoints of the target, all of them.
    Endpoints(Vec<EndpointId>),
    /// The owner's rules have changed. Order and guarantee can't; the rest holds from now on.
    Rules(Rules),
}
