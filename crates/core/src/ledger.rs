//! Which offsets of a partition are settled, and where its commit point stands.
//!
//! Offsets enter in rising order with gaps (compaction and control records leave them), settle in
//! any order, and leave from the front. The commit point is the exclusive end of the settled
//! prefix: it never passes an unsettled record (P2). Every unsettled offset carries a ticket of
//! the caller's, so finding a record by its offset needs no second index.

use alloc::collections::VecDeque;

use crate::record::{CommitPoint, Offset};

#[derive(Debug)]
pub(crate) struct Ledger<T> {
    /// From the first unsettled offset on; `None` is settled.
    entries: VecDeque<(Offset, Option<T>)>,
    commit_point: CommitPoint,
    /// The next offset may not be below this.
    end: CommitPoint,
}

impl<T> Ledger<T> {
    pub(crate) fn new(start: CommitPoint) -> Self {
        Self { entries: VecDeque::new(), commit_point: start, end: start }
    }

    pub(crate) fn commit_point(&self) -> CommitPoint {
        self.commit_point
    }

    /// Where the next record may begin.
    pub(crate) fn end(&self) -> CommitPoint {
        self.end
    }

    /// Offsets at or beyond the commit point, settled or not.
    pub(crate) fn window(&self) -> usize {
        self.entries.len()
    }

    /// Enters a record.
    ///
    /// # Panics
    /// Where the offset does not rise: the intake hands over each record once, in order.
    pub(crate) fn track(&mut self, offset: Offset, ticket: T) {
        assert!(offset.0 >= self.end.0, "offset {} comes after {}", offset.0, self.end.0);
        self.entries.push_back((offset, Some(ticket)));
        self.end = offset.done();
    }

    /// The ticket of an unsettled record.
    pub(crate) fn ticket(&self, offset: Offset) -> Option<&T> {
        self.entries[self.find(offset)?].1.as_ref()
    }

    /// Settles a record and moves the commit point over what is settled now.
    /// `None` where the record is settled already or was never entered.
    pub(crate) fn settle(&mut self, offset: Offset) -> Option<T> {
        let index = self.find(offset)?;
        let ticket = self.entries[index].1.take()?;
        while let Some((offset, None)) = self.entries.front() {
            self.commit_point = offset.done();
            self.entries.pop_front();
        }
        if let Some((offset, _)) = self.entries.front() {
            // What lies between is a gap, and a gap has nothing to settle.
            if index == 0 {
                self.commit_point = CommitPoint(offset.0);
            }
        }
        Some(ticket)
    }

    /// Past the newest settled record, over whatever is not settled before it: a fault to plant.
    pub(crate) fn newest_settled(&self) -> Option<CommitPoint> {
        let settled = self.entries.iter().rev().find(|entry| entry.1.is_none())?;
        Some(settled.0.done())
    }

    /// The oldest unsettled record.
    pub(crate) fn oldest(&self) -> Option<(Offset, &T)> {
        let (offset, ticket) = self.entries.front()?;
        Some((*offset, ticket.as_ref().expect("the front is unsettled")))
    }

    /// The tickets of all unsettled records, oldest first.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = (Offset, &T)> {
        self.entries.iter().filter_map(|(offset, ticket)| Some((*offset, ticket.as_ref()?)))
    }

    /// Offsets are mostly dense, so the distance from the front is nearly always the index.
    fn find(&self, offset: Offset) -> Option<usize> {
        let first = self.entries.front()?.0;
        let guess = usize::try_from(offset.0.checked_sub(first.0)?).ok()?;
        if self.entries.get(guess).is_some_and(|entry| entry.0 == offset) {
            return Some(guess);
        }
        self.entries.binary_search_by_key(&offset, |entry| entry.0).ok()
    }
}

#[cfg(test)]
mod tests;
