use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn ledger(offsets: &[i64]) -> Ledger<i64> {
    let mut ledger = Ledger::new(CommitPoint(offsets.first().copied().unwrap_or(0)));
    for &offset in offsets {
        ledger.track(Offset(offset), offset);
    }
    ledger
}

/// Settles in the given order and says where the commit point stands after each.
fn check(offsets: &[i64], settled: &[i64], points: &[i64]) {
    let mut ledger = ledger(offsets);
    for (&offset, &point) in settled.iter().zip(points) {
        assert_eq!(ledger.settle(Offset(offset)), Some(offset));
        assert_eq!(ledger.commit_point(), CommitPoint(point), "after {offset} settled");
    }
}

#[test]
fn the_commit_point_moves_over_the_settled_prefix() {
    check(&[5, 6, 7], &[5, 6, 7], &[6, 7, 8]);
    check(&[5, 6, 7], &[7, 6, 5], &[5, 5, 8]);
    check(&[5, 6, 7], &[6, 5, 7], &[5, 7, 8]);
}

#[test]
fn gaps_are_passed_but_not_counted_beyond_the_last_record() {
    check(&[5, 9, 20], &[5, 9, 20], &[9, 20, 21]);
    check(&[5, 9, 20], &[20, 9, 5], &[5, 5, 21]);
}

#[test]
fn a_record_settles_once() {
    let mut ledger = ledger(&[1, 2, 9]);
    assert_eq!(ledger.settle(Offset(2)), Some(2));
    assert_eq!(ledger.settle(Offset(2)), None);
    assert_eq!(ledger.settle(Offset(5)), None);
    assert_eq!(ledger.settle(Offset(0)), None);
    assert_eq!(ledger.settle(Offset(i64::MIN)), None);
    assert_eq!(ledger.settle(Offset(100)), None);
    assert_eq!(ledger.oldest(), Some((Offset(1), &1)));
}

#[test]
#[should_panic(expected = "comes after")]
fn an_offset_that_does_not_rise_is_a_bug_of_ours() {
    ledger(&[5, 5]);
}

#[test]
fn what_a_former_owner_had_settled_is_not_entered_again() {
    let completion = Completion { open: vec![5..6, 9..11], end: 20 };
    let mut ledger: Ledger<i64> = Ledger::inherit(CommitPoint(5), &completion);
    assert_eq!(ledger.completion(), completion);
    let settled = |ledger: &Ledger<i64>| (5..21).map(|at| ledger.is_settled(Offset(at))).collect();
    let before: Vec<bool> = settled(&ledger);
    assert_eq!(before.iter().filter(|settled| !**settled).count(), 4);
    ledger.track(Offset(5), 5);
    assert_eq!(ledger.settle(Offset(5)), Some(5));
    assert_eq!(ledger.commit_point(), CommitPoint(9), "though nothing was read up to there");
    ledger.pass(Offset(8));
    // 9 was removed from the log meanwhile.
    ledger.track(Offset(10), 10);
    assert_eq!(ledger.commit_point(), CommitPoint(10));
    assert_eq!(ledger.settle(Offset(10)), Some(10));
    assert_eq!(ledger.commit_point(), CommitPoint(20));
    ledger.track(Offset(20), 20);
    assert_eq!(ledger.oldest(), Some((Offset(20), &20)));
}

proptest! {
    /// A new owner knows what the last one did, reads it again, and settles the rest: at every
    /// step, and after every further change of owner, the map says what is true and no more.
    #[test]
    fn a_map_goes_through_owners(
        steps in prop::collection::vec(1..20_i64, 1..60),
        tenures in prop::collection::vec(
            (0..60_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..20)),
            1..6,
        ),
    ) {
        let offsets: Vec<i64> =
            steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
        let mut done = BTreeSet::new();
        let (mut point, mut completion) = (CommitPoint(0), Completion::default());
        for (reads, picks) in tenures {
            let mut ledger = Ledger::inherit(point, &completion);
            let read = offsets.iter().filter(|offset| **offset >= point.0).take(reads);
            let mut open = Vec::new();
            for &offset in read {
                prop_assert_eq!(ledger.is_settled(Offset(offset)), done.contains(&offset));
                match ledger.is_settled(Offset(offset)) {
                    true => ledger.pass(Offset(offset)),
                    false => {
                        ledger.track(Offset(offset), offset);
                        open.push(offset);
                    }
                }
            }
            let mut weight = ledger.weight();
            for pick in picks {
                let Some(offset) = (!open.is_empty()).then(|| open.remove(pick.index(open.len())))
                else { break };
                prop_assert!(ledger.settle(Offset(offset)).is_some());
                done.insert(offset);
                prop_assert!(ledger.weight() <= weight, "settling makes no map heavier");
                weight = ledger.weight();
                ledger.check();
                prop_assert!(ledger.completion().weight() <= weight);
            }
            (point, completion) = (ledger.commit_point(), ledger.completion());
            let first_open = offsets.iter().find(|offset| !done.contains(*offset));
            prop_assert!(first_open.is_none_or(|open| point.0 <= *open), "P2");
            for &offset in offsets.iter().filter(|offset| **offset >= point.0) {
                prop_assert_eq!(completion.is_settled(Offset(offset)), done.contains(&offset));
            }
        }
    }

    /// Against a model that keeps nothing but the two sets.
    #[test]
    fn it_agrees_with_a_plain_model(
        steps in prop::collection::vec(1..4_i64, 1..60),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let offsets: Vec<i64> =
            steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
        let mut ledger = ledger(&offsets);
        let mut open: BTreeSet<i64> = offsets.iter().copied().collect();
        for pick in picks {
            let offset = *pick.get(&offsets);
            prop_assert_eq!(ledger.settle(Offset(offset)).is_some(), open.remove(&offset));
            let point = open.first().copied().unwrap_or(offsets[offsets.len() - 1] + 1);
            prop_assert_eq!(ledger.commit_point(), CommitPoint(point));
            prop_assert_eq!(ledger.unsettled().count(), open.len());
        }
    }
}
