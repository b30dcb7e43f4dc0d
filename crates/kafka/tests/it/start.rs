//! Where partitions start: met once, and never passed over.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use forebay_kafka::{
    Admin, IntakeConfig, IntakeEvent, LossCause, NewTopic, ReadFrom, Reader, ReaderItem,
    RebalanceCause, StartPolicy,
};

use crate::cluster::{self, Broker, fill, put, topic, unique};
use crate::worker::{Worker, config};

const BOOK: &str = "__forebay";

fn latest(topic: &str, group: &str) -> IntakeConfig {
    let properties = cluster::properties_with(
        cluster::servers(),
        &[("heartbeat.interval.ms", "200"), ("metadata.max.age.ms", "300000")],
    );
    IntakeConfig { properties, start: StartPolicy::Latest, ..config(topic, group) }
}

/// What the book has of a group: value by key, in the order of the log.
fn entries(group: &str) -> Vec<(String, String)> {
    let properties = cluster::properties(cluster::servers());
    let from = ReadFrom::Beginning;
    let mut reader = Reader::start(&properties, BOOK, None, from, cluster::PATIENCE).unwrap();
    let mut found = Vec::new();
    while !reader.is_at_end() {
        match reader.next(cluster::PATIENCE).expect("there is more") {
            ReaderItem::Record(_, record) => {
                let text = |bytes: Option<&[u8]>| {
                    String::from_utf8(bytes.expect("it is there").to_vec()).unwrap()
                };
                let key = text(record.key());
                // What others keep there may be taken back.
                if key.starts_with(&format!("start/{group}/")) {
                    found.push((key, text(record.value())));
                }
            }
            ReaderItem::End(_) => {}
            ReaderItem::Failed(error) => panic!("{error}"),
        }
    }
    found
}

/// Deletes a topic and makes one of the same name.
pub(crate) fn make_anew(admin: &Admin, topic: &str, partitions: i32) {
    admin.delete_topic(topic).expect("deleted");
    let began = Instant::now();
    while admin.describe_topic(topic).expect("described").is_some() {
        assert!(began.elapsed() < cluster::PATIENCE);
    }
    cluster::create(admin, topic, partitions, &[]);
}

fn starts(worker: &Worker) -> BTreeMap<i32, Option<i64>> {
    worker.owned.iter().map(|(number, owned)| (*number, owned.assigned.start)).collect()
}

