//! Short scripts: what one would tell a colleague about delivery, step by step.

use alloc::vec;
use core::time::Duration;

use super::*;
use crate::fault::Planted;
use crate::record::{Offset, Past};
use crate::rules::{Backoff, GiveUp, Guarantee, Order, Takeover};
use crate::verdict::{TargetFault, UnknownCause, Verdict};

mod park;

const P0: PartitionId = PartitionId(0);
const ONE: EndpointId = EndpointId(1);
/// When the lease is renewed that was taken in the first moment.
const RENEWAL: Instant = Instant::from_micros(500_000_000_000);

pub(crate) fn rules() -> Rules {
    Rules {
        order: Order::Key,
        guarantee: Guarantee::AtLeastOnce,
        in_flight: 4,
        in_flight_max: 4,
        rate_max: None,
        records_max: 8,
        bytes_max: 1_000,
        window_max: 10_000,
        map_max: 1_000,
        deadline: Duration::from_secs(30),
        grace: Duration::from_secs(1),
        backoff: Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) },
        attempts: 3,
        given_up_free: 20,
        dead_letters: true,
        on_exhausted: GiveUp::DeadLetter,
        on_reject: GiveUp::DeadLetter,
        park_after: None,
        evidence_wait: Some(Duration::from_secs(600)),
        ejects: true,
        probe_interval: Duration::from_secs(1),
        commit_interval: Duration::from_millis(100),
        commit_retry: Duration::from_millis(500),
        session: Duration::from_secs(1_000_000),
        takeover: Takeover::Safe,
        drain: Duration::from_secs(10),
        last_commit: Duration::from_secs(2),
        planted: Planted::NONE,
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

/// A subscription with one endpoint and partition 0, claimed and active from offset 0 on.
fn active() -> Subscription<i64> {
    let mut it = Subscription::new(rules(), RevisionId(0), 1);
    claim(&mut it);
    it
}

fn claim(it: &mut Subscription<i64>) {
    it.handle(Input::Endpoints(vec![ONE]), at(0));
    let start = CommitPoint(0);
    it.handle(
        Input::Assigned { partition: P0, start, end: start, stored: None, parks: true, wall_ms: 7 },
        at(0),
    );
    let claim = it.poll(at(0));
    assert!(matches!(claim, Some(Output::Commit { point, state, .. })
            if point == start && state.tenure == Tenure(7)));
    it.handle(Input::Committed { partition: P0, tenure: Tenure(7), point: start }, at(0));
}

/// Answers the open fetch with records of these offsets and keys.
fn fetch(it: &mut Subscription<i64>, records: &[(i64, Option<u64>)], now: Instant) {
    assert!(matches!(it.poll(now), Some(Output::Fetch { .. })));
    let record = |&(offset, key): &(i64, Option<u64>)| Record {
        offset: Offset(offset),
        key,
        bytes: 10,
        past: Past::default(),
        payload: offset,
    };
    let records = records.iter().map(record).collect();
    it.handle(Input::Fetched { partition: P0, tenure: Tenure(7), records }, now);
}

