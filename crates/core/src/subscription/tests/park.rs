//! Keys that make room, step by step.

use super::*;
use crate::park::{ParkPlace, ParkedKey, ParkedLast};

const RETRY: Verdict = Verdict::Retry { said: true, after: None };
const T7: Tenure = Tenure(7);

fn rules_with_park() -> Rules {
    Rules {
        records_max: 5,
        attempts: u32::MAX,
        backoff: Backoff { first: Duration::from_millis(1), most: Duration::from_millis(1) },
        park_after: Some(Duration::from_millis(50)),
        ..rules()
    }
}

fn full() -> Subscription<i64> {
    let mut it = Subscription::new(rules_with_park(), RevisionId(0), 1);
    claim(&mut it);
    fetch(&mut it, &[(0, Some(1)), (1, Some(2)), (2, Some(1)), (3, Some(1)), (4, Some(1))], at(1));
    it
}

/// Answers the deliveries of offset 0 with a failure, and all others with an accept, until this
/// moment; returns what else was wanted.
fn live(it: &mut Subscription<i64>, from: u64, to: u64) -> Vec<Output<i64>> {
    let mut wanted = Vec::new();
    for now in from..=to {
        while let Some(output) = it.poll(at(now)) {
            match output {
                Output::Deliver(sent) => {
                    let verdict = if sent.payload == 0 { RETRY } else { Verdict::Accept };
                    answer(it, &sent, verdict, at(now));
                }
                Output::Commit { partition, point, state: CommitState { tenure, .. } } => {
                    it.handle(Input::Committed { partition, tenure, point }, at(now));
                    wanted.push(output);
                }
                other => wanted.push(other),
            }
        }
    }
    wanted
}

fn parks(outputs: &[Output<i64>]) -> Vec<(i64, Option<i32>, u32)> {
    let parks = outputs.iter().filter_map(|output| match output {
        Output::Park(park) => Some((park.payload, park.to, park.deliveries)),
        _ => None,
    });
    parks.collect()
}

fn parked(it: &mut Subscription<i64>, offset: i64, at_offset: Option<i64>, now: Instant) {
    let at = at_offset.map(|offset| ParkPlace { partition: 3, offset });
    it.handle(Input::Parked { partition: P0, tenure: T7, offset: Offset(offset), at }, now);
    it.check();
}

fn told(it: &mut Subscription<i64>, point: i64, now: Instant) {
    let (point, end) = (CommitPoint(point), CommitPoint(100));
    it.handle(Input::ParkCommitted { partition: 3, asked: now, point, end }, now);
}

fn row(outputs: &[Output<i64>]) -> Option<(CommitPoint, Vec<ParkedKey>)> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Commit { point, state, .. } => Some((*point, state.parked.clone())),
        _ => None,
    })
}

#[test]
fn a_key_that_fails_for_long_makes_room_record_by_record() {
    let mut it = full();
    assert_eq!(parks(&live(&mut it, 1, 40)), [], "it has not failed for long enough");
    let outputs = live(&mut it, 41, 200);
    let named = ParkedKey { key: 1, last: ParkedLast::Named(Offset(0)) };
    assert_eq!(row(&outputs), Some((CommitPoint(0), vec![named])), "it is named before it goes");
    let first = parks(&outputs);
    assert!(matches!(first[..], [(0, None, tried)] if tried > 2), "one at a time: {first:?}");
    parked(&mut it, 0, Some(10), at(201));
    assert_eq!(parks(&live(&mut it, 201, 201)), [(2, Some(3), 0)], "its followers go there, too");
    parked(&mut it, 2, Some(11), at(202));
    parked(&mut it, 3, Some(12), at(202));
    assert_eq!(parks(&live(&mut it, 202, 202)), [(3, Some(3), 0)], "an answer to nothing is inert");
    parked(&mut it, 3, Some(11), at(203));
    assert_eq!(parks(&live(&mut it, 203, 203)), [(4, Some(3), 0)]);
    parked(&mut it, 4, Some(12), at(203));
    let outputs = live(&mut it, 203, 400);
    let last = ParkedLast::At(ParkPlace { partition: 3, offset: 12 });
    assert_eq!(row(&outputs), Some((CommitPoint(5), vec![ParkedKey { key: 1, last }])));
    assert_eq!((it.counts().parked, it.view().partitions[0].parked), (4, 1));
}

/// The first of these is parked, with nothing else of its key.
fn with_one_parked() -> Subscription<i64> {
    let mut it = full();
    live(&mut it, 1, 200);
    for (offset, place) in [(0, 9), (2, 10), (3, 11), (4, 12)] {
        parked(&mut it, offset, Some(place), at(201));
        live(&mut it, 201, 201);
    }
    it
}

