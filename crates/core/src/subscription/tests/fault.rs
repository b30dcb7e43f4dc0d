//! Whose fault a failure is, and what is given up (P6, P12).

use super::*;

#[test]
fn a_target_that_is_gone_costs_no_attempt_and_is_probed_each_second() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(1));
    let refused = Verdict::TargetFault(TargetFault::Refused);
    let first = deliver(&mut it, at(1)).unwrap();
    answer(&mut it, &first, refused, at(1));
    for second in 1..60 {
        assert!(deliver(&mut it, at(second * 1_000)).is_none());
        assert_eq!(it.next_wakeup(at(second * 1_000)), Some(at(second * 1_000 + 1)));
        let probe = deliver(&mut it, at(second * 1_000 + 1)).unwrap();
        assert!(deliver(&mut it, at(second * 1_000 + 1)).is_none(), "one probe at a time");
        answer(&mut it, &probe, refused, at(second * 1_000 + 1));
    }
    assert_eq!(it.view().partitions[0].blocked.as_ref().map(|blocked| blocked.charged), Some(0));
}

#[test]
fn a_rejected_record_is_settled_when_kafka_has_its_dead_letter() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(1)), (2, Some(2)), (3, Some(2))], at(0));
    let (bad, good) = (deliver(&mut it, at(0)).unwrap(), deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &good, Verdict::Accept, at(1));
    answer(&mut it, &bad, REJECTED, at(2));
    let after = deliver(&mut it, at(2)).unwrap();
    assert_eq!(after.payload, 3, "nothing is known yet");
    answer(&mut it, &after, Verdict::Accept, at(3));
    let first = letter(&mut it, at(400)).expect("others were accepted since");
    assert_eq!((first.offset, first.why), (Offset(0), Why::Rejected));
    assert_eq!((first.charged, first.deliveries), (1, 1));
    written(&mut it, &first, false, at(500));
    assert!(wants(&mut it, at(500)).iter().all(|want| !matches!(want, Output::Deliver(_))));
    let again = letter(&mut it, at(5_000)).expect("it is written again");
    written(&mut it, &again, true, at(5_001));
    let next = wants(&mut it, at(5_001));
    let goes_on = |want: &Output<i64>| matches!(want, Output::Deliver(sent) if sent.payload == 1);
    assert!(next.iter().any(goes_on), "its key goes on: {next:?}");
}

#[test]
fn what_the_service_says_is_charged_at_once() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &sent, Verdict::Reject { said: true }, at(1));
    assert!(letter(&mut it, at(1)).is_some());
}

#[test]
fn a_record_that_fails_as_often_as_it_may_is_given_up() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    for attempt in 0..3 {
        let now = at(attempt * 60_000);
        let sent = deliver(&mut it, now).unwrap();
        answer(&mut it, &sent, Verdict::Retry { said: true, after: None }, now);
    }
    let letter = letter(&mut it, at(120_000)).expect("three attempts are all it has");
    assert_eq!((letter.why, letter.charged), (Why::Exhausted, 3));
}

