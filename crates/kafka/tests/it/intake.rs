//! One member: starting, reading, committing, back-pressure, positions that are gone, outages.

use std::time::Duration;

use forebay_kafka::{Intake, IntakeEvent, StartPolicy, Stored};

use crate::cluster::{self, Broker, fill, properties, topic, unique};
use crate::worker::{Worker, config};

fn range(offsets: std::ops::Range<i64>) -> Vec<i64> {
    offsets.collect()
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_millis()).expect("a date of our time")
}

#[test]
fn records_come_in_order_and_commits_come_back_with_their_metadata() {
    let topic = topic("commits", 2);
    fill(&topic, 0, 0..500);
    let group = unique("group");
    let mut worker = Worker::start(config(&topic, &group));
    worker.until_assigned(2);
    assert_eq!(worker.owned[&0].assigned.stored, None);
    assert_eq!(worker.owned[&0].assigned.start, Some(0));
    assert_eq!(worker.owned[&0].assigned.log_end, 500);
    worker.until_taken(0, 500);
    assert_eq!(worker.owned[&0].offsets(), range(0..500));
    let last = worker.owned[&0].taken.last().expect("500 records");
    assert_eq!(last.value(), Some(&b"499"[..]));
    let metadata = "v1:some bytes · and more";
    worker.commit(0, 321, metadata);
    worker.until_committed(0, 321);
    worker.close();

    let mut worker = Worker::start(config(&topic, &group));
    worker.until_assigned(2);
    let stored = Stored { offset: 321, metadata: metadata.to_owned(), leader_epoch: Some(0) };
    assert_eq!(worker.owned[&0].assigned.stored, Some(stored));
    assert_eq!(worker.owned[&0].assigned.start, Some(321));
    worker.until_taken(0, 179);
    assert_eq!(worker.owned[&0].offsets(), range(321..500));
    let listed = cluster::admin().group_offsets(&group).expect("offsets");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].offset, listed[0].metadata.as_str()), (321, metadata));
    worker.close();
}

#[test]
fn headers_keys_and_nulls_arrive_as_they_were_sent() {
    let topic = topic("headers", 1);
    let producer = cluster::producer(cluster::servers());
    // Retention takes what is old.
    let timestamp = now_ms() - 60_000;
    let record = forebay_kafka::Send {
        topic: &topic,
        partition: Some(0),
        key: Some(b"key"),
        value: None,
        headers: &[("a", Some(b"1")), ("b", None), ("a", Some(b""))],
        timestamp_ms: Some(timestamp),
    };
    assert!(producer.send(record, Box::new(|result| assert!(result.is_ok()))).is_ok());
    producer.flush(cluster::PATIENCE).expect("flushed");
    let mut worker = Worker::start(config(&topic, &unique("group")));
    worker.until_taken(0, 1);
    let taken = &worker.owned[&0].taken[0];
    assert_eq!((taken.key(), taken.value()), (Some(&b"key"[..]), None));
    assert_eq!(taken.timestamp_ms, timestamp);
    let headers: Vec<_> = taken.headers().collect();
    assert_eq!(headers, [("a", Some(&b"1"[..])), ("b", None), ("a", Some(&b""[..]))]);
    worker.close();
}

#[test]
fn a_full_queue_stops_its_partition_only_and_nothing_is_lost_or_doubled() {
    let topic = topic("pressure", 2);
    fill(&topic, 0, 0..20_000);
    fill(&topic, 1, 0..20_000);
    let bounded =
        forebay_kafka::IntakeConfig { records_max: 1_000, ..config(&topic, &unique("group")) };
    let mut worker = Worker::start(bounded);
    worker.until_assigned(2);
    // Nobody takes of partition 0; all of partition 1 comes through beside it.
    worker.until_taken(1, 20_000);
    assert_eq!(worker.owned[&1].offsets(), range(0..20_000));
    let held = worker.owned[&0].queue().len();
    assert!((300..=500).contains(&held), "half of the bound is a partition's share: {held}");
    // Then it goes on where it stopped, through many pauses.
    worker.until("20000 records of partition 0, bounded all the way", |worker| {
        let held = worker.owned[&0].queue().len();
        assert!(held <= 500, "{held} held; events {:?}", worker.events);
        worker.take(0);
        worker.owned[&0].taken.len() >= 20_000
    });
    assert_eq!(worker.owned[&0].offsets(), range(0..20_000));
    worker.close();
}

