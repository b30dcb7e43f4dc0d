//! What commits say of a repetition: an offset that a former owner committed as done is done.

use std::collections::{BTreeSet, HashMap};

use crate::delivery::Arrival;

/// A committed offset, as Kafka keeps it. Those of one partition stand in Kafka's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub topic: String,
    pub partition: i32,
    /// Of the owner that committed it.
    pub tenure: i64,
    /// Exclusive end of what is done.
    pub offset: i64,
    /// What is done at or beyond `offset`.
    pub beyond: BTreeSet<i64>,
}

pub(super) struct Covered<'a>(HashMap<(&'a str, i32), Vec<&'a Committed>>);

impl<'a> Covered<'a> {
    pub(super) fn new(commits: &'a [Committed]) -> Self {
        let mut of: HashMap<_, Vec<_>> = HashMap::new();
        for commit in commits {
            of.entry((commit.topic.as_str(), commit.partition)).or_default().push(commit);
        }
        Self(of)
    }

    /// Whether a later tenure found this delivery's record not done when it began: by the last
    /// commit before its own first one.
    pub(super) fn lets_repeat(&self, what: &Arrival, tenure: i64) -> bool {
        let commits = self.0.get(&(what.topic.as_str(), what.partition));
        let before = commits.into_iter().flatten().take_while(|commit| commit.tenure < tenure);
        let done = before
            .last()
            .is_some_and(|last| what.offset < last.offset || last.beyond.contains(&what.offset));
        what.tenure < tenure && !done
    }
}
