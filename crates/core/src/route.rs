//! Which revision of the target a record goes to.
//!
//! A subscription has one revision now, and every key goes to it; the machine keeps the question
//! in one place, and the answer travels with each delivery.

/// A deployable version of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionId(pub u32);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    only: RevisionId,
}

impl Route {
    pub(crate) const fn single(only: RevisionId) -> Self {
        Self { only }
    }

    pub(crate) const fn revision(self) -> RevisionId {
        self.only
    }
}