#[test]
fn later_records_follow_until_the_park_topic_is_done_with_the_key() {
    let mut it = with_one_parked();
    let more = |offset, key| Record {
        offset: Offset(offset),
        key: Some(key),
        bytes: 10,
        past: Past::default(),
        payload: offset,
    };
    let fetched = |it: &mut Subscription<i64>, records| {
        it.handle(Input::Fetched { partition: P0, tenure: T7, records }, at(300));
    };
    told(&mut it, 12, at(250));
    fetched(&mut it, vec![more(5, 1), more(6, 2)]);
    assert_eq!(parks(&live(&mut it, 300, 300)), [(5, Some(3), 0)]);
    parked(&mut it, 5, None, at(301));
    told(&mut it, 13, at(301));
    assert_eq!(it.parked_in().len(), 1, "that may have been written");
    assert_eq!(parks(&live(&mut it, 302, 5_000)), [(5, Some(3), 0)], "it is tried again");
    parked(&mut it, 5, Some(14), at(5_000));
    told(&mut it, 15, at(5_001));
    assert!(it.parked_in().is_empty());
    fetched(&mut it, vec![more(7, 1)]);
    assert_eq!(parks(&live(&mut it, 5_002, 5_200)), []);
    assert_eq!(it.counts().parked, 5);
    assert_eq!(it.view().partitions[0].commit_point, CommitPoint(8), "it went to the service");
}

#[test]
fn a_new_owner_goes_on_where_the_last_one_stopped() {
    let mut it = Subscription::<i64>::new(rules_with_park(), RevisionId(0), 1);
    it.handle(Input::Endpoints(vec![ONE]), at(0));
    let (start, wall_ms) = (CommitPoint(2), 7);
    let rows = vec![ParkedKey { key: 1, last: ParkedLast::Named(Offset(2)) }];
    let assigned = Input::Assigned {
        partition: P0,
        start,
        stored: Some(CommitState { parked: rows.clone(), ..CommitState::unknown(Tenure(0)) }),
        parks: true,
        wall_ms,
    };
    it.handle(assigned, at(0));
    let outputs = live(&mut it, 0, 0);
    assert_eq!(row(&outputs), Some((start, rows)), "the claim keeps the rows");
    let record = |offset, key| Record {
        offset: Offset(offset),
        key: Some(key),
        bytes: 1,
        past: Past::default(),
        payload: offset,
    };
    let records = vec![record(2, 1), record(3, 2)];
    it.handle(Input::Fetched { partition: P0, tenure: T7, records }, at(1));
    assert_eq!(parks(&live(&mut it, 1, 1)), [(2, None, 0)], "it may be in the park topic already");
}

#[test]
fn what_waits_for_an_operator_or_for_the_target_is_not_parked() {
    let mut it = full();
    let held = Rules { attempts: 1, on_exhausted: GiveUp::Hold, ..rules_with_park() };
    it.handle(Input::Rules(held), at(0));
    assert_eq!(parks(&live(&mut it, 1, 500)), []);
    let mut it = full();
    it.handle(Input::Endpoints(vec![]), at(0));
    assert_eq!(parks(&live(&mut it, 1, 500)), []);
}

#[test]
fn nothing_is_parked_while_there_is_room() {
    let mut it = Subscription::new(rules_with_park(), RevisionId(0), 1);
    claim(&mut it);
    fetch(&mut it, &[(0, Some(1)), (1, Some(2))], at(1));
    assert_eq!(parks(&live(&mut it, 1, 500)), []);
}

#[test]
fn a_record_on_its_way_is_not_an_operators() {
    let mut it = full();
    live(&mut it, 1, 200);
    let skip = Command::Skip { partition: P0, offset: Offset(0) };
    assert_eq!(it.command(skip, at(201)), Err(CommandError::Leaving));
    parked(&mut it, 0, None, at(202));
    assert_eq!(it.command(skip, at(202)), Err(CommandError::Leaving), "Kafka may have it");
}

#[test]
fn what_a_record_went_through_goes_on_counting() {
    let mut it = Subscription::new(Rules { attempts: 5, ..rules() }, RevisionId(0), 1);
    claim(&mut it);
    assert!(matches!(it.poll(at(1)), Some(Output::Fetch { .. })));
    let past = Past { charged: 4, deliveries: 9 };
    let record = Record { offset: Offset(0), key: Some(1), bytes: 1, past, payload: 0 };
    it.handle(Input::Fetched { partition: P0, tenure: T7, records: vec![record] }, at(1));
    let sent = deliver(&mut it, at(1)).unwrap();
    assert_eq!(sent.id.number, 10);
    answer(&mut it, &sent, RETRY, at(2));
    let outputs = live(&mut it, 2, 2);
    let letter = outputs.iter().any(|output| matches!(output, Output::DeadLetter(_)));
    assert!(letter, "that was the fifth: {outputs:?}");
}
