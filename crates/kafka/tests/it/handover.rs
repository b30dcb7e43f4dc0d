//! Two members: cooperative hand-over with draining, static members, commits of what is not ours.

use std::time::{Duration, Instant};

use forebay_kafka::{Commit, IntakeConfig, IntakeEvent, TakenBy, TopicPartition};

use crate::cluster::{self, Broker, fill, topic, unique};
use crate::worker::{Worker, config};

fn revoked(event: &IntakeEvent) -> Option<Vec<TopicPartition>> {
    match event {
        IntakeEvent::Revoked(partitions) => Some(partitions.clone()),
        _ => None,
    }
}

#[test]
fn a_hand_over_waits_for_the_drain_while_other_partitions_flow() {
    let topic = topic("drain", 4);
    let group = unique("group");
    let mut first = Worker::start(config(&topic, &group));
    first.until_assigned(4);
    for partition in 0..4 {
        fill(&topic, partition, 0..100);
        first.until_taken(partition, 100);
    }
    let mut second = Worker::start(config(&topic, &group));
    let moving = first.until_event("partitions are revoked", revoked);
    assert_eq!(moving.len(), 2, "{moving:?}");
    let stays = (0..4).filter(|n| moving.iter().all(|gone| gone.partition != *n));
    let stays: Vec<i32> = stays.collect();

    // While the drain lasts: what stays flows (far more than was read ahead), the second member
    // gets nothing, and the moving ones give nothing but can be committed.
    for stay in &stays {
        fill(&topic, *stay, 100..30_000);
        first.until_taken(*stay, 30_000);
    }
    let gone = moving[0].partition;
    fill(&topic, gone, 100..110);
    first.commit(gone, 70, "drained");
    first.until_committed(gone, 70);
    second.step(Duration::from_millis(300));
    assert!(second.owned.is_empty(), "handed over before it was drained");
    assert_eq!(first.take(gone), 0);
    assert!(first.owned[&gone].queue().is_closed());

    for partition in &moving {
        first.intake.release(partition.clone());
    }
    second.until_assigned(2);
    let stored = second.owned[&gone].assigned.stored.clone().expect("a commit");
    assert_eq!((stored.offset, stored.metadata.as_str()), (70, "drained"));
    second.until_taken(gone, 40);
    assert_eq!(second.owned[&gone].offsets(), (70..110).collect::<Vec<_>>());
    for stay in &stays {
        assert_eq!(first.owned[stay].offsets(), (0..30_000).collect::<Vec<_>>());
    }

    // What was released can't be committed by its former owner.
    first.commit(gone, 100, "late");
    first.until_event("the late commit is refused", |event| match event {
        IntakeEvent::CommitFailed { partition, retry: false, .. } => {
            (partition.partition == gone).then_some(())
        }
        _ => None,
    });
    let offsets = cluster::admin().group_offsets(&group).expect("offsets");
    let kept = offsets.iter().find(|offset| offset.partition.partition == gone);
    assert_eq!(kept.expect("still there").offset, 70);
    first.close();
    second.close();
}

#[test]
fn a_drain_that_is_never_released_ends_at_its_deadline() {
    let topic = topic("deadline", 2);
    let group = unique("group");
    let short = || IntakeConfig { drain: Duration::from_secs(3), ..config(&topic, &group) };
    let mut first = Worker::start(short());
    first.until_assigned(2);
    let mut second = Worker::start(short());
    first.until_event("a partition is revoked", revoked);
    let began = Instant::now();
    second.until_assigned(1);
    let lasted = began.elapsed();
    assert!(lasted > Duration::from_millis(2_800), "handed over after {lasted:?}");
    first.close();
    second.close();
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let topic = topic("static", 4);
    let group = unique("group");
    let member = |instance: &str| IntakeConfig {
        instance_id: Some(instance.to_owned()),
        ..config(&topic, &group)
    };
    let mut first = Worker::start(member("a"));
    first.until_assigned(4);
    let mut second = Worker::start(member("b"));
    for partition in first.until_event("partitions are revoked", revoked) {
        first.release(partition);
    }
    second.until_assigned(2);
    let before: Vec<i32> = second.owned.keys().copied().collect();
    let generation = generations(&group);
    second.close();
    let mut second = Worker::start(member("b"));
    second.until_assigned(2);
    assert_eq!(second.owned.keys().copied().collect::<Vec<_>>(), before);
    fill(&topic, before[0], 0..10);
    second.until_taken(before[0], 10);
    first.step(Duration::from_millis(500));
    let moved = first
        .events
        .iter()
        .any(|event| matches!(event, IntakeEvent::Revoked(_) | IntakeEvent::Lost(..)));
    assert!(!moved, "{:?}", first.events);
    assert_eq!(generations(&group), generation, "a generation is a rebalance");
    first.close();
    second.close();
}