fn deliver(it: &mut Subscription<i64>, now: Instant) -> Option<Delivery<i64>> {
    loop {
        match it.poll(now)? {
            Output::Deliver(delivery) => return Some(delivery),
            Output::Fetch { .. } | Output::Check { .. } => {}
            output if saves(it, &output, now) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Acknowledges a commit that says no more than what happened beyond the commit point.
fn saves(it: &mut Subscription<i64>, output: &Output<i64>, now: Instant) -> bool {
    let Output::Commit { partition, point, state } = output else { return false };
    let (partition, point, tenure) = (*partition, *point, state.tenure);
    let saves = it.view().partitions.iter().any(|of| of.commit_point == point);
    if saves {
        it.handle(Input::Committed { partition, tenure, point }, now);
    }
    saves
}

fn answer(it: &mut Subscription<i64>, delivery: &Delivery<i64>, verdict: Verdict, now: Instant) {
    let answer = Answer { verdict, status: None, reason: None };
    it.handle(Input::Answered { id: delivery.id, answer }, now);
    it.check();
}

#[test]
fn a_record_is_fetched_delivered_and_committed() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(1));
    let sent = deliver(&mut it, at(2)).unwrap();
    assert_eq!((sent.payload, sent.id.number), (0, 1));
    answer(&mut it, &sent, Verdict::Accept, at(3));
    assert!(deliver(&mut it, at(3)).is_none());
    assert_eq!(it.next_wakeup(at(3)), Some(at(100)), "the next commit is due");
    let commit = it.poll(at(100));
    assert!(matches!(commit, Some(Output::Commit { point: CommitPoint(1), .. })), "{commit:?}");
}

#[test]
fn nothing_is_delivered_before_the_tenure_is_committed() {
    let mut it = Subscription::<i64>::new(rules(), RevisionId(0), 1);
    it.handle(Input::Endpoints(vec![ONE]), at(0));
    let start = CommitPoint(5);
    let stored = Some(CommitState::unknown(Tenure(900)));
    it.handle(
        Input::Assigned { partition: P0, start, end: start, stored, parks: true, wall_ms: 7 },
        at(0),
    );
    let claim = it.poll(at(0));
    assert!(
        matches!(
            claim,
            Some(Output::Commit { state: CommitState { tenure: Tenure(901), .. }, .. })
        ),
        "{claim:?}"
    );
    assert!(it.poll(at(0)).is_none());
    it.handle(Input::CommitFailed { partition: P0, tenure: Tenure(901) }, at(10));
    assert!(it.poll(at(10)).is_none());
    assert_eq!(it.next_wakeup(at(10)), Some(at(510)));
    assert!(matches!(it.poll(at(510)), Some(Output::Commit { .. })));
}

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
    assert!(matches!(it.poll(at(21)), Some(Output::Released { partition: P0 })));
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
    assert!(matches!(it.poll(at(10_000)), Some(Output::Released { partition: P0 })));
    answer(&mut it, &sent, Verdict::Accept, at(10_001));
    assert_eq!(it.view().counts.late, 1);
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
fn records_that_a_former_tenure_asked_for_are_not_taken() {
    let mut it = active();
    assert!(matches!(it.poll(at(0)), Some(Output::Fetch { tenure: Tenure(7), .. })));
    it.handle(Input::Lost { partition: P0 }, at(1));
    let start = CommitPoint(0);
    it.handle(
        Input::Assigned { partition: P0, start, end: start, stored: None, parks: true, wall_ms: 7 },
        at(2),
    );
    assert!(matches!(it.poll(at(2)), Some(Output::Commit { .. })));
    it.handle(Input::Committed { partition: P0, tenure: Tenure(8), point: start }, at(3));
    assert!(matches!(it.poll(at(3)), Some(Output::Fetch { tenure: Tenure(8), .. })));
    let late =
        Record { offset: Offset(40), key: None, bytes: 1, past: Past::default(), payload: 40 };
    it.handle(Input::Fetched { partition: P0, tenure: Tenure(7), records: vec![late] }, at(4));
    assert!(it.poll(at(4)).is_none(), "offsets 0 to 39 would be lost");
    let first =
        Record { offset: Offset(0), key: None, bytes: 1, past: Past::default(), payload: 0 };
    it.handle(Input::Fetched { partition: P0, tenure: Tenure(8), records: vec![first] }, at(5));
    assert_eq!(deliver(&mut it, at(5)).unwrap().payload, 0);
}

const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);
const REFUSED: Verdict = Verdict::TargetFault(TargetFault::Refused);

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
fn an_open_fetch_shrinks_when_partitions_come() {
    let mut it = active();
    let open = it.poll(at(0));
    assert!(matches!(open, Some(Output::Fetch { records: 8, bytes: 1_000, .. })), "{open:?}");
    let (partition, start) = (PartitionId(1), CommitPoint(0));
    it.handle(
        Input::Assigned { partition, start, end: start, stored: None, parks: true, wall_ms: 7 },
        at(1),
    );
    let renewed = it.poll(at(1));
    assert!(
        matches!(renewed, Some(Output::Fetch { partition: P0, records: 4, bytes: 500, .. })),
        "{renewed:?}"
    );
    it.check();
}

#[test]
fn what_all_partitions_hold_keeps_the_bound_when_partitions_come() {
    let mut it = active();
    let records: Vec<_> = (0..8).map(|offset| (offset, Some(1))).collect();
    fetch(&mut it, &records, at(0));
    let (partition, start) = (PartitionId(1), CommitPoint(0));
    it.handle(
        Input::Assigned { partition, start, end: start, stored: None, parks: true, wall_ms: 7 },
        at(1),
    );
    let tenure = Tenure(7);
    let mut fetches = Vec::new();
    while let Some(output) = it.poll(at(1)) {
        match output {
            Output::Commit { point, .. } => {
                it.handle(Input::Committed { partition, tenure, point }, at(1));
            }
            Output::Fetch { partition, records, .. } => fetches.push((partition, records)),
            _ => {}
        }
    }
    assert_eq!(fetches, [(partition, 1)], "partition 0 holds all there is, and one is left");
    it.check();
}

