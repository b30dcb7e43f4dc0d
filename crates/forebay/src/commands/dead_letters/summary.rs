//! What came of working through letters.

use std::fmt;

use serde::Serialize;

use super::topic::Found;

/// What a command had nothing to do with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    /// Letters that were sent back or purged before.
    pub(super) closed: u64,
    /// Letters that the filters leave out.
    pub(super) not_picked: u64,
    pub(super) marks: u64,
    /// Records that are neither letters nor marks of ours.
    pub(super) others: u64,
}

impl LeftOut {
    pub(super) fn count(&mut self, found: &Found) {
        match found {
            Found::Letter(_) => {}
            Found::Mark => self.marks += 1,
            Found::Other => self.others += 1,
        }
    }
}

/// For the end of a sentence.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { closed, not_picked, marks: _, others } = self;
        let parts = [
            (*closed, "sent back or purged before"),
            (*not_picked, "not selected"),
            (*others, "no letters of Forebay's"),
        ];
        let mut before = "; left out: ";
        for (count, what) in parts {
            if count > 0 {
                write!(f, "{before}{count} {what}")?;
                before = ", ";
            }
        }
        Ok(())
    }
}

/// What became of the letters that were selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// Sent back and marked, or marked as purged.
    pub(super) done: u64,
    /// Kafka refused the record, or did not answer; the letter is open.
    pub(super) failed: u64,
    /// Left open because an earlier letter of the key failed.
    pub(super) behind: u64,
    /// Sent back, but not marked: the next run sends it back again.
    pub(super) unmarked: u64,
    /// Of the first letter that was not done.
    pub(super) error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_said_if_there_was_any() {
        assert_eq!(LeftOut { marks: 7, ..LeftOut::default() }.to_string(), "");
        let some = LeftOut { closed: 2, others: 1, ..LeftOut::default() };
        let told = "; left out: 2 sent back or purged before, 1 no letters of Forebay's";
        assert_eq!(some.to_string(), told);
    }
}
