//! What several consumers show, as one subscription.

use std::time::Duration;

use forebay_core::{Cap, Counts, Instant, PartitionStage, TargetFault};
use forebay_kafka::TopicPartition;

use super::*;
use crate::CapShares;
use crate::snapshot::{Held, Holder};

fn partition(number: i32, tenure: i64) -> PartitionSnapshot {
    PartitionSnapshot {
        partition: TopicPartition::new("t", number),
        hold: None,
        tenure,
        stage: PartitionStage::Active,
        map_weight: 0,
        commit_point: 0,
        log_start: None,
        log_end: None,
        held: 0,
        held_bytes: 0,
        in_flight: 0,
        parked: 0,
        window_full: false,
        blocked: None,
    }
}

fn endpoint(url: &str, state: EndpointState, latency_ms: u64) -> EndpointSnapshot {
    let latency = Duration::from_millis(latency_ms);
    EndpointSnapshot { url: url.to_owned(), state, in_flight: 1, limit: 10, latency }
}

fn snapshot(partitions: Vec<PartitionSnapshot>, endpoints: Vec<EndpointSnapshot>) -> Snapshot {
    let mut caps = CapShares::default();
    caps.times[Cap::Keys as usize] = Duration::from_secs(1);
    Snapshot {
        name: "s".to_owned(),
        group: "g".to_owned(),
        topics: vec!["t".to_owned()],
        kafka: KafkaState::Reachable,
        reading: true,
        partitions,
        lag_partial: false,
        endpoints,
        discovery_fails: None,
        counts: Counts { accepted: 10, ..Counts::default() },
        in_flight: 2,
        in_flight_max: 5,
        in_flight_limit: 4,
        overloads: 1,
        held: Vec::new(),
        paused: false,
        overdrawn: false,
        caps,
        troubled: 0,
        troubles: Vec::new(),
        dead_letter_topic: None,
        dead_letters_fail: None,
        park_topic: None,
        park_fails: None,
        settled_per_second: 7,
        assignments: 2,
        rebalances: RebalanceCounts::default(),
        foreign_members: vec!["x".to_owned()],
    }
}

const AT_FAULT: EndpointState =
    EndpointState::AtFault { fault: TargetFault::Refused, probe_at: Instant::ZERO };

#[test]
fn what_is_counted_is_summed_and_each_thing_is_there_once() {
    let one = snapshot(
        vec![partition(1, 5), partition(3, 9)],
        vec![endpoint("a", EndpointState::Well, 10), endpoint("b", EndpointState::Well, 0)],
    );
    let other = snapshot(
        vec![partition(0, 5), partition(1, 6)],
        vec![endpoint("a", AT_FAULT, 30), endpoint("b", EndpointState::Well, 8)],
    );
    let all = merged(vec![one, other], &Past::default()).unwrap();
    let rows: Vec<_> =
        all.partitions.iter().map(|row| (row.partition.partition, row.tenure)).collect();
    assert_eq!(rows, [(0, 5), (1, 6), (3, 9)], "as the one has it who took it last");
    assert_eq!((all.in_flight, all.in_flight_max, all.in_flight_limit), (4, 10, 8));
    assert_eq!((all.counts.accepted, all.settled_per_second, all.overloads), (20, 14, 2));
    assert_eq!(all.caps.times[Cap::Keys as usize], Duration::from_secs(2));
    let shown: Vec<_> = all.endpoints.iter().map(|it| (it.url.as_str(), it.latency)).collect();
    assert_eq!(shown, [("a", Duration::from_millis(20)), ("b", Duration::from_millis(8))]);
    assert_eq!((all.endpoints[0].state, all.endpoints[0].limit), (AT_FAULT, 20));
    assert_eq!(all.foreign_members, ["x"]);
}

#[test]
fn what_is_wrong_with_one_is_wrong_with_the_subscription() {
    let well = snapshot(Vec::new(), Vec::new());
    let mut ill = well.clone();
    let reason = "its id is in use".to_owned();
    ill.kafka = KafkaState::Waiting { reason };
    ill.held = vec![Held { by: Holder::Budget, words: "spent".to_owned() }];
    ill.overdrawn = true;
    let all = merged(vec![well, ill.clone(), ill], &Past::default()).unwrap();
    assert!(matches!(all.kafka, KafkaState::Waiting { .. }));
    assert_eq!(all.held.len(), 1, "said once");
    assert!(all.overdrawn && !all.paused);
}

#[test]
fn counts_never_fall_when_a_consumer_ends() {
    let mut past = Past::default();
    for _ in 0..2 {
        let snapshot = snapshot(vec![partition(0, 1)], Vec::new());
        past.add(Ended { snapshot, rebalances: Vec::new() });
    }
    let all = merged(vec![snapshot(Vec::new(), Vec::new())], &past).unwrap();
    assert_eq!((all.counts.accepted, all.assignments, all.overloads), (30, 6, 3));
    assert_eq!(all.caps.times[Cap::Keys as usize], Duration::from_secs(3));
    assert_eq!((all.in_flight, all.partitions.len()), (2, 0), "what it had is not counted");
    assert!(merged(Vec::new(), &past).is_none(), "none runs");
}

#[test]
fn one_that_lacks_records_and_was_capped_before_is_capped_by_nothing() {
    let mut one = snapshot(Vec::new(), Vec::new());
    let mut times = one.caps.times;
    for _ in 0..10 {
        times[Cap::Records as usize] += Duration::from_secs(1);
        one.caps.take(times);
    }
    one.caps.take({
        times[Cap::Keys as usize] += Duration::from_millis(60);
        times
    });
    let shown = merged(vec![one], &Past::default()).unwrap();
    assert_eq!(shown.caps.lately(&[]), Cap::Records);
}
