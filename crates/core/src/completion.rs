//! The completion map: what is settled beyond a commit point, and what it costs to keep.
//!
//! A map is a list of open ranges in rising order; whatever else lies between the commit point and
//! the map's end is settled, or does not exist. Its weight is an upper bound of the bytes that any
//! map needs into which the settling of more records can turn it: one for each block of eight
//! offsets with an open one, and what lies between two such blocks, but for long gaps, which cost
//! [`LINK`] however long they are. Settling never makes a map heavier, so a ledger that keeps its
//! weight below a bound while it takes records can store its map whenever it wants to.
//!
//! How a map is written down is the shell's; the weight is what it has to keep to.

use alloc::vec::Vec;
use core::ops::Range;

use crate::record::{CommitPoint, Offset};

/// Offsets in a block.
pub(crate) const BLOCK: i64 = 8;
/// Bytes that a stretch of open blocks costs beside its blocks: two numbers that say where it
/// begins and how long it is.
pub const LINK: usize = 8;

/// What is settled beyond a commit point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What is not settled, as ranges of offsets: rising, apart from each other, none empty.
    pub open: Vec<Range<i64>>,
    /// Nothing is said from here on. At or below the commit point where nothing is settled beyond.
    pub end: i64,
}

impl Completion {
    /// Whether the map says that a record at or beyond the commit point is settled.
    pub fn is_settled(&self, offset: Offset) -> bool {
        let next = self.open.partition_point(|range| range.end <= offset.0);
        offset.0 < self.end && self.open.get(next).is_none_or(|range| offset.0 < range.start)
    }

    /// What is left of it beyond another commit point.
    #[must_use]
    pub fn beyond(&self, point: CommitPoint) -> Self {
        let cut = |range: &Range<i64>| range.start.max(point.0)..range.end;
        let open = self.open.iter().map(cut).filter(|range| !range.is_empty()).collect();
        Self { open, end: self.end }
    }

    /// What a map of these open ranges weighs.
    pub fn weight(&self) -> usize {
        let mut weight = 0;
        let mut last: Option<i64> = None;
        for range in &self.open {
            let (first, until) = (range.start.div_euclid(BLOCK), (range.end - 1).div_euclid(BLOCK));
            let fresh = match last {
                Some(last) if last == first => first + 1,
                _ => first,
            };
            if fresh <= until {
                weight += link(last, fresh) + (until - fresh + 1) as usize;
                last = Some(until);
            }
        }
        weight
    }
}

/// What lies between two open blocks, or before the first.
pub(crate) fn link(before: Option<i64>, block: i64) -> usize {
    match before {
        Some(before) => usize::try_from(block - before - 1).map_or(LINK, |gap| gap.min(LINK)),
        None => LINK,
    }
}
