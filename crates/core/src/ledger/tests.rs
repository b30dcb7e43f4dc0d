use alloc::collections::BTreeSet;
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

proptest! {
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
