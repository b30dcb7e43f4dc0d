//! What may be held, and what an open fetch may bring (P3).

use super::*;

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
