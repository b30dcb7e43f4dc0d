//! Records reach services, and what services answer decides what is committed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use forebay_trial::{Journal, Rule, Script, Service, clock, figures};

use super::input::Sending;
use super::kafka::Kafka;
use super::process::{Forebay, eventually, file, within};

/// A gateway with one subscription, named like its topic.
pub(crate) fn gateway(
    directory: &std::path::Path,
    kafka: &Kafka,
    topic: &str,
    urls: &[String],
    more: &str,
) -> Forebay {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = \"test\"\n[[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n{more}\n\
         [subscription.target]\nendpoints = {urls:?}\n",
        kafka.address
    );
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
}

#[test]
fn records_arrive_in_the_order_of_their_keys_and_are_committed() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("arrive", 4);
    let input = kafka.fill("arrive", 0..5_000, 100);
    let gateway = gateway(directory.path(), &kafka, "arrive", &[service.url()], "");
    kafka.await_committed("arrive", &input);
    input.assert_once(&journal);
    assert_eq!(gateway.get("/readyz").0, 200);
    assert_eq!(gateway.get("/livez").0, 200);
    assert!(
        gateway.get("/metrics").1.contains("forebay_settled_total{subscription=\"arrive\"} 5000")
    );
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_delivery_carries_what_the_contract_says() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("carries", 1);
    let (producer, sending) = (kafka.producer(), Sending::default());
    sending.send(&producer, "carries", Some("Zoë".as_bytes()), Some(b"one"));
    sending.send(&producer, "carries", None, None);
    producer.flush(Duration::from_secs(30)).unwrap();
    let _gateway = gateway(directory.path(), &kafka, "carries", &[service.url()], "");
    kafka.await_committed("carries", &sending.read());
    sending.read().assert_once(&journal);
    let mut requests = journal.requests();
    requests.sort_by_key(|request| request.header("forebay-offset").map(str::to_owned));
    let header = |index: usize, name: &str| requests[index].header(name).map(str::to_owned);
    for (name, value) in [
        ("forebay-contract", "v1"),
        ("forebay-subscription", "carries"),
        ("forebay-group", "carries"),
        ("forebay-topic", "carries"),
        ("forebay-partition", "0"),
        ("forebay-offset", "0"),
        ("forebay-key", "Zo%C3%AB"),
        ("forebay-attempt", "1"),
        ("forebay-revision", "default"),
        ("content-type", "application/octet-stream"),
    ] {
        assert_eq!(header(0, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(requests[0].body, b"one");
    let idempotency = header(0, "idempotency-key").unwrap();
    let parts: Vec<_> = idempotency.split('/').collect();
    assert_eq!((parts[0], parts[1], parts[3], parts[4]), ("carries", "carries", "0", "0"));
    assert_eq!(parts[2].len(), 22, "a topic's id is 16 bytes in base64url: {idempotency}");
    assert!(
        journal.read()[0].what.tenure > 1_700_000_000_000,
        "a tenure is at least the time in ms"
    );
    assert_eq!(header(1, "forebay-key"), None);
    assert_eq!(header(1, "forebay-value").as_deref(), Some("null"));
}

#[test]
fn a_record_that_fails_holds_its_key_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("holds", 1);
    let input = kafka.fill("holds", 0..100, 10);
    let failing = Script::accepting().rule(Rule::answering(500).at(0, 3));
    let service = Service::start(failing, &journal);
    let more = "retry = { backoff = \"10ms..50ms\" }";
    let gateway = gateway(directory.path(), &kafka, "holds", &[service.url()], more);
    // Offsets 3, 13, … 93 share a key; the ninety others are done.
    journal.wait("the others are done", |all| {
        let done = all.iter().filter(|delivery| delivery.accepted().is_some()).count();
        (done == 90).then_some(())
    });
    journal.wait("it is tried again", |all| {
        let tried = all.iter().filter(|delivery| delivery.what.offset == 3);
        (tried.map(|delivery| delivery.what.attempt).max()? >= 5).then_some(())
    });
    let blocked = eventually("the view says what blocks", || {
        let blocked = gateway.subscription()["partitions"][0]["blocked"].clone();
        (!blocked.is_null()).then_some(blocked)
    });
    assert_eq!(blocked["offset"], 3);
    assert_eq!(blocked["status"], 500);
    eventually("the commit point reaches it", || {
        (kafka.committed("holds").get(&0) == Some(&3)).then_some(())
    });
    assert_eq!(kafka.committed("holds").get(&0), Some(&3), "P2");
    service.play(Script::accepting());
    kafka.await_committed("holds", &input);
    let verdict = input.assert_kept(&journal, &[]);
    assert_eq!(verdict.duplicated, 0);
}

#[test]
fn a_full_window_stops_its_partition_and_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("window", 2);
    let input = kafka.fill("window", 0..6_000, 50);
    let (partition, offset) = *input.of(0).places().first().unwrap();
    let failing = Script::accepting().rule(Rule::answering(500).at(partition, offset));
    let service = Service::start(failing, &journal);
    let more = "hold = { records = 1000, window = 1000 }\n\
                retry = { attempts = \"unlimited\", backoff = \"10ms..50ms\" }";
    let gateway = gateway(directory.path(), &kafka, "window", &[service.url()], more);
    kafka.await_committed("window", &input.of(1));
    eventually("the window is full", || {
        let partition = gateway.subscription()["partitions"][0].clone();
        (partition["window_full"] == true).then_some(())
    });
    service.play(Script::accepting());
    kafka.await_committed("window", &input);
    assert_eq!(gateway.subscription()["partitions"][0]["window_full"], false);
    input.assert_kept(&journal, &[]);
}

