//! What is stored beside a commit point, and taken over by the partition's next owner.

use alloc::vec::Vec;

use crate::completion::Completion;
use crate::park::ParkedKey;
use crate::record::{CommitPoint, Offset, Past, Tenure};

/// Records whose story is stored beside a commit point, at most.
pub const PASTS_MAX: usize = 32;

/// What is known beside the commit point itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitState {
    /// Whose commit it is.
    pub tenure: Tenure,
    /// Nothing of this tenure, nor of those before it, is at work any more.
    pub quiet: bool,
    /// What is settled beyond the commit point.
    pub completion: Completion,
    /// Records that failed and are open, by rising offsets; at most [`PASTS_MAX`].
    pub pasts: Vec<(Offset, Past)>,
    /// Keys whose records go to the park topic.
    pub parked: Vec<ParkedKey>,
    pub rewinds: Rewinds,
}

/// How often operators had the partition read again. What the count says of a record tells its
/// deliveries from those of earlier readings, so it never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewinds {
    pub count: u32,
    /// End of what had been read before any of them.
    pub until: CommitPoint,
}

impl Rewinds {
    /// Which reading again of the record it is; 0 is the first reading.
    pub fn replay_of(self, offset: Offset) -> u32 {
        if offset.0 < self.until.0 { self.count } else { 0 }
    }

    /// Once it is read from `to`, when it had been read up to `from`. Reading on, or over what was
    /// never read, is no rewind.
    #[must_use]
    pub fn sought(self, from: CommitPoint, to: CommitPoint) -> Self {
        if to >= from {
            return self;
        }
        Self { count: self.count.saturating_add(1), until: self.until.max(from) }
    }
}

impl CommitState {
    /// What a commit says that was made by nobody of us: no more than where to begin, and there is
    /// nobody to wait for.
    pub fn unknown(tenure: Tenure) -> Self {
        let completion = Completion::default();
        Self {
            tenure,
            quiet: true,
            completion,
            pasts: Vec::new(),
            parked: Vec::new(),
            rewinds: Rewinds::default(),
        }
    }
}
