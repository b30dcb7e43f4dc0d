//! The vocabulary of a record's place and of one delivery of it.

use core::fmt;

/// Position of a record in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl Offset {
    /// The commit point that counts this record, and all before it, as done.
    pub const fn done(self) -> CommitPoint {
        CommitPoint(self.0 + 1)
    }
}

/// Exclusive end of what is done: the offset from which a new owner would read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitPoint(pub i64);

/// A partition that this subscription was assigned; the shell keeps the topic's name beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// A record as the intake hands it over. `P` is whatever the shell needs to deliver it.
#[derive(Clone, Debug)]
pub struct Record<P> {
    pub offset: Offset,
    /// A hash of the key, the same in every process of a tenure; `None` where there is no key.
    pub key: Option<u64>,
    /// What the record costs while it is held.
    pub bytes: usize,
    /// What the record has been through before it came from the park topic; nothing for others.
    pub past: Past,
    pub payload: P,
}

/// A record's story before this tenure, as far as it goes on counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Failures charged to it.
    pub charged: u32,
    pub deliveries: u32,
}

impl Past {
    /// The longer of two stories of the same record.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        let charged = self.charged.max(other.charged);
        Self { charged, deliveries: self.deliveries.max(other.deliveries) }
    }
}

/// Our term of office over a partition. It grows each time a process takes the partition, and
/// fences late answers and former owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenure(pub i64);

/// One address of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u32);

/// Names one delivery for ever, so that a late or doubled answer to it can be told apart (P5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub partition: PartitionId,
    pub tenure: Tenure,
    pub offset: Offset,
    /// One more than the record's past deliveries for the first of this tenure; it also counts what
    /// was not charged.
    pub number: u32,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "partition {} offset {} delivery {} of tenure {}",
            self.partition.0, self.offset.0, self.number, self.tenure.0
        )
    }
}