#[test]
fn records_that_cross_the_renewal_of_their_fetch_are_taken() {
    let mut it = active();
    assert!(matches!(it.poll(at(0)), Some(Output::Fetch { records: 8, .. })));
    let (partition, start) = (PartitionId(1), CommitPoint(0));
    it.handle(
        Input::Assigned { partition, start, end: start, stored: None, parks: true, wall_ms: 7 },
        at(1),
    );
    assert!(matches!(it.poll(at(1)), Some(Output::Fetch { records: 4, .. })));
    for offset in 0..2 {
        let record = Record {
            offset: Offset(offset),
            key: None,
            bytes: 1,
            past: Past::default(),
            payload: offset,
        };
        it.handle(
            Input::Fetched { partition: P0, tenure: Tenure(7), records: vec![record] },
            at(2),
        );
        it.check();
    }
    assert_eq!(it.view().partitions[0].held, 2);
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

const REJECTED: Verdict = Verdict::Reject { said: false };

fn with(rules: Rules) -> Subscription<i64> {
    let mut it = Subscription::new(rules, RevisionId(0), 1);
    claim(&mut it);
    it
}

/// All that the subscription wants at a moment, but for fetches.
fn wants(it: &mut Subscription<i64>, now: Instant) -> Vec<Output<i64>> {
    let mut outputs = Vec::new();
    while let Some(output) = it.poll(now) {
        if !matches!(output, Output::Fetch { .. }) && !saves(it, &output, now) {
            outputs.push(output);
        }
    }
    outputs
}

fn letter(it: &mut Subscription<i64>, now: Instant) -> Option<DeadLetter<i64>> {
    wants(it, now).into_iter().find_map(|output| match output {
        Output::DeadLetter(letter) => Some(letter),
        _ => None,
    })
}

fn written(it: &mut Subscription<i64>, letter: &DeadLetter<i64>, written: bool, now: Instant) {
    let (partition, tenure, offset) = (letter.partition, letter.tenure, letter.offset);
    it.handle(Input::DeadLettered { partition, tenure, offset, written }, now);
    it.check();
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
fn at_most_once_commits_before_it_delivers_and_never_again() {
    let mut it = with(Rules { guarantee: Guarantee::AtMostOnce, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(1));
    assert!(wants(&mut it, at(1)).is_empty());
    let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) =
        wants(&mut it, at(100)).pop()
    else {
        panic!()
    };
    assert_eq!(point, CommitPoint(2));
    it.handle(Input::Committed { partition: P0, tenure, point }, at(101));
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
        let mut it = with(Rules { guarantee: Guarantee::AtMostOnce, ..rules() });
        fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(1));
        let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) =
            wants(&mut it, at(100)).pop()
        else {
            panic!()
        };
        it.handle(Input::Committed { partition: P0, tenure, point }, at(101));
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
fn an_operator_retries_skips_and_dead_letters_what_waits() {
    let mut it = with(Rules { on_reject: GiveUp::Hold, ..rules() });
    let records: Vec<_> = (0..6).map(|offset| (offset, Some(offset as u64 / 2))).collect();
    fetch(&mut it, &records, at(0));
    for _ in 0..3 {
        let sent = deliver(&mut it, at(0)).unwrap();
        answer(&mut it, &sent, Verdict::Reject { said: true }, at(1));
    }
    assert_eq!(wants(&mut it, at(500_000)).len(), 0, "all three keys are held");
    let now = at(500_001);
    let (partition, at_offset) = (P0, Offset);
    let behind = Command::Skip { partition, offset: at_offset(1) };
    assert_eq!(it.command(behind, now), Err(CommandError::Behind));
    it.command(Command::Retry { partition, offset: at_offset(0) }, now).unwrap();
    it.command(Command::Skip { partition, offset: at_offset(2) }, now).unwrap();
    it.command(Command::DeadLetter { partition, offset: at_offset(4) }, now).unwrap();
    it.check();
    let mut sent = Vec::new();
    for output in wants(&mut it, now) {
        match output {
            Output::Deliver(delivery) => sent.push(delivery.payload),
            Output::DeadLetter(letter) => assert_eq!(letter.offset, Offset(4)),
            _ => {}
        }
    }
    sent.sort_unstable();
    assert_eq!(sent, [0, 3]);
    let skip = |offset| Command::Skip { partition, offset: at_offset(offset) };
    assert_eq!(it.command(skip(0), now), Err(CommandError::InFlight));
    assert_eq!(it.command(skip(4), now), Err(CommandError::Leaving));
    assert_eq!(it.command(skip(2), now), Err(CommandError::NotHeld));
}

#[test]
fn a_paused_subscription_sends_nothing_and_asks_for_no_wakeup() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    it.command(Command::Pause, at(0)).unwrap();
    assert!(wants(&mut it, at(0)).is_empty());
    assert_eq!(it.next_wakeup(at(0)), Some(RENEWAL));
    it.command(Command::Resume, at(9)).unwrap();
    assert!(deliver(&mut it, at(9)).is_some());
}

