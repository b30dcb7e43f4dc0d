//! Where delivery begins: whatever happens to topics, partitions and committed offsets while the
//! gateway is down or runs, nothing that was written since the group met its topic is passed over.

use std::path::Path;
use std::time::Instant;

use forebay_kafka::TopicPartition;
use forebay_trial::{Journal, Rule, Script, Service};
use forebay_wire::CommitMetadata;
use serde_json::{Value, json};

use super::deliver::gateway;
use super::input::{Input, Sending};
use super::kafka::Kafka;
use super::process::{Forebay, SOON, eventually};

/// Runs the gateway until it has partitions and has claimed them, then ends it.
fn meet(directory: &Path, kafka: &Kafka, topic: &str, url: &str, more: &str, partitions: usize) {
    let gateway = gateway(directory, kafka, topic, &[url.to_owned()], more);
    eventually("the partitions are claimed", || {
        (kafka.committed(topic).len() == partitions).then_some(())
    });
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn partitions_that_are_added_are_read_from_their_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("grows", 1);
    kafka.fill("grows", 0..20, 5);
    let more = "start = \"latest\"";
    meet(directory.path(), &kafka, "grows", &service.url(), more, 1);
    kafka.admin().create_partitions("grows", 3).expect("two more while it is down");
    let mut input = kafka.fill("grows", 20..220, 50);
    assert!(input.of(2).len() > 0);
    let gateway = gateway(directory.path(), &kafka, "grows", &[service.url()], more);
    kafka.await_committed("grows", &input);

    kafka.admin().create_partitions("grows", 6).expect("three more while it runs");
    let late = kafka.fill("grows", 220..620, 100);
    assert!(late.of(5).len() > 0);
    input.extend(late);
    kafka.await_committed("grows", &input);
    input.assert_once(&journal);
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn what_is_produced_once_it_is_ready_is_not_before_the_latest() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("ready", 4);
    let old = kafka.fill("ready", 0..20, 10);
    let more = "start = \"latest\"";
    let gateway = gateway(directory.path(), &kafka, "ready", &[service.url()], more);
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    let input = kafka.fill("ready", 20..60, 10);
    kafka.await_committed("ready", &input);
    input.assert_once(&journal);
    assert!(old.places().is_disjoint(&journal.accepted()));
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn offsets_that_an_administrator_deletes_skip_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("forgotten", 2);
    let old = kafka.fill("forgotten", 0..30, 10);
    let more = "start = \"latest\"";
    meet(directory.path(), &kafka, "forgotten", &service.url(), more, 2);
    let admin = kafka.admin();
    // A static member that ends stays in the group until its session is over.
    let end = Instant::now() + SOON;
    while let Err(error) = admin.delete_group("forgotten") {
        assert!(Instant::now() < end, "{error}");
        super::process::pause(std::time::Duration::from_millis(200));
    }
    let input = kafka.fill("forgotten", 30..130, 10);
    let gateway = gateway(directory.path(), &kafka, "forgotten", &[service.url()], more);
    kafka.await_committed("forgotten", &input);
    input.assert_once(&journal);
    assert!(old.places().is_disjoint(&journal.accepted()), "what was there before is not met");
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn the_start_is_committed_before_the_first_delivery() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500));
    let service = Service::start(failing, &journal);
    kafka.create("claims", 1);
    kafka.fill("claims", 0..7, 1);
    let gateway = gateway(directory.path(), &kafka, "claims", &[service.url()], "");
    journal.wait("the first delivery", |all| (!all.is_empty()).then_some(()));
    assert_eq!(kafka.committed("claims").get(&0), Some(&0), "nothing is settled yet");
    drop(gateway);
}

/// What the control API shows of the only partition.
fn partition(gateway: &Forebay) -> Value {
    gateway.subscription()["partitions"][0].clone()
}

#[test]
fn an_offset_that_retention_took_is_shouted_about_and_a_seek_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("retained", 1);
    let input = kafka.fill("retained", 0..40, 10);
    let start = || gateway(directory.path(), &kafka, "retained", &[service.url()], "");
    let first = start();
    kafka.await_committed("retained", &input);
    eventually("the margin is shown", || {
        (partition(&first)["retention_margin"] == 40).then_some(())
    });
    assert_eq!(first.terminate(), 0);
    let rest = kafka.fill("retained", 40..100, 10);
    let gone = TopicPartition::new("retained", 0);
    kafka.admin().delete_records(&gone, 70).expect("as retention would");

    let gateway = start();
    let held = eventually("it stands still, and says so", || {
        partition(&gateway)["hold"].as_str().map(str::to_owned)
    });
    assert!(held.contains("offset 40 is not in the log, which holds 70 to 100"), "{held}");
    assert!(held.contains("subscriptions seek"), "{held}");
    assert_eq!(gateway.get("/readyz").0, 503);
    eventually("retention has passed it", || {
        let shown = partition(&gateway);
        (shown["retention_passed"] == true && shown["retention_margin"] == -30).then_some(())
    });
    let metrics = gateway.get("/metrics").1;
    let passed = "forebay_partition_retention_passed{subscription=\"retained\",topic=\"retained\",partition=\"0\"} 1";
    assert!(metrics.contains(passed), "{metrics}");
    assert_eq!(journal.accepted().len(), 40, "nothing is delivered meanwhile");

    let body = json!({ "to": "beginning" }).to_string();
    let (status, answer) = gateway.post("/api/v1/subscriptions/retained/seek", &body);
    assert_eq!(status, 200, "{answer}");
    kafka.await_committed("retained", &rest);
    let left: Vec<_> = rest.places().into_iter().filter(|(_, offset)| *offset >= 70).collect();
    assert!(left.iter().all(|place| journal.accepted().contains(place)));
    assert_eq!(journal.accepted().len(), 70);
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    assert_eq!(gateway.terminate(), 0);
}