#[test]
fn a_static_member_that_resigns_is_gone_at_once() {
    let topic = topic("resigns", 4);
    let group = unique("group");
    let member = |instance: &str| IntakeConfig {
        instance_id: Some(instance.to_owned()),
        ..config(&topic, &group)
    };
    let mut first = Worker::start(member("a"));
    first.until_assigned(4);
    let mut second = Worker::start(member("b"));
    for partition in first.until_event("partitions are revoked", revoked) {
        first.release(partition);
    }
    second.until_assigned(2);
    let began = Instant::now();
    assert!(second.intake.resign(Duration::from_secs(10)));
    first.until_assigned(4);
    assert!(began.elapsed() < Duration::from_secs(20), "no session was waited for");
    first.close();
}

/// The group's generations so far, read where Kafka keeps them (`__consumer_offsets`, KIP-345).
fn generations(group: &str) -> Vec<i32> {
    use forebay_kafka::{ReadFrom, Reader, ReaderItem};
    let properties = cluster::properties(cluster::servers());
    let mut reader = Reader::start(
        &properties,
        "__consumer_offsets",
        None,
        ReadFrom::Beginning,
        cluster::PATIENCE,
    )
    .expect("a reader");
    let mut generations = Vec::new();
    while !reader.is_at_end() {
        match reader.next(cluster::PATIENCE).expect("there is more") {
            ReaderItem::Record(_, record) => {
                generations.extend(generation_in(record.key(), record.value(), group));
            }
            ReaderItem::End(_) => {}
            ReaderItem::Failed(error) => panic!("{error}"),
        }
    }
    generations.dedup();
    generations
}

/// Key: version 2, the group. Value: version, protocol type, generation.
fn generation_in(key: Option<&[u8]>, value: Option<&[u8]>, group: &str) -> Option<i32> {
    let (key, value) = (key?, value?);
    let (version, name) = key.split_at_checked(4)?;
    if version[..2] != [0, 2] || name != group.as_bytes() {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*value.get(2)?, *value.get(3)?]));
    let generation = value.get(4 + length..8 + length)?;
    Some(i32::from_be_bytes(generation.try_into().ok()?))
}

#[test]
fn of_two_with_one_instance_id_each_is_fenced_and_comes_back_until_one_leaves() {
    let topic = topic("fenced", 1);
    let group = unique("group");
    let same = || IntakeConfig { instance_id: Some("same".to_owned()), ..config(&topic, &group) };
    let mut first = Worker::start(same());
    first.until_assigned(1);
    let mut second = Worker::start(same());
    second.until_assigned(1);
    // A commit makes the first one hear of it at once; else its next heartbeat does.
    first.commit(0, 0, "");
    first.until_event("the partition is lost", |event| {
        matches!(event, IntakeEvent::Lost(..)).then_some(())
    });
    // At first it may be our own former self; fenced once more, it is not.
    for expected in [TakenBy::Former, TakenBy::Another] {
        let refused = |event: &IntakeEvent| match event {
            IntakeEvent::WaitsForId { instance_id, taken_by, .. } => {
                Some((instance_id.clone(), *taken_by))
            }
            _ => None,
        };
        let told = first.until_event("it waits for its id", refused);
        assert_eq!(told, ("same".to_owned(), expected));
        first.owned.clear();
    }
    second.close();
    first.until_assigned(1);
    fill(&topic, 0, 0..10);
    first.until_taken(0, 10);
    first.commit(0, 10, "mine");
    // The commit that was fenced was told as failed; this one is Kafka's.
    first.until_event("the commit of the rebuilt member", |event| match event {
        IntakeEvent::Committed { offset, .. } => (*offset == 10).then_some(()),
        _ => None,
    });
    let finished = first.events.iter().any(|event| matches!(event, IntakeEvent::Fatal(_)));
    assert!(!finished, "{:?}", first.events);
    first.close();
}

