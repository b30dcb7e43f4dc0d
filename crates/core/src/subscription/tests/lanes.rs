//! When a lane is shut, and when it opens again (P1, P4, P5, P9).

use super::*;

#[test]
fn a_failed_record_blocks_its_key_only() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(1)), (2, Some(2))], at(1));
    let (a, b) = (deliver(&mut it, at(1)).unwrap(), deliver(&mut it, at(1)).unwrap());
    assert_eq!((a.payload, b.payload), (0, 2));
    answer(&mut it, &a, Verdict::Retry { said: true, after: None }, at(2));
    answer(&mut it, &b, Verdict::Accept, at(2));
    assert!(deliver(&mut it, at(2)).is_none(), "offset 1 waits behind offset 0");
    let again = deliver(&mut it, at(300)).unwrap();
    assert_eq!((again.payload, again.id.number), (0, 2));
    let view = it.view();
    assert_eq!(view.partitions[0].blocked.as_ref().map(|blocked| blocked.charged), Some(1));
}

#[test]
fn an_unknown_answer_keeps_the_lane_shut_until_deadline_and_grace() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &sent, Verdict::Unknown(UnknownCause::ConnectionLost), at(5));
    assert!(deliver(&mut it, at(30_999)).is_none());
    assert!(deliver(&mut it, at(31_000)).is_some());
}

#[test]
fn a_lane_opens_after_grace_where_its_endpoint_is_gone() {
    let mut it = active();
    it.handle(Input::Endpoints(vec![ONE, EndpointId(2)]), at(0));
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &sent, Verdict::Unknown(UnknownCause::ConnectionLost), at(5));
    let others = [ONE, EndpointId(2)].into_iter().filter(|other| *other != sent.endpoint);
    it.handle(Input::Endpoints(others.collect()), at(10));
    assert!(deliver(&mut it, at(1_009)).is_none());
    assert!(deliver(&mut it, at(1_010)).is_some());
}

#[test]
fn a_delivery_without_an_answer_ends_at_its_deadline_and_a_late_answer_is_inert() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    assert!(deliver(&mut it, at(29_999)).is_none());
    assert_eq!(it.next_wakeup(at(29_999)), Some(at(30_000)));
    assert!(deliver(&mut it, at(30_000)).is_none());
    answer(&mut it, &sent, Verdict::Accept, at(30_001));
    let again = deliver(&mut it, at(31_000)).unwrap();
    answer(&mut it, &sent, Verdict::Accept, at(31_001));
    assert_eq!(it.view().counts.late, 2);
    answer(&mut it, &again, Verdict::Accept, at(31_002));
    assert_eq!(it.view().counts.settled, 1);
}

#[test]
fn one_slow_delivery_does_not_make_the_deadlines_grow() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    assert!(deliver(&mut it, at(0)).is_some() && deliver(&mut it, at(0)).is_none());
    for offset in 1..2_000 {
        let now = at(offset as u64);
        let record = Record {
            offset: Offset(offset),
            key: Some(2),
            bytes: 1,
            past: Past::default(),
            payload: 0,
        };
        it.handle(Input::Fetched { partition: P0, tenure: Tenure(7), records: vec![record] }, now);
        while let Some(output) = it.poll(now) {
            if let Output::Deliver(sent) = output {
                answer(&mut it, &sent, Verdict::Accept, now);
            }
        }
        assert!(it.deadlines.len() <= 600, "{}", it.deadlines.len());
    }
    assert_eq!(it.view().counts.settled, 1_999);
}

#[test]
fn an_answer_after_its_deadline_is_late_though_nobody_polled_in_between() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let sent = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &sent, Verdict::Accept, at(30_000));
    let counts = it.view().counts;
    assert_eq!((counts.settled, counts.unknown, counts.late), (0, 1, 1));
}

#[test]
fn without_grace_a_lane_reopens_at_the_deadline_and_nothing_spins() {
    let mut it = Subscription::new(
        Rules { grace: Duration::ZERO, probe_interval: Duration::ZERO, ..rules() },
        RevisionId(0),
        1,
    );
    claim(&mut it);
    fetch(&mut it, &[(0, Some(1))], at(0));
    assert!(deliver(&mut it, at(0)).is_some());
    assert!(deliver(&mut it, at(30_000)).is_some());
    assert!(deliver(&mut it, at(30_000)).is_none());
    assert_eq!(it.next_wakeup(at(30_000)), Some(at(60_000)));
}

