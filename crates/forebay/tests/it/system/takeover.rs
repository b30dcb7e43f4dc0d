//! A new owner of a partition goes on where the last one was: what that one had settled, also
//! beyond the commit point, is not delivered again, and attempts are counted on.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_trial::{Act, Journal, Rule, Script, Service, clock};
use forebay_wire::CommitMetadata;

use super::deliver::gateway;
use super::group::{Group, NAMES, list};
use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};

/// How often the services saw each offset of partition 0.
fn seen(journal: &Journal) -> BTreeMap<i64, usize> {
    let mut seen = BTreeMap::new();
    for delivery in journal.read() {
        *seen.entry(delivery.what.offset).or_default() += 1;
    }
    seen
}

/// What is stored beside the group's commit in partition 0.
fn stored(kafka: &Kafka, group: &str) -> Option<(i64, CommitMetadata)> {
    let offsets = kafka.admin().group_offsets(group).expect("the group's offsets");
    let entry = offsets.into_iter().find(|entry| entry.partition.partition == 0)?;
    Some((entry.offset, CommitMetadata::decode(&entry.metadata).ok()?))
}

/// A crash, and an orderly end, with 10,000 records settled behind one that is stuck.
#[test]
fn what_is_settled_behind_a_stuck_record_is_not_delivered_again() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("behind", 1);
    let stuck = Rule::new(Act::Hang).key("key-0").while_on("stuck");
    let service = Service::start(Script::accepting().rule(stuck), &journal);
    service.switch_on("stuck");
    let more = "takeover = \"fast\"\ncommit = { drain = \"1s\" }";
    let start = || gateway(directory.path(), &kafka, "behind", &[service.url()], more);
    let mut first = kafka.fill("behind", 0..10_000, usize::MAX);
    let all_but_one = |records: i64| {
        eventually("Kafka knows what is settled behind it", || {
            let (point, metadata) = stored(&kafka, "behind")?;
            let known = (1..records).all(|offset| metadata.completion.is_settled(offset));
            (point == 0 && known && !metadata.completion.is_settled(0)).then_some(())
        });
    };
    let gateway = start();
    all_but_one(10_000);
    gateway.kill();
    first.extend(kafka.fill("behind", 10_000..10_100, usize::MAX));
    let gateway = start();
    all_but_one(10_100);
    assert_eq!(gateway.terminate(), 0);
    service.switch_off("stuck");
    let _gateway = start();
    kafka.await_committed("behind", &first);
    let mut seen = seen(&journal);
    assert_eq!(seen.remove(&0), Some(3), "once in each tenure");
    assert_eq!(seen.len(), 10_099);
    assert!(seen.values().all(|times| *times == 1), "all others once");
}

/// Nobody knows what a service does for an owner that is gone, until the deadline and the grace of
/// its last deliveries have passed; of one that ended in order it is known.
#[test]
fn after_a_crash_what_was_at_work_is_waited_for_and_after_an_orderly_end_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("handed", 1);
    let work = Rule::new(Act::Hang).key("key-0").while_on("at work");
    let service = Service::start(Script::accepting().rule(work), &journal);
    service.switch_on("at work");
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = \"test\"\n[[subscription]]\nname = \"handed\"\ntopics = [\"handed\"]\n\
         [subscription.target]\nurl = {:?}\ndeadline = \"2s\"\ngrace = \"1s\"\n",
        kafka.address,
        service.url()
    );
    let config = file(directory.path(), &text);
    let start = || Forebay::start(directory.path(), &["run", "-c", config.to_str().unwrap()]);
    let mut input = kafka.fill("handed", 0..10, 10);
    let killed = start();
    eventually("one is at work, and the others are done", || {
        let (_, metadata) = stored(&kafka, "handed")?;
        let done = (1..10).all(|offset| metadata.completion.is_settled(offset));
        (done && journal.len() == 10).then_some(())
    });
    killed.kill();
    service.switch_off("at work");
    let restarted = clock::now();
    let gateway = start();
    eventually("the wait is shown", || {
        (gateway.subscription()["partitions"][0]["stage"] == "waiting").then_some(())
    });
    kafka.await_committed("handed", &input);
    let mut deliveries = journal.read();
    deliveries.sort_by_key(|delivery| delivery.started);
    let again = deliveries.last().unwrap();
    assert_eq!((deliveries.len(), again.what.offset), (11, 0));
    let waited = again.started - restarted;
    assert!(waited >= 3_000_000_000, "it was sent after {waited} ns");
    assert!(gateway.log().contains("ended without a word"), "{}", gateway.log());
    assert_eq!(gateway.terminate(), 0);
    input.extend(kafka.fill("handed", 10..20, 10));
    let gateway = start();
    kafka.await_committed("handed", &input);
    assert!(!gateway.log().contains("ended without a word"), "{}", gateway.log());
}