/// The log is shorter after a crash than what was committed, and grows past that again: the same
/// offsets hold other records. Only the leader's epoch in the commit tells (KIP-320).
#[test]
fn a_log_that_was_cut_off_below_the_commit_point_and_written_anew_is_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::embedded(directory.path(), "127.0.0.1:0"), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("cut", 1);
    let start = |kafka: &Kafka| gateway(directory.path(), kafka, "cut", &[service.url()], "");
    let fill = |kafka: &Kafka, tens: std::ops::Range<usize>| {
        let mut input = Input::default();
        // Ten batches, so that some are left.
        tens.for_each(|ten| input.extend(kafka.fill("cut", 10 * ten..10 * ten + 10, 10)));
        input
    };
    let input = fill(&kafka, 0..10);
    let first = start(&kafka);
    kafka.await_committed("cut", &input);
    assert_eq!(first.terminate(), 0);
    let offsets = kafka.admin().group_offsets("cut").expect("the group's offsets");
    let metadata = CommitMetadata::decode(&offsets[0].metadata).expect("written by us");
    assert_eq!(metadata.leader_epoch, Some(0));

    let address = kafka.address.clone();
    kafka.broker.expect("it runs").kill();
    let log = directory.path().join("kafka/cut-0/00000000000000000000.log");
    let log = std::fs::File::options().write(true).open(log).expect("the partition's log");
    log.set_len(log.metadata().unwrap().len() / 2).expect("it is cut");
    let kafka = Kafka::embedded(directory.path(), &address);
    fill(&kafka, 0..10);

    let gateway = start(&kafka);
    let held = eventually("it stands still, and says so", || {
        partition(&gateway)["hold"].as_str().map(str::to_owned)
    });
    assert!(held.contains("was cut off below offset 100 and written anew"), "{held}");
    assert_eq!(gateway.get("/readyz").0, 503);
    assert_eq!(journal.len(), 100, "nothing is delivered meanwhile");
    let body = json!({ "to": "beginning" }).to_string();
    assert_eq!(gateway.post("/api/v1/subscriptions/cut/seek", &body).0, 200);
    let more = fill(&kafka, 10..11);
    kafka.await_committed("cut", &more);
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn with_start_none_a_partition_waits_for_a_seek() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("nowhere", 1);
    let input = kafka.fill("nowhere", 0..20, 5);
    let gateway =
        gateway(directory.path(), &kafka, "nowhere", &[service.url()], "start = \"none\"");
    let held = eventually("it stands still, and says so", || {
        partition(&gateway)["hold"].as_str().map(str::to_owned)
    });
    assert!(held.contains("no offset is committed"), "{held}");
    let body = json!({ "to": { "offset": 5 } }).to_string();
    let (status, answer) = gateway.post("/api/v1/subscriptions/nowhere/seek", &body);
    assert_eq!(status, 200, "{answer}");
    kafka.await_committed("nowhere", &input);
    assert_eq!(journal.accepted().len(), 15);
    assert_eq!(gateway.terminate(), 0);
}

/// With `latest`, to begin at the beginning would be a flood, and at the end a loss.
#[test]
fn where_the_record_of_the_start_is_damaged_a_partition_waits_for_a_seek() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("damaged", 1);
    kafka.fill("damaged", 0..20, 5);
    if kafka.admin().describe_topic("__forebay").expect("topics are listed").is_none() {
        kafka.create("__forebay", 1);
    }
    let (producer, sending) = (kafka.producer(), Sending::default());
    let key = "start/damaged/damaged/0";
    sending.send(&producer, "__forebay", Some(key.as_bytes()), Some(b"{\"v\":1,\"offs"));
    producer.flush(SOON).expect("it is acknowledged");
    let more = "start = \"latest\"";
    let gateway = gateway(directory.path(), &kafka, "damaged", &[service.url()], more);
    let held = eventually("it stands still, and says so", || {
        partition(&gateway)["hold"].as_str().map(str::to_owned)
    });
    for word in ["damaged", key, "subscriptions seek"] {
        assert!(held.contains(word), "{held}");
    }
    let (status, body) = gateway.get("/readyz");
    assert!(status == 503 && body.contains(key), "{status} {body}");
    assert!(gateway.log().contains(key), "{}", gateway.log());
    let input = kafka.fill("damaged", 20..30, 5);
    assert_eq!(journal.len(), 0, "nothing is delivered meanwhile");
    let body = json!({ "to": { "offset": 20 } }).to_string();
    assert_eq!(gateway.post("/api/v1/subscriptions/damaged/seek", &body).0, 200);
    kafka.await_committed("damaged", &input);
    input.assert_once(&journal);
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_time_to_start_at_is_read_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("timely", 2);
    let input = kafka.fill("timely", 0..20, 5);
    let more = "start = { time = \"2026-01-01T00:00:00Z\" }";
    let gateway = gateway(directory.path(), &kafka, "timely", &[service.url()], more);
    kafka.await_committed("timely", &input);
    input.assert_once(&journal);
    let book = kafka.admin().describe_topic("__forebay").expect("topics are listed");
    assert_eq!(book.expect("it keeps when the topic was met").partitions.len(), 1);
    let configs = kafka.admin().topic_configs("__forebay").expect("settings are listed");
    let policy = configs.iter().find(|entry| entry.name == "cleanup.policy").unwrap();
    assert_eq!(policy.value.as_deref(), Some("compact"));
    assert_eq!(gateway.terminate(), 0);
}
