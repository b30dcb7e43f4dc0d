//! A new owner of a partition goes on where the last one was: what that one had settled, also
//! beyond the commit point, is not delivered again, and attempts are counted on.

use std::collections::BTreeMap;

use forebay_trial::{Act, Journal, Rule, Script, Service};
use forebay_wire::CommitMetadata;

use super::deliver::gateway;
use super::kafka::Kafka;
use super::process::eventually;

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
    let more = "commit = { drain = \"1s\" }";
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

#[test]
fn attempts_are_counted_on_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("counted", 1);
    let failing = Script::accepting().rule(Rule::answering(500).key("key-0"));
    let service = Service::start(failing, &journal);
    kafka.fill("counted", 0..100, 100);
    let more = "retry = { backoff = \"20ms..50ms\", attempts = 1000 }";
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
