//! What is lost, and what comes twice, where less than at least once was asked for: shown, so that
//! nobody has to find out.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_trial::{Act, Journal, Rule, Script, Service};

use super::anew::make_anew;
use super::deliver::gateway;
use super::input::Input;
use super::kafka::Kafka;
use super::process::{Forebay, eventually};

/// How often the services saw each record.
fn seen(journal: &Journal) -> BTreeMap<(i32, i64), usize> {
    let mut seen = BTreeMap::new();
    for delivery in journal.read() {
        *seen.entry((delivery.what.partition, delivery.what.offset)).or_default() += 1;
    }
    seen
}

/// Waits until nothing is left to deliver.
fn await_idle(gateway: &Forebay, kafka: &Kafka, group: &str, input: &Input) {
    kafka.await_committed(group, input);
    eventually("all answers are in", || {
        let shown = gateway.subscription();
        let partitions = shown["partitions"].as_array()?.clone();
        let held = partitions.iter().map(|held| held["held"].as_u64().unwrap_or(1)).sum::<u64>();
        (!partitions.is_empty() && held == 0 && shown["in_flight"] == 0).then_some(())
    });
}

#[test]
fn at_most_once_loses_what_a_crash_catches_and_repeats_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("once", 2);
    // Slow enough for what is committed to lie in memory for a while.
    let slow = Script::accepting().delay(Duration::from_millis(30));
    let service = Service::start(slow, &journal);
    let input = kafka.fill("once", 0..2_000, 20);
    let more = "delivery = \"at-most-once\"\ntakeover = \"fast\"\nhold = { records = 400 }";
    let start = || gateway(directory.path(), &kafka, "once", &[service.url()], more);
    for kill in 1..=3 {
        let gateway = start();
        eventually("deliveries go on", || (journal.accepted().len() >= 100 * kill).then_some(()));
        gateway.kill();
    }
    let gateway = start();
    await_idle(&gateway, &kafka, "once", &input);
    let seen = seen(&journal);
    assert!(seen.values().all(|times| *times == 1), "nothing is delivered twice");
    let lost = input.len() - seen.len();
    // What is held at a kill is committed already: half of `hold.records` is in delivery.
    assert!((1..=3 * 200).contains(&lost), "{lost} of {} are lost by three kills", input.len());
}

#[test]
fn at_most_once_loses_nothing_in_an_orderly_end_and_what_fails_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("orderly", 2);
    let failing =
        Script::accepting().delay(Duration::from_millis(2)).rule(Rule::answering(500).key("key-7"));
    let service = Service::start(failing, &journal);
    let input = kafka.fill("orderly", 0..1_000, 100);
    let more = "delivery = \"at-most-once\"\ntakeover = \"fast\"\nhold = { records = 400 }";
    let start = || gateway(directory.path(), &kafka, "orderly", &[service.url()], more);
    for stop in 1..=3 {
        let gateway = start();
        eventually("deliveries go on", || (journal.accepted().len() >= 100 * stop).then_some(()));
        assert_eq!(gateway.terminate(), 0);
    }
    let gateway = start();
    await_idle(&gateway, &kafka, "orderly", &input);
    let seen = seen(&journal);
    assert_eq!(seen.len(), input.len(), "all were delivered");
    assert!(seen.values().all(|times| *times == 1), "and none twice");
    assert_eq!(journal.accepted().len(), input.len() - 10, "key-7 failed, and is gone");
}

#[test]
fn at_most_once_what_is_committed_and_too_late_to_be_delivered_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("late", 1);
    let hangs = Script::accepting().rule(Rule::new(Act::Hang));
    let service = Service::start(hangs, &journal);
    let input = kafka.fill("late", 0..10, 1);
    let more = "delivery = \"at-most-once\"\ncommit = { drain = \"1s\" }";
    let mut gateway = gateway(directory.path(), &kafka, "late", &[service.url()], more);
    kafka.await_committed("late", &input);
    eventually("one is out", || (gateway.subscription()["in_flight"] == 1).then_some(()));
    assert_eq!(gateway.end(), 0);
    let log = gateway.log();
    assert!(log.contains("late-0 is left with 9 records that were committed"), "{log}");
}

#[test]
fn at_most_once_what_is_lost_with_a_partition_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("torn", 1);
    let hangs = Script::accepting().rule(Rule::new(Act::Hang));
    let service = Service::start(hangs, &journal);
    let input = kafka.fill("torn", 0..10, 1);
    let more = "delivery = \"at-most-once\"";
    let gateway = gateway(directory.path(), &kafka, "torn", &[service.url()], more);
    kafka.await_committed("torn", &input);
    eventually("one is out", || (gateway.subscription()["in_flight"] == 1).then_some(()));
    make_anew(&kafka, "torn", 1);
    let told = "torn-0 is left with 9 records that were committed";
    eventually("it is told", || gateway.log().contains(told).then_some(()));
}

#[test]
fn automatic_commit_loses_what_was_fetched_and_repeats_what_was_not_committed_yet() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("auto", 1);
    let service =
        Service::start(Script::accepting().rule(Rule::new(Act::Hang).while_on("stuck")), &journal);
    service.switch_on("stuck");
    let input = kafka.fill("auto", 0..50, 50);
    let more = "takeover = \"fast\"\ncommit = { mode = \"auto\", interval = \"200ms\" }";
    let start = || gateway(directory.path(), &kafka, "auto", &[service.url()], more);
    let gateway = start();
    kafka.await_committed("auto", &input);
    assert_eq!(journal.accepted().len(), 0, "committed, and nothing is answered");
    gateway.kill();
    service.switch_off("stuck");
    let more = kafka.fill("auto", 50..60, 50);
    let gateway = start();
    kafka.await_committed("auto", &more);
    await_idle(&gateway, &kafka, "auto", &more);
    assert_eq!(journal.accepted(), more.places(), "the first fifty are lost");
}
