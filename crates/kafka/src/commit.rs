//! Commits of a group member: at most one request is out at a time.
//!
//! librdkafka retries a commit behind later ones, so two requests in flight could put a commit
//! point back (P8). Here a newer commit of a partition replaces one that has not been sent, and
//! waits while another is out. A partition that is no longer ours is never sent: the broker would
//! accept it from any live member.

use std::collections::BTreeMap;

use crate::record::TopicPartition;

/// A commit point (exclusive) with the metadata to keep beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub partition: TopicPartition,
    pub offset: i64,
    /// At most `offset.metadata.max.bytes` of the broker (4 KiB by default).
    pub metadata: String,
}

/// What waits to be sent, and what is out.
#[derive(Debug, Default)]
pub(crate) struct CommitLine {
    waiting: BTreeMap<TopicPartition, (i64, String)>,
    out: Vec<TopicPartition>,
}

impl CommitLine {
    pub(crate) fn push(&mut self, commit: Commit) {
        self.waiting.insert(commit.partition, (commit.offset, commit.metadata));
    }

    /// The next request, unless one is out. The caller answers it with [`Self::answered`].
    pub(crate) fn next(&mut self) -> Option<Vec<Commit>> {
        if !self.out.is_empty() || self.waiting.is_empty() {
            return None;
        }
        let request: Vec<Commit> = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(partition, (offset, metadata))| Commit { partition, offset, metadata })
            .collect();
        self.out = request.iter().map(|commit| commit.partition.clone()).collect();
        Some(request)
    }

    pub(crate) fn answered(&mut self) {
        self.out.clear();
    }

    /// Whether a commit of this partition waits or is out.
    pub(crate) fn concerns(&self, partition: &TopicPartition) -> bool {
        self.waiting.contains_key(partition) || self.out.contains(partition)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.out.is_empty()
    }

    /// Takes back what was not sent for a partition that is no longer ours.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) -> Option<i64> {
        self.waiting.remove(partition).map(|(offset, _)| offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(partition: i32, offset: i64) -> Commit {
        Commit { partition: TopicPartition::new("t", partition), offset, metadata: String::new() }
    }

    #[test]
    fn only_the_newest_commit_of_a_partition_is_sent() {
        let mut line = CommitLine::default();
        line.push(commit(0, 5));
        line.push(commit(0, 9));
        line.push(commit(1, 3));
        assert_eq!(line.next(), Some(vec![commit(0, 9), commit(1, 3)]));
    }

    #[test]
    fn a_commit_waits_while_another_is_out() {
        let mut line = CommitLine::default();
        line.push(commit(0, 5));
        assert!(line.next().is_some());
        line.push(commit(0, 6));
        assert_eq!(line.next(), None);
        line.answered();
        assert_eq!(line.next(), Some(vec![commit(0, 6)]));
    }

    #[test]
    fn what_was_not_sent_can_be_taken_back() {
        let mut line = CommitLine::default();
        line.push(commit(0, 5));
        assert!(line.concerns(&TopicPartition::new("t", 0)));
        assert_eq!(line.forget(&TopicPartition::new("t", 0)), Some(5));
        assert!(line.is_idle());
        assert_eq!(line.next(), None);
    }
}
