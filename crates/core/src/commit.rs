//! What is stored beside a commit point, and taken over by the partition's next owner.

use alloc::vec::Vec;

use crate::completion::Completion;
use crate::park::ParkedKey;
use crate::record::{Offset, Past, Tenure};

/// Records whose story is stored beside a commit point, at most.
pub const PASTS_MAX: usize = 32;

/// What is known beside the commit point itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitState {
    /// Whose commit it is.
    pub tenure: Tenure,
    /// What is settled beyond the commit point.
    pub completion: Completion,
    /// Records that failed and are open, by rising offsets; at most [`PASTS_MAX`].
    pub pasts: Vec<(Offset, Past)>,
    /// Keys whose records go to the park topic.
    pub parked: Vec<ParkedKey>,
}

impl CommitState {
    /// What a commit says that was made by nobody of us: no more than where to begin.
    pub fn unknown(tenure: Tenure) -> Self {
        let completion = Completion::default();
        Self { tenure, completion, pasts: Vec::new(), parked: Vec::new() }
    }
}
