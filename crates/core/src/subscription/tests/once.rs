//! Where records are committed before they are settled.

use super::*;

/// At most once: two records of a key, committed and not sent yet.
fn committed() -> Subscription<i64> {
    let mut it = with(Rules { guarantee: Guarantee::AtMostOnce, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(1));
    assert!(wants(&mut it, at(1)).is_empty(), "nothing is sent before it is committed");
    let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) =
        wants(&mut it, at(100)).pop()
    else {
        panic!()
    };
    assert_eq!(point, CommitPoint(2));
    it.handle(Input::Committed { partition: P0, tenure, point }, at(101));
    it
}

#[test]
fn at_most_once_commits_before_it_delivers_and_never_again() {
    let mut it = committed();
    let sent = deliver(&mut it, at(101)).unwrap();
    answer(&mut it, &sent, Verdict::Retry { said: true, after: None }, at(102));
    assert_eq!(deliver(&mut it, at(102)).unwrap().payload, 1);
    assert_eq!(it.view().counts.abandoned, 1);
}

#[test]
fn at_most_once_an_answer_is_the_only_chance_unless_it_asks_for_less() {
    let refuses = Verdict::BackPressure { after: Some(Duration::ZERO) };
    let gone = Verdict::TargetFault(TargetFault::Connect);
    let status = Verdict::TargetFault(TargetFault::Status);
    for (verdict, lost) in [(refuses, 0), (gone, 0), (status, 1)] {
        let mut it = committed();
        let sent = deliver(&mut it, at(101)).unwrap();
        answer(&mut it, &sent, verdict, at(102));
        assert_eq!(it.view().counts.abandoned, lost, "{verdict:?}");
        let next = deliver(&mut it, at(3_000)).unwrap();
        assert_eq!(next.payload as u64, lost, "{verdict:?}");
    }
}

#[test]
fn automatic_commits_do_not_ask_what_was_answered() {
    let mut it = with(Rules { guarantee: Guarantee::Automatic, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(1));
    assert!(deliver(&mut it, at(1)).is_some());
    let commits = wants(&mut it, at(100));
    assert!(matches!(commits[..], [Output::Commit { point: CommitPoint(2), .. }]), "{commits:?}");
}

#[test]
fn at_most_once_delivers_what_is_committed_though_more_was_fetched_since() {
    let mut it = with(Rules { guarantee: Guarantee::AtMostOnce, ..rules() });
    fetch(&mut it, &[(0, Some(1))], at(1));
    let outputs: Vec<_> = core::iter::from_fn(|| it.poll(at(100))).collect();
    let [Output::Commit { point, state: CommitState { tenure, .. }, .. }, Output::Fetch { .. }] =
        outputs[..]
    else {
        panic!("{outputs:?}")
    };
    let record =
        Record { offset: Offset(1), key: Some(2), bytes: 10, past: Past::default(), payload: 1 };
    it.handle(Input::Fetched { partition: P0, tenure, records: vec![record] }, at(101));
    it.handle(Input::Committed { partition: P0, tenure, point }, at(102));
    let sent = deliver(&mut it, at(102)).unwrap();
    assert_eq!(sent.payload, 0);
    assert!(deliver(&mut it, at(102)).is_none(), "offset 1 is not committed");
}

#[test]
fn at_most_once_a_key_waits_while_the_service_may_be_at_work() {
    let mut it = committed();
    let sent = deliver(&mut it, at(101)).unwrap();
    answer(&mut it, &sent, LOST, at(102));
    assert!(deliver(&mut it, at(31_100)).is_none());
    assert_eq!(deliver(&mut it, at(31_101)).unwrap().payload, 1);
    assert_eq!(it.view().counts.abandoned, 1);
}

#[test]
fn at_most_once_what_is_committed_and_unsent_at_the_end_of_the_drain_is_told() {
    let mut it = with(Rules { guarantee: Guarantee::AtMostOnce, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1)), (2, Some(1))], at(1));
    let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) =
        wants(&mut it, at(100)).pop()
    else {
        panic!()
    };
    it.handle(Input::Committed { partition: P0, tenure, point }, at(101));
    let sent = deliver(&mut it, at(101)).unwrap();
    assert_eq!(sent.payload, 0, "the service has heard of this one");
    assert_eq!(it.unsent(P0), 2, "so many are lost with a lost session");
    it.handle(Input::Revoked { partition: P0 }, at(102));
    assert!(it.poll(at(10_101)).is_none(), "the answer is awaited");
    let released = it.poll(at(10_102));
    assert!(
        matches!(released, Some(Output::Released { partition: P0, unsent: 2 })),
        "{released:?}"
    );
    assert_eq!(it.unsent(P0), 0);
}
