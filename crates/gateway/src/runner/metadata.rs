//! What stands beside a commit, between the core's words and the bytes that Kafka keeps.
//!
//! What can't be read, or was said of another topic of the same name or of another offset, is not
//! believed: its records are delivered again. Only the tenure counts in any case, for it has to grow.

use forebay_core::{
    CommitPoint, CommitState, Completion, Offset, ParkPlace, ParkedKey, ParkedLast, Past, Rewinds,
    Tenure,
};
use forebay_kafka::Stored;
use forebay_wire::commit_metadata::{self, CommitMetadata, Failed, Unreadable};
use forebay_wire::{completion, parallel_consumer};

use crate::snapshot::Hold;

/// Of a row that only names its key.
const NOWHERE: i32 = -1;
/// Less is never tried: tenure and topic id need as much.
pub(super) const LIMIT_MIN: usize = 256;

/// What was found beside a stored offset.
pub(super) struct Found {
    pub(super) state: Option<CommitState>,
    /// The topic that its parked keys are in, where that was written.
    pub(super) parked_in: Option<String>,
    /// Why some of it does not count, where somebody ought to know.
    pub(super) doubt: Option<String>,
}

/// The log that a commit is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Of<'a> {
    /// None where the broker has no topic ids.
    pub(super) topic_id: Option<&'a str>,
    /// Of the leader that wrote what is before the commit point, where that is known.
    pub(super) leader_epoch: Option<i32>,
    pub(super) park_topic: Option<&'a str>,
}

impl Found {
    /// Why the partition can't be read on: keys of it are in another topic than the one that this
    /// subscription parks in, so that their later records would overtake what is there, and nobody
    /// would read that.
    pub(super) fn left_behind(&self, park_topic: Option<&str>, commit_point: i64) -> Option<Hold> {
        let keys = self.state.as_ref().map_or(0, |state| state.parked.len());
        let is_ours = match (&self.parked_in, park_topic) {
            (Some(theirs), ours) => ours == Some(theirs),
            // Who did not write it had no other.
            (None, ours) => ours.is_some(),
        };
        (keys > 0 && !is_ours).then(|| Hold::ParkedElsewhere {
            keys,
            topic: self.parked_in.clone(),
            commit_point,
        })
    }
}

/// Reads what is stored for a partition of a topic with this id.
pub(super) fn read(stored: &Stored, topic_id: Option<&str>) -> Found {
    let found = |state, doubt| Found { state, parked_in: None, doubt };
    let metadata = match CommitMetadata::decode(&stored.metadata) {
        Ok(metadata) => metadata,
        Err(Unreadable::Foreign) => return found(foreign(stored), None),
        Err(error) => return found(None, Some(error.to_string())),
    };
    let quiet = metadata.quiet;
    let mut state = CommitState { quiet, ..CommitState::unknown(Tenure(metadata.tenure)) };
    let of_another = metadata.topic_id.as_deref().zip(topic_id).filter(|(then, now)| then != now);
    if let Some((then, now)) = of_another {
        let doubt = format!("it was committed for topic id {then}, and the topic's id is {now}");
        return found(Some(state), Some(doubt));
    }
    let found = |state, doubt| Found { state, parked_in: metadata.parked_in, doubt };
    state.parked = metadata.parked.iter().map(key_of).collect();
    let commit_metadata::Rewinds { count, until } = metadata.rewinds;
    state.rewinds = Rewinds { count, until: CommitPoint(until) };
    if metadata.base.is_some_and(|base| base != stored.offset) {
        let doubt = "what is settled beyond it was said of another offset".to_owned();
        return found(Some(state), Some(doubt));
    }
    state.completion = completion_of(metadata.completion);
    state.pasts = metadata.failed.iter().map(past_of).collect();
    found(Some(state), None)
}

/// A group that was Parallel Consumer's knows what it had done beyond its commit point.
fn foreign(stored: &Stored) -> Option<CommitState> {
    parallel_consumer::decode(&stored.metadata, stored.offset).map(|map| CommitState {
        completion: completion_of(map),
        ..CommitState::unknown(Tenure(i64::MIN))
    })
}

/// The metadata of a commit, in at most `limit` bytes if it can be.
pub(super) fn write(point: CommitPoint, state: &CommitState, of: Of<'_>, limit: usize) -> String {
    let Completion { open, end } = &state.completion;
    let Rewinds { count, until } = state.rewinds;
    let metadata = CommitMetadata {
        tenure: state.tenure.0,
        base: Some(point.0),
        topic_id: of.topic_id.map(str::to_owned),
        leader_epoch: of.leader_epoch,
        quiet: state.quiet,
        rewinds: commit_metadata::Rewinds { count, until: until.0 },
        parked_in: of.park_topic.map(str::to_owned),
        parked: state.parked.iter().map(row_of).collect(),
        completion: completion::Completion { open: open.clone(), end: *end },
        failed: state.pasts.iter().map(failed_of).collect(),
    };
    metadata.encode(limit)
}

fn completion_of(map: completion::Completion) -> Completion {
    Completion { open: map.open, end: map.end }
}

fn past_of(failed: &Failed) -> (Offset, Past) {
    let past = Past { charged: failed.charged, deliveries: failed.deliveries };
    (Offset(failed.offset), past)
}