#[test]
fn a_service_that_is_down_costs_no_attempt_and_is_served_soon_after_its_return() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("down", 4);
    let service = Service::start(Script::accepting(), &journal);
    let mut input = kafka.fill("down", 0..500, 50);
    let gateway = gateway(directory.path(), &kafka, "down", &[service.url()], "");
    kafka.await_committed("down", &input);
    service.down();
    input.extend(kafka.fill("down", 500..1_000, 50));
    let seconds = std::env::var("FOREBAY_TEST_DOWN_SECONDS").ok();
    let seconds: usize = seconds.map_or(4, |seconds| seconds.parse().unwrap());
    eventually("the fault is seen", || {
        (gateway.subscription()["endpoints"][0]["state"] == "at-fault").then_some(())
    });
    // One probe a second, so their number is the time.
    let probes = || gateway.subscription()["deliveries"]["target_fault"].as_u64().unwrap();
    let before = probes();
    within(Duration::from_secs(2 * seconds as u64 + 10), "probes", || {
        (probes() >= before + seconds as u64).then_some(())
    });
    for partition in gateway.subscription()["partitions"].as_array().unwrap() {
        let charged = &partition["blocked"]["attempts_charged"];
        assert!(charged.is_null() || charged == 0, "{partition}");
    }
    let back = clock::now();
    service.up();
    let took = journal.wait("delivery resumes", |all| figures::first_accept_after(all, back));
    assert!(took < Duration::from_secs(5), "{took:?}");
    kafka.await_committed("down", &input);
    input.assert_once(&journal);
}

#[test]
fn a_record_that_is_too_large_holds_its_key_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("large", 1);
    let (producer, sending) = (kafka.producer(), Sending::default());
    sending.send(&producer, "large", Some(b"a"), Some(&[b'x'; 2_000]));
    sending.send(&producer, "large", Some(b"b"), Some(b"small"));
    producer.flush(Duration::from_secs(30)).unwrap();
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         [[subscription]]\nname = \"large\"\ntopics = [\"large\"]\n[subscription.target]\n\
         url = {:?}\nmax_value_bytes = \"1KiB\"\n",
        kafka.address,
        service.url()
    );
    let config = file(directory.path(), &text);
    let gateway = Forebay::start(directory.path(), &["run", "-c", config.to_str().unwrap()]);
    journal.wait("the small one is done", |all| all.first()?.accepted());
    let reason = eventually("the large one is shown", || {
        let blocked = gateway.subscription()["partitions"][0]["blocked"].clone();
        blocked["reason"].as_str().map(str::to_owned)
    });
    assert!(reason.contains("its value of 2000 bytes is over 1024 bytes"), "{reason}");
}

#[test]
fn a_record_that_fails_holds_its_partition_or_nothing_as_the_order_says() {
    for (order, others) in [("partition", 0), ("none", 199)] {
        let directory = tempfile::tempdir().unwrap();
        let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
        let failing = Script::accepting().rule(Rule::answering(500).at(0, 0));
        let service = Service::start(failing, &journal);
        let topic = format!("order-{order}");
        kafka.create(&topic, 1);
        let input = kafka.fill(&topic, 0..200, 1);
        let more = format!("order = {order:?}\nretry = {{ backoff = \"10ms..50ms\" }}");
        let _gateway = gateway(directory.path(), &kafka, &topic, &[service.url()], &more);
        eventually("it is tried again, and the others go on where they may", || {
            let tried = journal.read().iter().filter(|seen| seen.what.offset == 0).count();
            (tried >= 5 && journal.accepted().len() == others).then_some(())
        });
        service.play(Script::accepting());
        kafka.await_committed(&topic, &input);
        assert_eq!(journal.accepted(), input.places());
        let offsets: Vec<_> = journal.read().iter().map(|seen| seen.what.offset).collect();
        assert_eq!(offsets.is_sorted(), order == "partition", "{order}: {offsets:?}");
    }
}

#[test]
fn the_embedded_broker_runs_in_the_same_process_where_the_file_says_so() {
    let (directory, journal) = (tempfile::tempdir().unwrap(), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let text = format!(
        "[kafka]\nembedded = true\n[broker]\nlisten = \"127.0.0.1:0\"\ndata = {:?}\n\
         [control]\nlisten = \"127.0.0.1:0\"\n[[subscription]]\nname = \"inside\"\n\
         topics = [\"inside\"]\ntarget = {{ url = {:?} }}\n",
        directory.path().join("kafka"),
        service.url()
    );
    let config = file(directory.path(), &text);
    let start = || Forebay::start(directory.path(), &["run", "-c", config.to_str().unwrap()]);
    let first = start();
    let kafka = Kafka { broker: None, address: first.address("kafka") };
    kafka.create("inside", 2);
    let mut input = kafka.fill("inside", 0..100, 10);
    kafka.await_committed("inside", &input);
    assert_eq!(first.terminate(), 0);
    let second = start();
    let kafka = Kafka { broker: None, address: second.address("kafka") };
    input.extend(kafka.fill("inside", 100..200, 10));
    kafka.await_committed("inside", &input);
    input.assert_once(&journal);
    assert_eq!(second.terminate(), 0);
}

#[test]
fn the_example_service_in_python_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    kafka.create("python", 2);
    let input = kafka.fill("python", 0..200, 20);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/python/service.py");
    let mut service = Command::new("python3")
        .args([example, "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut line = String::new();
    BufReader::new(service.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("it says where").to_owned();
    let gateway = gateway(directory.path(), &kafka, "python", &[url], "");
    kafka.await_committed("python", &input);
    assert_eq!(gateway.terminate(), 0);
    service.kill().unwrap();
    let printed = BufReader::new(service.stdout.take().unwrap()).lines().count();
    service.wait().unwrap();
    assert_eq!(printed, input.len());
}