#[test]
fn bytes_bound_a_queue_and_one_large_record_goes_alone() {
    let topic = topic("bytes", 1);
    let producer = cluster::producer(cluster::servers());
    for _ in 0..20 {
        cluster::put(&producer, &topic, 0, &[7; 300_000]);
    }
    producer.flush(cluster::PATIENCE).expect("flushed");
    let bounded =
        forebay_kafka::IntakeConfig { bytes_max: 100_000, ..config(&topic, &unique("group")) };
    let mut worker = Worker::start(bounded);
    worker.until("all 20, one at a time", |worker| {
        if let Some(owned) = worker.owned.get(&0) {
            assert!(owned.queue().len() <= 1);
        }
        worker.take(0);
        worker.owned.get(&0).is_some_and(|owned| owned.taken.len() == 20)
    });
    worker.close();
}

#[test]
fn the_start_policy_holds_where_nothing_is_committed() {
    let topic = topic("policy", 1);
    let middle = now_ms() + 3_600_000;
    fill(&topic, 0, 0..10);
    let producer = cluster::producer(cluster::servers());
    let record = forebay_kafka::Send {
        topic: &topic,
        partition: Some(0),
        key: None,
        value: Some(b"late"),
        headers: &[],
        timestamp_ms: Some(middle),
    };
    assert!(producer.send(record, Box::new(|result| assert!(result.is_ok()))).is_ok());
    producer.flush(cluster::PATIENCE).expect("flushed");
    for (start, expected) in [
        (StartPolicy::Earliest, Some(0)),
        (StartPolicy::Latest, Some(11)),
        (StartPolicy::Time(middle - 1), Some(10)),
        (StartPolicy::Time(middle + 1), Some(11)),
        (StartPolicy::None, None),
    ] {
        let with = forebay_kafka::IntakeConfig { start, ..config(&topic, &unique("group")) };
        let mut worker = Worker::start(with);
        worker.until_assigned(1);
        assert_eq!(worker.owned[&0].assigned.start, expected, "{start:?}");
        if start == StartPolicy::None {
            worker.intake.seek(worker.named(0), 8);
            worker.until_taken(0, 3);
            assert_eq!(worker.owned[&0].offsets(), [8, 9, 10]);
        }
        worker.close();
    }
}

#[test]
fn an_offset_that_is_gone_is_an_event_and_never_a_jump() {
    let topic = topic("gone", 1);
    fill(&topic, 0, 0..100);
    let group = unique("group");
    let mut worker = Worker::start(config(&topic, &group));
    worker.until_taken(0, 100);
    worker.commit(0, 40, "");
    worker.until_committed(0, 40);
    let partition = worker.named(0);
    worker.close();
    cluster::admin().delete_records(&partition, 60).expect("deleted");
    let mut worker = Worker::start(config(&topic, &group));
    worker.until_assigned(1);
    let gone = worker.until_event("the offset is out of range", |event| match event {
        IntakeEvent::OutOfRange { offset, log_start, log_end, .. } => {
            Some((*offset, *log_start, *log_end))
        }
        _ => None,
    });
    assert_eq!(gone, (40, 60, 100));
    assert_eq!(worker.take(0), 0);
    worker.intake.seek(worker.named(0), 97);
    worker.until_taken(0, 3);
    assert_eq!(worker.owned[&0].offsets(), [97, 98, 99]);
    worker.close();
}

#[test]
fn watermarks_follow_the_log_even_while_a_partition_is_stopped() {
    let topic = topic("marks", 1);
    fill(&topic, 0, 0..50);
    let bounded = forebay_kafka::IntakeConfig { records_max: 10, ..config(&topic, &unique("g")) };
    let mut worker = Worker::start(bounded);
    worker.until_assigned(1);
    let partition = worker.named(0);
    fill(&topic, 0, 50..60);
    worker.until("the watermark says 60", |worker| {
        worker.intake.watermarks(&partition).is_some_and(|marks| marks.log_end == 60)
    });
    assert!(worker.owned[&0].queue().len() <= 10);
    worker.close();
}