#[test]
fn a_rate_is_kept() {
    let mut it = with(Rules { rate_max: Some(10), records_max: 1_000, ..rules() });
    let records: Vec<_> = (0..100).map(|offset| (offset, None)).collect();
    fetch(&mut it, &records, at(0));
    let mut sent = 0;
    let mut now = at(0);
    while now < at(3_000) {
        while let Some(delivery) = deliver(&mut it, now) {
            answer(&mut it, &delivery, Verdict::Accept, now);
            sent += 1;
        }
        now = it.next_wakeup(now).unwrap();
        if let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) = it.poll(now)
        {
            it.handle(Input::Committed { partition: P0, tenure, point }, now);
        }
    }
    assert!((30..=31).contains(&sent), "{sent}");
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
    let mut it = with(Rules { guarantee: Guarantee::AtMostOnce, ..rules() });
    fetch(&mut it, &[(0, Some(1)), (1, Some(1))], at(1));
    let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) =
        wants(&mut it, at(100)).pop()
    else {
        panic!()
    };
    it.handle(Input::Committed { partition: P0, tenure, point }, at(101));
    let sent = deliver(&mut it, at(101)).unwrap();
    answer(&mut it, &sent, LOST, at(102));
    assert!(deliver(&mut it, at(31_100)).is_none());
    assert_eq!(deliver(&mut it, at(31_101)).unwrap().payload, 1);
    assert_eq!(it.view().counts.abandoned, 1);
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

/// Plays ten seconds of a service that rejects these keys at that millisecond and accepts all else,
/// while a record comes each millisecond, of a hundred keys in turn. Gives how many were accepted,
/// how many became letters, and whether the budget is spent.
fn ten_seconds_of_rejecting(bad: impl Fn(u64, u64) -> bool) -> (u64, u64, bool) {
    let most = Duration::from_millis(50);
    let mut it = with(Rules {
        records_max: 1_000,
        bytes_max: 100_000,
        in_flight: 64,
        in_flight_max: 256,
        backoff: Backoff { first: most / 5, most },
        ..rules()
    });
    let (mut out, mut open, mut next, mut accepted, mut letters) = (vec![], None, 0, 0, 0);
    for millis in 1..10_000 {
        let now = at(millis);
        for delivery in core::mem::take(&mut out) {
            let delivery: Delivery<i64> = delivery;
            let rejects = bad(delivery.payload as u64 % 100, millis);
            let said = false;
            let verdict = if rejects { Verdict::Reject { said } } else { Verdict::Accept };
            accepted += u64::from(!rejects);
            answer(&mut it, &delivery, verdict, now);
        }
        if let Some((tenure, room)) = open.filter(|_| next < millis as i64) {
            let offsets = next..(millis as i64).min(next + room as i64);
            (open, next) = (None, offsets.end);
            let record = |offset: i64| Record {
                offset: Offset(offset),
                key: Some(offset as u64 % 100),
                bytes: 10,
                past: Past::default(),
                payload: offset,
            };
            let records = offsets.map(record).collect();
            it.handle(Input::Fetched { partition: P0, tenure, records }, now);
        }
        while let Some(output) = it.poll(now) {
            match output {
                Output::Deliver(delivery) => out.push(delivery),
                Output::DeadLetter(letter) => {
                    letters += 1;
                    written(&mut it, &letter, true, now);
                }
                Output::Fetch { tenure, records, .. } => open = Some((tenure, records)),
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                Output::Check { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    (accepted, letters, it.view().hold.overdrawn)
}

#[test]
fn a_key_that_is_always_rejected_does_not_hold_a_target_that_is_well() {
    let (accepted, letters, _) = ten_seconds_of_rejecting(|key, _| key == 0);
    assert!(accepted > 9_000, "{accepted} accepted, {letters} letters");
    assert!(letters > 0);
}

#[test]
fn a_third_of_all_keys_rejected_spends_the_budget() {
    let bad = |key, millis| key % 3 == 0 && millis > 2_000;
    let (accepted, letters, spent) = ten_seconds_of_rejecting(bad);
    assert!(spent, "{accepted} accepted, {letters} letters");
    assert!(letters <= accepted / 100 + 20, "{accepted} accepted, {letters} letters");
}