#[test]
fn latest_is_met_once_for_all_partitions_and_others_are_read_from_their_beginning() {
    let (topic, group) = (topic("met", 2), unique("group"));
    fill(&topic, 0, 0..5);
    fill(&topic, 1, 0..7);
    let mut worker = Worker::start(latest(&topic, &group));
    worker.until_assigned(2);
    assert_eq!(starts(&worker), BTreeMap::from([(0, Some(5)), (1, Some(7))]));
    worker.close();
    let written = entries(&group);
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0].0.starts_with(&format!("start/{group}/{topic}/")), "{written:?}");
    assert!(written[0].1.contains(r#""offsets":{"0":5,"1":7}"#), "{written:?}");

    // Nothing was committed, and more was written: it is not passed over.
    fill(&topic, 0, 5..9);
    cluster::admin().create_partitions(&topic, 3).expect("a third partition");
    fill(&topic, 2, 0..4);
    let mut worker = Worker::start(latest(&topic, &group));
    worker.until_assigned(3);
    assert_eq!(starts(&worker), BTreeMap::from([(0, Some(5)), (1, Some(7)), (2, Some(0))]));
    worker.until_taken(0, 4);
    worker.until_taken(2, 4);
    worker.close();
    assert_eq!(entries(&group).len(), 1, "it is written once");
}

#[test]
fn what_starts_at_once_agrees() {
    let (topic, group) = (topic("agrees", 4), unique("group"));
    fill(&topic, 0, 0..3);
    let mut workers: Vec<Worker> = (0..4).map(|_| Worker::start(latest(&topic, &group))).collect();
    // They push partitions to and fro; each that is given a start is given the same.
    let end = Instant::now() + cluster::PATIENCE;
    let mut met: BTreeMap<i32, i64> = BTreeMap::new();
    let mut owners = 0;
    while owners < 4 {
        assert!(Instant::now() < end);
        owners = 0;
        for worker in &mut workers {
            worker.step(std::time::Duration::from_millis(50));
            let mut free = Vec::new();
            worker.events.retain(|event| match event {
                IntakeEvent::Revoked(partitions) => {
                    free.extend(partitions.clone());
                    false
                }
                _ => true,
            });
            for partition in free {
                worker.release(partition);
            }
            for (number, start) in starts(worker) {
                let start = start.expect("latest always has one");
                assert_eq!(*met.entry(number).or_insert(start), start, "partition {number}");
            }
            owners += usize::from(!worker.owned.is_empty());
        }
        for partition in 0..4 {
            fill(&topic, partition, 0..1);
        }
    }
    for worker in &mut workers {
        worker.intake.close(std::time::Duration::from_secs(5));
    }
}

#[test]
fn earliest_and_none_keep_no_book() {
    let (topic, group) = (topic("bookless", 1), unique("group"));
    fill(&topic, 0, 0..5);
    for (start, expected) in [(StartPolicy::Earliest, Some(0)), (StartPolicy::None, None)] {
        let mut worker = Worker::start(IntakeConfig { start, ..latest(&topic, &group) });
        worker.until_assigned(1);
        assert_eq!(worker.owned[&0].assigned.start, expected, "{start:?}");
        worker.close();
    }
    if cluster::admin().describe_topic(BOOK).expect("described").is_some() {
        assert!(entries(&group).is_empty());
    }
}

#[test]
fn a_time_is_met_once_as_well() {
    let (topic, group) = (topic("time", 1), unique("group"));
    fill(&topic, 0, 0..5);
    let time = |ms| IntakeConfig { start: StartPolicy::Time(ms), ..latest(&topic, &group) };
    let mut worker = Worker::start(time(i64::MAX));
    worker.until_assigned(1);
    assert_eq!(worker.owned[&0].assigned.start, Some(5), "nothing is that young");
    worker.close();
    fill(&topic, 0, 5..6);
    let mut worker = Worker::start(time(0));
    worker.until_assigned(1);
    assert_eq!(worker.owned[&0].assigned.start, Some(5), "what was met once stays");
    worker.close();
}

#[test]
fn a_group_taken_over_is_remembered_with_what_it_had_committed() {
    let (topic, group) = (topic("taken-over", 2), unique("group"));
    fill(&topic, 0, 0..9);
    fill(&topic, 1, 0..9);
    let mut worker = Worker::start(config(&topic, &group));
    worker.until_assigned(2);
    worker.commit(0, 6, "by another product");
    worker.until_committed(0, 6);
    worker.close();
    let mut worker = Worker::start(latest(&topic, &group));
    worker.until_assigned(2);
    assert_eq!(starts(&worker), BTreeMap::from([(0, Some(6)), (1, Some(0))]));
    worker.close();
    assert!(entries(&group)[0].1.contains(r#""offsets":{"0":6}"#), "{:?}", entries(&group));
    // An administrator deletes the group's offsets.
    cluster::admin().delete_group(&group).expect("deleted");
    let mut worker = Worker::start(latest(&topic, &group));
    worker.until_assigned(2);
    assert_eq!(starts(&worker), BTreeMap::from([(0, Some(6)), (1, Some(0))]));
    worker.close();
}

#[test]
fn a_topic_made_anew_while_nobody_looks_starts_at_its_beginning() {
    for start in [StartPolicy::Latest, StartPolicy::Earliest] {
        let (topic, group) = (topic("anew", 1), unique("group"));
        let with = || IntakeConfig { start, ..latest(&topic, &group) };
        fill(&topic, 0, 0..5);
        let mut worker = Worker::start(with());
        worker.until_assigned(1);
        worker.commit(0, 5, "");
        worker.until_committed(0, 5);
        worker.close();
        let admin = cluster::admin();
        make_anew(&admin, &topic, 1);
        // Kafka forgets the offsets soon after.
        let began = Instant::now();
        while !admin.group_offsets(&group).expect("offsets").is_empty() {
            assert!(began.elapsed() < cluster::PATIENCE);
        }
        fill(&topic, 0, 0..8);
        let mut worker = Worker::start(with());
        worker.until_assigned(1);
        assert_eq!(worker.owned[&0].assigned.start, Some(0), "{start:?}");
        worker.until_taken(0, 8);
        worker.close();
    }
}

#[test]
fn a_commit_that_names_another_topic_is_of_a_former_one() {
    let (topic, group) = (topic("former", 2), unique("group"));
    fill(&topic, 0, 0..5);
    fill(&topic, 1, 0..5);
    let told = |metadata: &str| metadata.strip_prefix("id=").map(str::to_owned);
    let with = || IntakeConfig { committed_for: Some(told), ..config(&topic, &group) };
    let mut worker = Worker::start(with());
    worker.until_assigned(2);
    let id = worker.owned[&0].assigned.topic_id.clone().expect("topics have ids");
    worker.commit(0, 3, "id=AAAAAAAAAAAAAAAAAAAAAA");
    worker.commit(1, 3, &format!("id={id}"));
    worker.until_committed(0, 3);
    worker.until_committed(1, 3);
    worker.close();
    let mut worker = Worker::start(with());
    worker.until_assigned(2);
    assert_eq!(starts(&worker), BTreeMap::from([(0, Some(0)), (1, Some(3))]));
    assert_eq!(worker.owned[&0].assigned.stored, None, "nothing in it is of this topic");
    worker.close();
}

#[test]
fn a_topic_made_anew_under_a_running_intake_is_read_from_its_beginning() {
    let (topic, group) = (topic("under", 1), unique("group"));
    fill(&topic, 0, 0..20);
    let mut worker = Worker::start(latest(&topic, &group));
    worker.until_assigned(1);
    fill(&topic, 0, 20..30);
    worker.until_taken(0, 10);
    worker.commit(0, 30, "");
    worker.until_committed(0, 30);
    make_anew(&cluster::admin(), &topic, 1);
    // As many as are needed for the old position to be in the new log.
    fill(&topic, 0, 0..50);
    let lost = worker.until_event("the former partition is lost or revoked", |event| match event {
        IntakeEvent::Lost(_, LossCause::TopicAnew) => Some(true),
        IntakeEvent::Revoked(_) => Some(false),
        _ => None,
    });
    if !lost {
        let partition = worker.named(0);
        worker.intake.release(partition);
    }
    worker.until("all of the new topic", |worker| {
        worker.take(0);
        let owned = &worker.owned[&0];
        owned.assigned.start == Some(0) && owned.offsets() == (0..50).collect::<Vec<_>>()
    });
    worker.close();
}

/// A leader's epochs (KIP-320) rise with each of its returns, and begin anew with a new topic.
#[test]
fn a_topic_made_anew_whose_former_leaders_had_changed_is_read_too() {
    let mut broker = Broker::start(None);
    let properties = cluster::properties_with(&broker.servers, &[("heartbeat.interval.ms", "200")]);
    let admin = Admin::new(&properties, cluster::PATIENCE).expect("an admin client");
    let name = unique("moved");
    cluster::create(&admin, &name, 1, &[]);
    let servers = broker.servers.clone();
    let fill = |values: Range<i64>| {
        let producer = cluster::producer(&servers);
        values.for_each(|value| put(&producer, &name, 0, value.to_string().as_bytes()));
        producer.flush(cluster::PATIENCE).expect("all is acknowledged");
    };
    let mut worker = Worker::start(IntakeConfig { properties, ..config(&name, &unique("group")) });
    worker.until_assigned(1);
    fill(0..5);
    worker.until_taken(0, 5);
    broker.restart();
    fill(5..10);
    worker.until_taken(0, 10);
    make_anew(&admin, &name, 1);
    fill(0..50);
    worker.until_event("the former partition is lost", |event| {
        matches!(event, IntakeEvent::Lost(_, LossCause::TopicAnew)).then_some(())
    });
    worker.until("all of the new topic", |worker| {
        worker.take(0);
        worker.owned[&0].offsets() == (0..50).collect::<Vec<_>>()
    });
    worker.close();
}

#[test]
fn partitions_that_are_added_are_heard_of_soon() {
    let (topic, group) = (topic("added", 1), unique("group"));
    let mut worker = Worker::start(latest(&topic, &group));
    worker.until_assigned(1);
    // The first survey knows one.
    worker.step(std::time::Duration::from_secs(1));
    fill(&topic, 0, 0..1);
    worker.until_taken(0, 1);
    let joined = worker.until_event("the first rebalance", |event| match event {
        IntakeEvent::Rebalanced(step) => Some(step.clone()),
        _ => None,
    });
    assert_eq!((joined.cause, joined.gained.len()), (RebalanceCause::Join, 1));
    cluster::admin().create_partitions(&topic, 3).expect("two more");
    fill(&topic, 2, 0..5);
    worker.until_assigned(3);
    worker.until_taken(2, 5);
    assert_eq!(worker.owned[&2].assigned.start, Some(0));
    let grown = worker.until_event("the second rebalance", |event| match event {
        IntakeEvent::Rebalanced(step) if !step.gained.is_empty() => Some(step.clone()),
        _ => None,
    });
    assert_eq!((grown.cause, grown.gained.len()), (RebalanceCause::Partitions, 2));
    worker.close();
}

/// As a program of a later version, or a slip of somebody's, leaves it.
#[test]
fn where_the_book_cant_be_read_what_is_not_committed_stands_still() {
    for (value, why) in [("{\"v\":1,", "damaged"), ("{\"v\":9}", "newer")] {
        let (topic, group) = (topic("unreadable", 2), unique("group"));
        fill(&topic, 0, 0..9);
        fill(&topic, 1, 0..9);
        let mut worker = Worker::start(config(&topic, &group));
        worker.until_assigned(2);
        worker.commit(0, 4, "");
        worker.until_committed(0, 4);
        worker.close();
        let admin = cluster::admin();
        if admin.describe_topic(BOOK).expect("described").is_none() {
            // Another test may be making it.
            let configs = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
            let (name, partitions, replication) = (BOOK.to_owned(), 1, 1);
            let _ = admin.create_topic(&NewTopic { name, partitions, replication, configs });
        }
        let key = format!("start/{group}/{topic}/0");
        cluster::put_keyed(BOOK, &key, value.as_bytes());
        // It holds for those that come later, too.
        cluster::put_keyed(
            BOOK,
            &format!("start/{group}/{topic}/1"),
            br#"{"v":1,"topic_id":null,"at_ms":1,"offsets":{"1":9}}"#,
        );

        let mut worker = Worker::start(latest(&topic, &group));
        worker.until_assigned(2);
        assert_eq!(starts(&worker), BTreeMap::from([(0, Some(4)), (1, None)]));
        let lost = worker.owned[&1].assigned.start_lost.clone().expect("it is said why");
        assert!(lost.contains(&key) && lost.contains(why), "{lost}");
        worker.until_taken(0, 5);
        assert_eq!(worker.take(1), 0);
        worker.intake.seek(worker.named(1), 7);
        worker.until_taken(1, 2);
        assert_eq!(worker.owned[&1].offsets(), [7, 8]);
        worker.close();
    }
}
