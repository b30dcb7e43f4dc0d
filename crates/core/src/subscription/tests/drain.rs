//! How a partition ends: what is out is awaited, what is settled is committed, then silence (P11).

use super::*;

#[test]
fn a_revoked_partition_drains_commits_and_falls_silent() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    it.handle(Input::Revoked { partition: P0 }, at(10));
    assert!(it.poll(at(10)).is_none(), "the answer is awaited");
    answer(&mut it, &sent, Verdict::Accept, at(20));
    let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) = it.poll(at(20))
    else {
        panic!()
    };
    assert_eq!(point, CommitPoint(1));
    assert!(it.poll(at(20)).is_none(), "the commit is awaited");
    it.handle(Input::Committed { partition: P0, tenure, point }, at(21));
    assert!(matches!(it.poll(at(21)), Some(Output::Released { partition: P0, unsent: 0 })));
    assert!(it.poll(at(60_000)).is_none());
    assert_eq!(it.next_wakeup(at(60_000)), None);
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    it.handle(Input::Revoked { partition: P0 }, at(0));
    assert!(it.poll(at(9_999)).is_none());
    assert_eq!(it.next_wakeup(at(9_999)), Some(at(10_000)));
    assert!(matches!(it.poll(at(10_000)), Some(Output::Released { partition: P0, unsent: 0 })));
    answer(&mut it, &sent, Verdict::Accept, at(10_001));
    assert_eq!(it.view().counts.late, 1);
}

#[test]
fn a_drain_that_waits_for_a_commit_is_not_looked_at_before() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &sent, Verdict::Accept, at(1));
    assert!(matches!(wants(&mut it, at(100))[..], [Output::Commit { .. }]));
    it.handle(Input::Revoked { partition: P0 }, at(200));
    assert!(it.poll(at(200)).is_none());
    assert_eq!(it.next_wakeup(at(200)), Some(at(12_200)), "when the last commit is given up");
}

#[test]
fn a_commit_that_a_revocation_hurries_leaves_no_wakeup_behind() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(0));
    let (one, two) = (deliver(&mut it, at(0)).unwrap(), deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &one, Verdict::Accept, at(1));
    assert!(wants(&mut it, at(1)).is_empty());
    assert_eq!(it.next_wakeup(at(1)), Some(at(100)), "the commit is due");
    it.handle(Input::Revoked { partition: P0 }, at(2));
    assert!(matches!(wants(&mut it, at(2))[..], [Output::Commit { .. }]));
    assert_eq!(it.next_wakeup(at(2)), Some(at(12_002)));
    assert_eq!(two.payload, 1);
}
