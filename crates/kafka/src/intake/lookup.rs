//! Finds where partitions start.
pub(super) struct Answer;