#[test]
fn a_lane_opens_after_grace_where_a_later_connection_is_refused() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(0));
    let (lost, other) = (deliver(&mut it, at(0)).unwrap(), deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &lost, LOST, at(5));
    answer(&mut it, &other, Verdict::Retry { said: false, after: None }, at(5));
    let later = deliver(&mut it, at(1_005)).unwrap();
    answer(&mut it, &later, REFUSED, at(1_006));
    assert!(deliver(&mut it, at(2_005)).is_none());
    let probe = deliver(&mut it, at(2_006)).unwrap();
    answer(&mut it, &probe, Verdict::Accept, at(2_006));
    assert_eq!((probe.payload, deliver(&mut it, at(2_006)).unwrap().payload), (1, 0));
}

#[test]
fn a_lane_opens_after_grace_where_a_connection_that_is_tried_for_it_is_refused() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    let lost = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &lost, LOST, at(5));
    let check = wants(&mut it, at(6));
    assert!(matches!(check[..], [Output::Check { endpoint: ONE }]), "{check:?}");
    let fault = Some(TargetFault::Refused);
    it.handle(Input::Checked { endpoint: ONE, asked: at(6), fault }, at(7));
    assert!(deliver(&mut it, at(1_006)).is_none());
    assert_eq!(it.next_wakeup(at(1_006)), Some(at(1_007)));
    assert!(deliver(&mut it, at(1_007)).is_some());
}

#[test]
fn a_refusal_proves_nothing_about_what_was_sent_to_the_next_process() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(0));
    let (refused, sent) = (deliver(&mut it, at(0)).unwrap(), deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &sent, LOST, at(5));
    answer(&mut it, &refused, REFUSED, at(6));
    for now in [1_006, 5_000, 30_999] {
        while let Some(probe) = deliver(&mut it, at(now)) {
            assert_eq!(probe.payload, 0, "the service may be at work on offset 1");
            let no_connection = Verdict::TargetFault(TargetFault::Connect);
            answer(&mut it, &probe, no_connection, at(now));
        }
    }
}

#[test]
fn a_retry_without_a_free_slot_is_no_reason_to_wake_up() {
    let mut it =
        Subscription::new(Rules { in_flight: 1, in_flight_max: 1, ..rules() }, RevisionId(0), 1);
    claim(&mut it);
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(0));
    let first = deliver(&mut it, at(0)).unwrap();
    answer(&mut it, &first, Verdict::Retry { said: true, after: None }, at(1));
    let second = deliver(&mut it, at(1)).unwrap();
    assert!(deliver(&mut it, at(101)).is_none());
    assert_eq!(it.next_wakeup(at(101)), Some(second.deadline));
    answer(&mut it, &second, Verdict::Accept, at(1_000));
    assert_eq!(deliver(&mut it, at(1_000)).unwrap().payload, 0);
}

#[test]
fn a_retry_without_an_endpoint_to_try_is_no_reason_to_wake_up() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(0));
    let (first, second) = (deliver(&mut it, at(0)).unwrap(), deliver(&mut it, at(0)).unwrap());
    answer(&mut it, &first, Verdict::Retry { said: false, after: None }, at(1));
    let fault = Verdict::TargetFault(TargetFault::Status);
    let lane_opens = it.next_wakeup(at(1)).unwrap();
    answer(&mut it, &second, fault, at(2));
    assert!(deliver(&mut it, at(101)).is_none());
    let probe = at(1_002);
    assert!(lane_opens < probe);
    assert_eq!(it.next_wakeup(at(101)), Some(probe));
    it.handle(Input::Endpoints(vec![]), at(102));
    assert!(deliver(&mut it, at(102)).is_none());
    assert!(it.next_wakeup(at(102)).unwrap() >= RENEWAL);
}

#[test]
fn deadlines_that_shrank_come_in_their_own_order() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    assert!(deliver(&mut it, at(0)).is_some());
    assert!(deliver(&mut it, at(0)).is_none());
    let deadline = Duration::from_secs(1);
    it.handle(Input::Rules(Rules { deadline, ..rules() }), at(1));
    let record =
        Record { offset: Offset(1), key: Some(2), bytes: 10, past: Past::default(), payload: 1 };
    it.handle(Input::Fetched { partition: P0, tenure: Tenure(7), records: vec![record] }, at(1));
    let short = deliver(&mut it, at(1)).unwrap();
    assert!(deliver(&mut it, at(1)).is_none());
    assert_eq!(it.next_wakeup(at(1)), Some(short.deadline));
    answer(&mut it, &short, Verdict::Accept, at(1_001));
    assert_eq!(it.view().counts.late, 1);
}