#[test]
fn a_target_that_fails_everything_is_probed_and_nothing_is_given_up() {
    let mut it = active();
    let records: Vec<_> = (0..8).map(|offset| (offset, Some(offset as u64))).collect();
    fetch(&mut it, &records, at(0));
    let mut deliveries = 0;
    for millis in 0..60_000 {
        for output in wants(&mut it, at(millis)) {
            match output {
                Output::Deliver(sent) => {
                    deliveries += 1;
                    answer(&mut it, &sent, REJECTED, at(millis));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!((59..=64).contains(&deliveries), "{deliveries}");
    assert!(it.view().hold.target.is_some());
    let mut settled = 0;
    for millis in 60_000..62_000 {
        for output in wants(&mut it, at(millis)) {
            if let Output::Deliver(sent) = output {
                answer(&mut it, &sent, Verdict::Accept, at(millis));
                settled += 1;
            }
        }
    }
    assert_eq!(settled, 8, "all of it within two seconds");
    assert_eq!(it.view().hold, crate::view::HoldView::default());
}

#[test]
fn a_spent_budget_holds_the_subscription_until_an_operator_resumes_it() {
    let mut it = with(Rules { records_max: 1_000, ..rules() });
    let records: Vec<_> = (0..30).map(|offset| (offset, Some(offset as u64))).collect();
    fetch(&mut it, &records, at(0));
    let mut letters = 0;
    let reject = |it: &mut Subscription<i64>, letters: &mut usize, now: Instant| {
        for _ in 0..100 {
            for output in wants(it, now) {
                match output {
                    Output::Deliver(sent) => {
                        answer(it, &sent, Verdict::Reject { said: true }, now);
                    }
                    Output::DeadLetter(letter) => {
                        *letters += 1;
                        written(it, &letter, true, now);
                    }
                    _ => {}
                }
            }
        }
    };
    reject(&mut it, &mut letters, at(1));
    assert_eq!(letters, 20);
    assert!(it.view().hold.overdrawn);
    wants(&mut it, at(200));
    assert_eq!(it.next_wakeup(at(200)), None, "nothing but a command helps");
    it.command(Command::Resume, at(2)).unwrap();
    reject(&mut it, &mut letters, at(3));
    assert_eq!(letters, 30);
}

#[test]
fn what_failed_as_the_target_broke_is_not_charged_when_it_is_well_again() {
    let mut it = active();
    let records: Vec<_> = (0..4).map(|offset| (offset, Some(offset as u64))).collect();
    fetch(&mut it, &records, at(0));
    let sent: Vec<_> = core::iter::from_fn(|| deliver(&mut it, at(0))).collect();
    answer(&mut it, &sent[0], Verdict::Accept, at(1));
    answer(&mut it, &sent[1], REJECTED, at(2));
    assert!(it.view().hold.target.is_none(), "one of two is not more than half");
    answer(&mut it, &sent[2], REJECTED, at(3));
    answer(&mut it, &sent[3], REJECTED, at(4));
    assert!(it.view().hold.target.is_some());
    for now in (1_000..20_000).map(at) {
        for output in wants(&mut it, now) {
            match output {
                Output::Deliver(sent) => answer(&mut it, &sent, Verdict::Accept, now),
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(it.view().counts.settled, 4);
}

#[test]
fn a_record_that_is_all_there_is_is_charged_when_it_has_waited() {
    let wait = Some(Duration::from_secs(60));
    let mut it = with(Rules { evidence_wait: wait, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(0));
    let mut given_up = None;
    for second in 0..200 {
        for output in wants(&mut it, at(second * 1_000)) {
            match output {
                Output::Deliver(sent) if sent.payload == 0 => {
                    answer(&mut it, &sent, REJECTED, at(second * 1_000 + 1));
                }
                Output::DeadLetter(letter) => given_up = given_up.or(Some((second, letter.why))),
                _ => {}
            }
        }
    }
    assert_eq!(given_up, Some((61, Why::Rejected)));
}

#[test]
fn what_time_alone_drops_is_committed_and_opens_its_key() {
    let wait = Some(Duration::ZERO);
    let mut it =
        with(Rules { evidence_wait: wait, on_reject: GiveUp::Drop, records_max: 2, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &sent, REJECTED, at(1));
    let mut outputs = wants(&mut it, at(1_000));
    outputs.extend(wants(&mut it, at(2_000)));
    assert!(
        matches!(
            outputs[..],
            [
                Output::Commit { point: CommitPoint(1), .. },
                Output::Deliver(Delivery { payload: 1, .. })
            ]
        ),
        "{outputs:?}"
    );
}

#[test]
fn a_rejected_record_does_not_await_evidence_that_nothing_can_bring() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(0));
    let (bad, good) = (deliver(&mut it, at(0)).unwrap(), deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &good, Verdict::Accept, at(1));
    answer(&mut it, &bad, REJECTED, at(1));
    let again = wants(&mut it, at(1_000));
    let is_sent = |want: &Output<i64>| matches!(want, Output::Deliver(sent) if sent.payload == 0);
    assert!(again.iter().any(is_sent), "{again:?}");
}

#[test]
fn a_rejected_record_does_not_await_evidence_from_an_endpoint_that_has_left() {
    let mut it = active();
    it.handle(Input::Endpoints(vec![ONE, EndpointId(2)]), at(0));
    fetch(&mut it, &[(0, Some(1)), (1, Some(2)), (2, Some(3))], at(0));
    let [bad, good, _hangs] = [0, 0, 0].map(|_| deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &good, Verdict::Accept, at(1));
    answer(&mut it, &bad, REJECTED, at(1));
    let others = [ONE, EndpointId(2)].into_iter().filter(|one| *one != bad.endpoint).collect();
    it.handle(Input::Endpoints(others), at(2));
    let again = wants(&mut it, at(1_000));
    let is_sent = |want: &Output<i64>| matches!(want, Output::Deliver(sent) if sent.payload == 0);
    assert!(again.iter().any(is_sent), "{again:?}");
}

#[test]
fn a_rejected_record_does_not_await_evidence_from_an_endpoint_that_is_not_well() {
    let mut it = active();
    it.handle(Input::Endpoints(vec![ONE, EndpointId(2)]), at(0));
    let records: Vec<_> = (0..4).map(|offset| (offset, Some(offset as u64))).collect();
    fetch(&mut it, &records, at(0));
    let sent: Vec<_> = core::iter::from_fn(|| deliver(&mut it, at(0))).collect();
    let (there, elsewhere): (Vec<_>, Vec<_>) =
        sent.iter().partition(|delivery| delivery.endpoint == ONE);
    let ([bad, refused], [good, _hangs]) = (&there[..], &elsewhere[..]) else {
        panic!("two each: {sent:?}");
    };
    answer(&mut it, good, Verdict::Accept, at(1));
    answer(&mut it, bad, REJECTED, at(1));
    answer(&mut it, refused, REFUSED, at(2));
    let again = wants(&mut it, at(1_000));
    let is_sent =
        |want: &Output<i64>| matches!(want, Output::Deliver(sent) if sent.payload == bad.payload);
    assert!(again.iter().any(is_sent), "{again:?}");
}
