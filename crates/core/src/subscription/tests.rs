//! Short scripts: what one would tell a colleague about delivery, step by step.

use alloc::vec;
use core::time::Duration;

use super::*;
use crate::commit::CommitState;
use crate::fault::Planted;
use crate::partition::Why;
use crate::record::{CommitPoint, EndpointId, Past, Record, Tenure};
use crate::rules::{Backoff, GiveUp, Guarantee, Order, Takeover};
use crate::verdict::{Answer, UnknownCause, Verdict};

mod contract;
mod drain;
mod fault;
mod lanes;
mod memory;
mod once;
mod operator;
mod park;
mod traffic;

const P0: PartitionId = PartitionId(0);
const ONE: EndpointId = EndpointId(1);
/// When the lease is renewed that was taken in the first moment.
const RENEWAL: Instant = Instant::from_micros(500_000_000_000);
const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);
const REFUSED: Verdict = Verdict::TargetFault(TargetFault::Refused);
const REJECTED: Verdict = Verdict::Reject { said: false };

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
