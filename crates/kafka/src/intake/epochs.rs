//! Which leader wrote the records of a partition, by its epoch (KIP-320), as far as it takes to say
//! it of a commit point.
//!
//! A commit that says it lets the next owner's fetcher find out that the log below was cut off and
//! written anew. What is said must never be too low: an older leader's log ends below the point even
//! though nothing was cut off. So a point belongs to the last epoch that was seen at or below it: its
//! record's own, or, at the end of what was read, that of the record before it.

use std::collections::VecDeque;

/// Changes of leader that are remembered. A commit point further back says no epoch.
const CHANGES_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Epochs(VecDeque<(i64, Option<i32>)>);

impl Epochs {
    /// What is read from this offset on was written in this epoch; none where that is not known.
    pub(super) fn note(&mut self, offset: i64, epoch: Option<i32>) {
        while self.0.back().is_some_and(|(first, _)| *first >= offset) {
            self.0.pop_back();
        }
        if self.0.back().is_some_and(|(_, known)| *known == epoch) {
            return;
        }
        if self.0.len() == CHANGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((offset, epoch));
    }

    /// The epoch that a commit of this point may say.
    pub(super) fn of(&self, point: i64) -> Option<i32> {
        self.0.iter().rev().find(|(first, _)| *first <= point)?.1
    }

    /// Nothing is known where reading goes on somewhere else.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(all: &[(i64, i32)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (offset, epoch) in all {
            epochs.note(*offset, Some(*epoch));
        }
        epochs
    }

    #[test]
    fn a_point_has_the_epoch_of_its_own_record_or_of_the_last_one_before() {
        let epochs = seen(&[(100, 2), (101, 2), (150, 3)]);
        for (point, epoch) in [(99, None), (100, Some(2)), (102, Some(2)), (150, Some(3))] {
            assert_eq!(epochs.of(point), epoch, "{point}");
        }
        assert_eq!(epochs.of(1_000), Some(3), "the end of what was read");
    }

    #[test]
    fn what_is_read_again_under_another_leader_replaces_what_was_known() {
        let epochs = seen(&[(100, 2), (110, 3), (105, 4)]);
        assert_eq!((epochs.of(104), epochs.of(105), epochs.of(120)), (Some(2), Some(4), Some(4)));
        let mut stored = seen(&[(100, 2)]);
        stored.note(100, None);
        assert_eq!(stored.of(100), None, "a record whose epoch nobody knows");
    }

    #[test]
    fn changes_without_end_take_no_memory_without_end() {
        let all: Vec<(i64, i32)> = (0..1_000).map(|at| (at, at as i32)).collect();
        let epochs = seen(&all);
        assert_eq!(epochs.0.len(), CHANGES_MAX);
        assert_eq!((epochs.of(999), epochs.of(10)), (Some(999), None));
    }
}