fn failed_of((offset, past): &(Offset, Past)) -> Failed {
    Failed { offset: offset.0, deliveries: past.deliveries, charged: past.charged }
}

fn key_of(row: &commit_metadata::ParkedKey) -> ParkedKey {
    let (partition, offset) = (row.partition, row.offset);
    let last = match partition {
        NOWHERE => ParkedLast::Named(Offset(offset)),
        _ => ParkedLast::At(ParkPlace { partition, offset }),
    };
    ParkedKey { key: row.hash, last }
}

fn row_of(key: &ParkedKey) -> commit_metadata::ParkedKey {
    let (partition, offset) = match key.last {
        ParkedLast::Named(offset) => (NOWHERE, offset.0),
        ParkedLast::At(place) => (place.partition, place.offset),
    };
    commit_metadata::ParkedKey { hash: key.key, partition, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: CommitPoint = CommitPoint(100);
    const OF: Of<'_> =
        Of { topic_id: Some("one"), leader_epoch: Some(5), park_topic: Some("a.park") };

    fn state() -> CommitState {
        let place = ParkPlace { partition: 3, offset: 9 };
        CommitState {
            tenure: Tenure(7),
            quiet: false,
            completion: Completion { open: vec![100..101, 103..104], end: 106 },
            pasts: vec![(Offset(100), Past { charged: 1, deliveries: 4 })],
            parked: vec![
                ParkedKey { key: 1, last: ParkedLast::Named(Offset(105)) },
                ParkedKey { key: u64::MAX, last: ParkedLast::At(place) },
            ],
            rewinds: Rewinds { count: 2, until: CommitPoint(106) },
        }
    }

    fn stored(offset: i64) -> Stored {
        foreign(offset, &write(POINT, &state(), OF, 4_096))
    }

    fn foreign(offset: i64, metadata: &str) -> Stored {
        Stored { offset, metadata: metadata.to_owned(), leader_epoch: None }
    }

    #[test]
    fn what_was_written_is_read() {
        let found = read(&stored(100), Some("one"));
        assert_eq!((found.state, found.doubt), (Some(state()), None));
        assert_eq!(read(&stored(100), None).state, Some(state()), "the broker has no topic ids");
    }

    #[test]
    fn of_another_topic_nothing_counts_but_the_tenure() {
        let found = read(&stored(100), Some("two"));
        let tenure = CommitState { quiet: false, ..CommitState::unknown(Tenure(7)) };
        assert_eq!(found.state, Some(tenure));
        assert!(found.doubt.is_some_and(|doubt| doubt.contains("one") && doubt.contains("two")));
    }

    #[test]
    fn of_another_offset_nothing_is_known_to_be_settled() {
        let found = read(&stored(99), Some("one"));
        let unknown = CommitState::unknown(Tenure(7));
        let (parked, rewinds) = (state().parked, state().rewinds);
        let kept = CommitState { parked, rewinds, quiet: false, ..unknown };
        assert_eq!(found.state, Some(kept));
        assert!(found.doubt.is_some());
    }

    #[test]
    fn keys_that_are_parked_elsewhere_hold_their_partition() {
        let found = read(&stored(100), Some("one"));
        assert_eq!(found.left_behind(Some("a.park"), 100), None);
        let held =
            Hold::ParkedElsewhere { keys: 2, topic: Some("a.park".to_owned()), commit_point: 100 };
        assert_eq!(found.left_behind(Some("b.park"), 100), Some(held.clone()));
        assert_eq!(found.left_behind(None, 100), Some(held));
        assert!(
            read(&stored(99), Some("one")).left_behind(None, 100).is_some(),
            "keys count there, too"
        );

        let unnamed = Found { parked_in: None, ..found };
        assert_eq!(unnamed.left_behind(Some("b.park"), 100), None);
        let held = Hold::ParkedElsewhere { keys: 2, topic: None, commit_point: 100 };
        assert_eq!(unnamed.left_behind(None, 100), Some(held));

        let state = CommitState { parked: Vec::new(), ..state() };
        let none = write(POINT, &state, OF, 4_096);
        assert_eq!(read(&foreign(100, &none), Some("one")).left_behind(None, 100), None);
    }

    #[test]
    fn a_damaged_string_is_doubted_and_a_foreign_one_is_not() {
        let found = read(&foreign(100, "fb3;t=5"), None);
        assert!(found.state.is_none() && found.doubt.is_some());
        for metadata in ["", "written by somebody"] {
            let found = read(&foreign(100, metadata), None);
            assert!(found.state.is_none() && found.doubt.is_none());
        }
    }

    #[test]
    fn what_parallel_consumer_had_completed_is_known() {
        let found = read(&foreign(100, "bAAGNgA="), Some("one"));
        assert_eq!(found.state.unwrap().completion, state().completion);
    }

    #[test]
    fn a_small_limit_is_kept() {
        let mut large = state();
        large.completion.open = (100..50_000).step_by(2).map(|at| at..at + 1).collect();
        large.completion.end = 50_000;
        let text = write(POINT, &large, OF, LIMIT_MIN);
        assert!(text.len() <= LIMIT_MIN, "{text}");
        assert!(CommitMetadata::decode(&text).is_ok());
    }
}