#[test]
fn a_worker_that_sleeps_keeps_its_membership() {
    let topic = topic("asleep", 1);
    let asleep = IntakeConfig {
        properties: cluster::properties_with(
            cluster::servers(),
            &[
                ("session.timeout.ms", "3000"),
                ("heartbeat.interval.ms", "1000"),
                ("max.poll.interval.ms", "3000"),
            ],
        ),
        ..config(&topic, &unique("group"))
    };
    let mut worker = Worker::start(asleep);
    worker.until_assigned(1);
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        // The worker hears what comes and never takes a record.
        worker.step(Duration::from_millis(500));
    }
    let moved = worker
        .events
        .iter()
        .any(|event| matches!(event, IntakeEvent::Revoked(_) | IntakeEvent::Lost(..)));
    assert!(!moved, "{:?}", worker.events);
    worker.close();
}

#[test]
fn a_commit_that_waits_behind_another_can_be_taken_back() {
    let broker = Broker::start(None);
    let properties = cluster::properties(&broker.servers);
    let (name, group) = (unique("forget"), unique("group"));
    let admin = forebay_kafka::Admin::new(&properties, cluster::PATIENCE).expect("an admin client");
    cluster::create(&admin, &name, 2, &[]);
    let mut worker = Worker::start(IntakeConfig { properties, ..config(&name, &group) });
    worker.until_assigned(2);
    broker.signal("STOP");
    worker.commit(0, 5, "out");
    // Each is answered at once; with the second, what was there before the first has been sent.
    for offset in [1, 2] {
        let partition = TopicPartition::new("another", 0);
        worker.intake.commit([Commit { partition, offset, metadata: String::new() }]);
        worker.until_event("it is not ours", |event| {
            matches!(event, IntakeEvent::CommitFailed { offset: of, .. } if *of == offset)
                .then_some(())
        });
    }
    worker.commit(1, 7, "waits");
    worker.intake.forget(worker.named(0));
    worker.intake.forget(worker.named(1));
    let back = worker.until_event("what was not sent is taken back", |event| match event {
        IntakeEvent::Forgotten { partition, offset } => Some((partition.partition, *offset)),
        _ => None,
    });
    assert_eq!(back, (1, 7));
    broker.signal("CONT");
    worker.until_committed(0, 5);
    worker.close();
    let offsets = admin.group_offsets(&group).expect("offsets");
    let kept = offsets.iter().map(|kept| (kept.partition.partition, kept.offset));
    assert_eq!(kept.collect::<Vec<_>>(), [(0, 5)]);
}

#[test]
fn a_session_that_was_not_kept_loses_its_partitions_and_gets_them_anew() {
    let broker = Broker::start(None);
    let properties = cluster::properties_with(
        &broker.servers,
        &[("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "200")],
    );
    let name = unique("session");
    let admin = forebay_kafka::Admin::new(&properties, cluster::PATIENCE).expect("an admin client");
    cluster::create(&admin, &name, 1, &[]);
    let mut worker = Worker::start(IntakeConfig { properties, ..config(&name, &unique("group")) });
    worker.until_assigned(1);
    let partition = worker.named(0);
    let before = worker.owned.remove(&0).expect("assigned");
    broker.signal("STOP");
    let lost = worker.until_event("the partition is lost", |event| match event {
        IntakeEvent::Lost(partitions, _) => Some(partitions.clone()),
        _ => None,
    });
    assert_eq!(lost, std::slice::from_ref(&partition));
    assert!(before.queue().is_closed());
    worker.intake.commit([Commit { partition, offset: 0, metadata: String::new() }]);
    worker.until_event("a commit of it is refused, though nobody answers", |event| {
        matches!(event, IntakeEvent::CommitFailed { retry: false, .. }).then_some(())
    });
    broker.signal("CONT");
    worker.until_assigned(1);
    let producer = cluster::producer(&broker.servers);
    cluster::put(&producer, &name, 0, b"x");
    producer.flush(cluster::PATIENCE).expect("flushed");
    worker.until_taken(0, 1);
    worker.close();
}
