//! Sentences of the delivery contract that no other script shows, one each.

use super::*;

/// A subscription with as many records, each of a key of its own, as others learn from.
fn among(count: i64, rules: Rules) -> Subscription<i64> {
    let mut it = with(Rules { records_max: 10_000, bytes_max: 1_000_000, ..rules });
    let records: Vec<_> = (0..count).map(|offset| (offset, Some(offset as u64))).collect();
    fetch(&mut it, &records, at(0));
    it
}

/// Answers record 0 so and accepts the others, looking every 100 ms, until it is given up.
fn given_up(
    it: &mut Subscription<i64>,
    verdict: Verdict,
    most: Duration,
) -> Option<(Instant, DeadLetter<i64>)> {
    for tenths in 0..most.as_millis() as u64 / 100 {
        let now = at(tenths * 100);
        for output in wants(it, now) {
            match output {
                Output::Deliver(sent) if sent.payload == 0 => answer(it, &sent, verdict, now),
                Output::Deliver(sent) => answer(it, &sent, Verdict::Accept, now),
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                Output::DeadLetter(letter) => return Some((now, letter)),
                other => panic!("{other:?}"),
            }
        }
    }
    None
}

#[test]
fn a_service_that_asks_for_time_is_left_alone_with_that_record_until_then() {
    let after = Some(Duration::from_secs(90));
    for verdict in [Verdict::BackPressure { after }, Verdict::Retry { said: true, after }] {
        let mut it = active();
        fetch(&mut it, &[(0, Some(1))], at(0));
        let sent = deliver(&mut it, at(0)).unwrap();
        answer(&mut it, &sent, verdict, at(1));
        assert!(deliver(&mut it, at(90_000)).is_none(), "{verdict:?}");
        assert!(deliver(&mut it, at(90_500)).is_some(), "{verdict:?}");
    }
}

#[test]
fn a_target_that_refuses_eight_in_a_row_is_probed() {
    let refused = Verdict::BackPressure { after: None };
    let mut it = among(30, rules());
    for verdict in [refused; 7].into_iter().chain([Verdict::Accept]).chain([refused; 7]) {
        let sent = deliver(&mut it, at(1)).unwrap();
        answer(&mut it, &sent, verdict, at(1));
        assert_eq!(it.view().hold.target, None);
    }
    let sent = deliver(&mut it, at(1)).unwrap();
    answer(&mut it, &sent, refused, at(1));
    assert_eq!(it.view().hold.target, Some((crate::hold::HoldTarget::Overloaded, at(1))));
    assert!(deliver(&mut it, at(1_000)).is_none());
    assert!(deliver(&mut it, at(1_001)).is_some());
    assert!(deliver(&mut it, at(1_002)).is_none());
}

#[test]
fn target_faults_are_charged_from_the_sixth_in_a_row_where_others_are_accepted() {
    let fault = Verdict::TargetFault(TargetFault::Status);
    let mut it = among(5_000, Rules { rate_max: Some(20), ..rules() });
    let (_, letter) = given_up(&mut it, fault, Duration::from_secs(200)).expect("it is poison");
    assert_eq!((letter.why, letter.charged), (Why::Exhausted, 3));
    assert!(letter.deliveries >= 5 + 3, "{letter:?}");
}

#[test]
fn five_target_faults_in_a_row_charge_nothing() {
    let fault = Verdict::TargetFault(TargetFault::Status);
    let mut it = among(5_000, Rules { rate_max: Some(20), attempts: 1, ..rules() });
    let (_, letter) = given_up(&mut it, fault, Duration::from_secs(200)).expect("it is poison");
    assert!(letter.deliveries >= 5 + 1, "{letter:?}");
}

#[test]
fn after_the_wait_every_failure_of_a_record_alone_is_charged() {
    let wait = Some(Duration::from_secs(60));
    let mut it = among(1, Rules { evidence_wait: wait, ..rules() });
    let retry = Verdict::Retry { said: false, after: None };
    let (when, letter) = given_up(&mut it, retry, Duration::from_secs(300)).expect("it waited");
    assert_eq!((letter.why, letter.charged), (Why::Exhausted, 3));
    assert!((at(60_000)..at(75_000)).contains(&when), "{when:?}");
}

#[test]
fn where_it_waits_for_ever_time_charges_nothing() {
    let mut it = among(1, Rules { evidence_wait: None, ..rules() });
    assert!(given_up(&mut it, REJECTED, Duration::from_secs(2_000)).is_none());
    assert_eq!(it.view().counts.settled, 0);
}

#[test]
fn what_is_dropped_counts_towards_the_budget() {
    let mut it = among(30, Rules { on_reject: GiveUp::Drop, ..rules() });
    for _ in 0..100 {
        for output in wants(&mut it, at(1)) {
            if let Output::Deliver(sent) = output {
                answer(&mut it, &sent, Verdict::Reject { said: true }, at(1));
            }
        }
    }
    assert_eq!(it.view().counts.dropped, 20);
    assert!(it.view().hold.overdrawn);
}