#[test]
fn a_topic_that_does_not_exist_is_told_once_and_read_when_it_does() {
    let name = unique("missing");
    let mut worker = Worker::start(config(&name, &unique("group")));
    let error = worker.until_event("the topic is unavailable", |event| match event {
        IntakeEvent::Unavailable { topic, error, missing: true } => {
            Some(format!("{topic}: {error}"))
        }
        _ => None,
    });
    assert!(error.starts_with(&name), "{error}");
    cluster::create(&cluster::admin(), &name, 1, &[]);
    fill(&name, 0, 0..3);
    worker.until_taken(0, 3);
    let again = worker.events.iter().any(|event| matches!(event, IntakeEvent::Unavailable { .. }));
    assert!(!again, "{:?}", worker.events);
    worker.close();
}

#[test]
fn a_topic_that_comes_back_for_others_is_told_without_an_assignment() {
    let (there, name) = (topic("there", 1), unique("missing"));
    let both = forebay_kafka::IntakeConfig {
        topics: vec![there.clone(), name.clone()],
        ..config(&there, &unique("group"))
    };
    let mut worker = Worker::start(both);
    worker.until_event("the topic is unavailable", |event| match event {
        IntakeEvent::Unavailable { topic, .. } => (**topic == *name).then_some(()),
        _ => None,
    });
    cluster::create(&cluster::admin(), &name, 1, &[]);
    worker.until_event("the topic is available", |event| match event {
        IntakeEvent::Available { topic } => (**topic == *name).then_some(()),
        _ => None,
    });
    worker.close();
}

#[test]
fn an_unreachable_cluster_is_told_once_and_so_is_its_return() {
    // A broker is started only to learn a free port, and later to come back on it.
    let mut broker = Broker::start(None);
    let servers = broker.servers.clone();
    let admin = forebay_kafka::Admin::new(&properties(&servers), cluster::PATIENCE);
    let name = unique("outage");
    cluster::create(&admin.expect("an admin client"), &name, 1, &[]);
    broker.kill();
    let away = forebay_kafka::IntakeConfig {
        properties: properties(&servers),
        ..config(&name, &unique("group"))
    };
    let mut worker = Worker::start(away);
    let reason = worker.until_event("it is unreachable", |event| match event {
        IntakeEvent::Unreachable { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("refused"), "{reason}");
    broker.restart();
    worker.until_event("it is reachable", |event| {
        matches!(event, IntakeEvent::Reachable).then_some(())
    });
    worker.until_assigned(1);
    let producer = cluster::producer(&servers);
    cluster::put(&producer, &name, 0, b"x");
    producer.flush(cluster::PATIENCE).expect("flushed");
    worker.until_taken(0, 1);

    broker.restart();
    worker.until_event("it is unreachable again", |event| {
        matches!(event, IntakeEvent::Unreachable { .. }).then_some(())
    });
    worker.until_event("it is reachable again", |event| {
        matches!(event, IntakeEvent::Reachable).then_some(())
    });
    let producer = cluster::producer(&servers);
    cluster::put(&producer, &name, 0, b"y");
    producer.flush(cluster::PATIENCE).expect("flushed");
    worker.until_taken(0, 2);
    let more: Vec<_> = worker
        .events
        .iter()
        .filter(|event| matches!(event, IntakeEvent::Unreachable { .. } | IntakeEvent::Reachable))
        .collect();
    assert!(more.is_empty(), "{more:?}");
    worker.close();
}

#[test]
fn closing_while_nobody_answers_ends_at_the_deadline() {
    let nobody =
        forebay_kafka::IntakeConfig { properties: properties("127.0.0.1:1"), ..config("t", "g") };
    let intake = Intake::start(nobody, std::sync::Arc::new(|| ())).expect("an intake");
    let began = std::time::Instant::now();
    intake.close(Duration::from_secs(2));
    assert!(began.elapsed() < Duration::from_secs(4));
}