#[test]
fn attempts_are_counted_on_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("counted", 1);
    let failing = Script::accepting().rule(Rule::answering(500).key("key-0"));
    let service = Service::start(failing, &journal);
    kafka.fill("counted", 0..100, 100);
    let more = "takeover = \"fast\"\nretry = { backoff = \"20ms..50ms\", attempts = 1000 }";
    let start = || gateway(directory.path(), &kafka, "counted", &[service.url()], more);
    let before = start();
    eventually("three failures are stored", || {
        let (_, metadata) = stored(&kafka, "counted")?;
        metadata
            .failed
            .iter()
            .any(|failed| failed.offset == 0 && failed.deliveries >= 3)
            .then_some(())
    });
    before.kill();
    let last = |deliveries: &[forebay_trial::Delivery]| {
        deliveries.iter().filter(|delivery| delivery.what.offset == 0).count()
    };
    let delivered = last(&journal.read());
    let _after = start();
    eventually("it is delivered again", || (last(&journal.read()) > delivered).then_some(()));
    let mut deliveries = journal.read();
    deliveries.sort_by_key(|delivery| delivery.started);
    let first_again = deliveries.iter().filter(|delivery| delivery.what.offset == 0).nth(delivered);
    let attempt = first_again.map(|delivery| delivery.what.attempt);
    let attempts = 4..=delivered as u32 + 1;
    assert!(attempt.is_some_and(|attempt| attempts.contains(&attempt)), "{attempt:?}");
}

/// The Kafka under test has a session of 6 s, where Kafka's default is 45 s, and a heartbeat each half
/// second. Only Apache Kafka has such groups (KIP-848).
#[test]
fn a_frozen_process_goes_by_the_brokers_session() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    if kafka.broker.is_some() {
        return;
    }
    let slow = Script::accepting().rule(Rule::answering(200).delay(Duration::from_millis(100)));
    let service = Service::start(slow, &journal);
    kafka.create("outlived", 4);
    let (url, topic, more) = (service.url(), "outlived", "");
    let protocol = "\"group.protocol\" = \"consumer\"";
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let gateways: Vec<Forebay> = NAMES[..2].iter().map(|name| group.start(name, "")).collect();
    for gateway in &gateways {
        group.await_whole(gateway, 4, 2);
    }
    let told = gateways[0].log();
    assert!(told.contains("believed for 5500 ms"), "{told}");
    // More than is done before the end, a record of each key after another.
    let input = kafka.fill("outlived", 0..4_000, 20);
    let own: Vec<(i64, i64)> = eventually("it delivers", || {
        let shown = group.own(&gateways[0]);
        let row = |row: &serde_json::Value| {
            (row["partition"].as_i64().unwrap(), row["tenure"].as_i64().unwrap())
        };
        let own: Vec<_> = list(&shown, "partitions").iter().map(row).collect();
        let delivered = journal.read();
        let delivers = |(partition, tenure): &(i64, i64)| {
            delivered
                .iter()
                .any(|it| i64::from(it.what.partition) == *partition && it.what.tenure == *tenure)
        };
        (own.len() == 2 && own.iter().all(delivers)).then_some(own)
    });
    gateways[0].signal("STOP");
    eventually("the other has it all", || {
        (list(&group.own(&gateways[1]), "partitions").len() == 4).then_some(())
    });
    let thawed = clock::now();
    gateways[0].signal("CONT");
    kafka.await_committed("outlived", &input);
    let of_former = journal.read().into_iter().filter(|it| {
        let place = (i64::from(it.what.partition), it.what.tenure);
        it.started > thawed && own.contains(&place)
    });
    assert_eq!(of_former.count(), 0, "sent by one whose session was over");
    let verdict = input.judge(&journal, &[]);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
}
