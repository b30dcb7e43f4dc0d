//! Groups whose broker assigns (KIP-848, `group.protocol=consumer`), with static members and others.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_kafka::{IntakeConfig, IntakeEvent, RebalanceCause};

use crate::cluster::{self, fill, topic, unique};
use crate::worker::{Worker, config};

pub(crate) fn by_epochs(topic: &str, group: &str, instance_id: Option<&str>) -> IntakeConfig {
    let properties = cluster::properties_with(
        cluster::servers(),
        // The broker has the session's settings; a file may name them all the same.
        &[("group.protocol", "consumer"), ("session.timeout.ms", "9000")],
    );
    let instance_id = instance_id.map(str::to_owned);
    IntakeConfig { properties, instance_id, ..config(topic, group) }
}

#[test]
fn members_without_an_instance_id_share_and_hand_over_what_is_drained() {
    let (topic, group) = (topic("epochs", 4), unique("group"));
    for partition in 0..4 {
        fill(&topic, partition, 0..100);
    }
    let mut first = Worker::start(by_epochs(&topic, &group, None));
    first.until_assigned(4);
    for partition in 0..4 {
        first.until_taken(partition, 100);
    }
    let mut second = Worker::start(by_epochs(&topic, &group, None));
    let moving = first.until_event("partitions are revoked", |event| match event {
        IntakeEvent::Revoked(partitions) => Some(partitions.clone()),
        _ => None,
    });
    assert_eq!(moving.len(), 2);
    let gone = moving[0].partition;
    first.commit(gone, 70, "drained");
    first.until_committed(gone, 70);
    second.step(Duration::from_millis(300));
    assert!(second.owned.is_empty(), "handed over before it was drained");
    for partition in &moving {
        first.release(partition.clone());
    }
    second.until_assigned(2);
    let owned: BTreeSet<i32> = second.owned.keys().copied().collect();
    assert_eq!(owned, moving.iter().map(|partition| partition.partition).collect());
    second.until_taken(gone, 30);
    assert_eq!(second.owned[&gone].offsets(), (70..100).collect::<Vec<_>>());
    first.close();
    second.close();
}

fn session(event: &IntakeEvent) -> Option<Duration> {
    match event {
        IntakeEvent::Session(session) => Some(*session),
        IntakeEvent::SessionUnknown { reason } => panic!("it can be asked for: {reason}"),
        _ => None,
    }
}

#[test]
fn the_session_is_the_brokers_or_the_groups_own_and_known_before_the_first_partition() {
    let (topic, group) = (topic("session", 1), unique("group"));
    let mut worker = Worker::start(by_epochs(&topic, &group, None));
    worker.until_assigned(1);
    let told: Vec<Duration> = worker.events.iter().filter_map(session).collect();
    assert_eq!(
        told,
        [Duration::from_millis(5_500)],
        "as the broker's `group.consumer.session.timeout.ms`"
    );
    worker.close();
    let set = ["--add-config", "consumer.session.timeout.ms=3000"];
    cluster::configure(&["--alter", "--entity-type", "groups", "--entity-name", &group], &set);
    let mut worker = Worker::start(by_epochs(&topic, &group, None));
    worker.until_assigned(1);
    let told: Vec<Duration> = worker.events.iter().filter_map(session).collect();
    assert_eq!(told, [Duration::from_millis(2_500)]);
    worker.close();
}

#[test]
fn by_the_classic_protocol_the_session_is_ours_and_not_asked_for() {
    let (topic, group) = (topic("classic", 1), unique("group"));
    let mut worker = Worker::start(config(&topic, &group));
    worker.until_assigned(1);
    assert_eq!(worker.events.iter().find_map(session), None);
    worker.close();
}

#[test]
fn an_instance_id_that_is_taken_is_waited_for() {
    let (topic, group) = (topic("taken", 2), unique("group"));
    fill(&topic, 0, 0..10);
    let member = || by_epochs(&topic, &group, Some("same"));
    let mut first = Worker::start(member());
    first.until_assigned(2);
    first.until_taken(0, 10);
    first.commit(0, 4, "");
    first.until_committed(0, 4);
    let mut second = Worker::start(member());
    // As a member that was killed leaves it until its session ends; here it lives on.
    for _ in 0..2 {
        let reason = second.until_event("it waits for its id", |event| match event {
            IntakeEvent::WaitsForId { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert!(reason.to_lowercase().contains("instance"), "{reason}");
    }
    assert!(second.owned.is_empty());
    first.close();
    second.until_assigned(2);
    second.until_taken(0, 6);
    assert_eq!(second.owned[&0].offsets(), (4..10).collect::<Vec<_>>());
    let joined = second.until_event("it has joined", |event| match event {
        IntakeEvent::Rebalanced(step) if !step.gained.is_empty() => Some(step.clone()),
        _ => None,
    });
    assert_eq!((joined.cause, joined.gained.len()), (RebalanceCause::Join, 2));
    second.commit(0, 10, "");
    second.until_committed(0, 10);
    second.close();
}
