//! A key that fails for long makes room for others, and comes back in order.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::{NewTopic, Send};
use forebay_trial::{Journal, Kill, Rule, Script, Service, clock};
use serde_json::json;

use super::deliver::gateway;
use super::input::{Input, Sending};
use super::kafka::Kafka;
use super::process::{Forebay, eventually};
use crate::harness::lately;

/// The other parts of a subscription that parks in this topic, if in any.
fn parts(park_topic: Option<&str>) -> String {
    let park =
        park_topic.map(|topic| format!("park = {{ topic = \"{topic}\", after = \"200ms\" }}"));
    format!(
        "takeover = \"fast\"\n\
         retry = {{ attempts = \"unlimited\", backoff = \"5ms..40ms\" }}\n\
         hold = {{ records = 400 }}\n\
         evidence = {{ wait = \"1s\" }}\n{}",
        park.unwrap_or_default()
    )
}

/// When a record was written, by its number.
fn written(number: usize) -> i64 {
    lately() + number as i64
}

/// Every third record has the key that fails.
fn fill(kafka: &Kafka, topic: &str, numbers: std::ops::Range<usize>) -> Input {
    let (producer, sending) = (kafka.producer(), Sending::default());
    for number in numbers {
        let key = match number % 3 {
            0 => "bad".to_owned(),
            _ => format!("key-{}", number % 50),
        };
        sending.send_all_of(
            &producer,
            Send {
                topic,
                partition: None,
                key: Some(key.as_bytes()),
                value: Some(number.to_string().as_bytes()),
                headers: &[("kind", Some(b"payment"))],
                timestamp_ms: Some(written(number)),
            },
        );
    }
    producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    sending.read()
}

/// What the group of a topic's name has committed of it, by partition.
fn committed(kafka: &Kafka, topic: &str) -> BTreeMap<i32, i64> {
    let offsets = kafka.admin().group_offsets(topic).expect("the group's offsets");
    let of_topic = offsets.into_iter().filter(|entry| &*entry.partition.topic == topic);
    of_topic.map(|entry| (entry.partition.partition, entry.offset)).collect()
}

fn await_committed(kafka: &Kafka, topic: &str, input: &Input) {
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for (partition, offset) in input.places() {
        let end = ends.entry(partition).or_default();
        *end = (*end).max(offset + 1);
    }
    eventually("the topic is committed", || (committed(kafka, topic) == ends).then_some(()));
}

fn parked(gateway: &Forebay) -> (u64, u64) {
    let shown = gateway.subscription();
    (shown["parked"].as_u64().unwrap(), shown["park"]["written"].as_u64().unwrap())
}

/// A subscription whose park topic is named after it.
fn run(gateways: &std::path::Path, kafka: &Kafka, name: &str, service: &Service) -> Forebay {
    gateway(gateways, kafka, name, &[service.url()], &parts(Some(&format!("{name}.park"))))
}

#[test]
fn a_key_that_fails_for_long_makes_room_and_comes_back_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500).key("bad").while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    kafka.create("parks", 2);
    // A member hears of a topic that comes later when it looks again, minutes later.
    kafka.create("parks.park", 2);
    let mut input = fill(&kafka, "parks", 0..1_500);
    let gateway = run(directory.path(), &kafka, "parks", &service);
    eventually("some of the key is parked", || (parked(&gateway).1 >= 20).then_some(()));
    gateway.kill();
    let points = committed(&kafka, "parks").into_iter();
    let points = points.map(|(at, point)| (("parks".to_owned(), at), point)).collect();
    let kills = [Kill::Gateway { at: clock::now(), commit_points: points }];
    let gateway = run(directory.path(), &kafka, "parks", &service);
    await_committed(&kafka, "parks", &input);
    let shown = gateway.subscription();
    assert!(parked(&gateway).0 >= 1, "{shown}");
    assert_eq!(shown["topics"], serde_json::json!(["parks"]));
    assert!(gateway.get("/metrics").1.contains("forebay_parked_records_total"));

    // What comes later follows it to the park topic, until that is done with the key.
    input.extend(fill(&kafka, "parks", 1_500..1_800));
    await_committed(&kafka, "parks", &input);
    service.switch_off("bad");
    eventually("all is accepted", || input.places().is_subset(&journal.accepted()).then_some(()));
    eventually("nothing is parked any more", || (parked(&gateway).0 == 0).then_some(()));
    let requests = journal.requests();
    let by_park = requests.iter().filter(|request| request.header("forebay-park").is_some());
    let by_park: Vec<_> = by_park.collect();
    assert!(!by_park.is_empty());
    for request in by_park {
        let number = String::from_utf8_lossy(&request.body).parse().expect("its number");
        let timestamp = written(number).to_string();
        assert_eq!(request.header("forebay-timestamp"), Some(&*timestamp));
        assert_eq!(request.header("forebay-header-kind"), Some("payment"));
        assert_eq!(request.header("forebay-headers"), None, "it has no other headers");
    }
    let before = parked(&gateway).1;
    input.extend(fill(&kafka, "parks", 1_800..2_100));
    await_committed(&kafka, "parks", &input);
    eventually("all is accepted", || input.places().is_subset(&journal.accepted()).then_some(()));
    assert_eq!(parked(&gateway).1, before, "a key that came back goes to the service");

    let verdict = input.judge(&journal, &kills);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
    assert!(verdict.overlapping.is_empty(), "{verdict:?}");
    let seen = journal.read();
    let bad = || seen.iter().map(|seen| &seen.what).filter(|it| it.key.as_deref() == Some("bad"));
    assert!(bad().any(|it| it.attempt > 10), "attempts go on counting");
    for it in bad() {
        let (key, offset) = (&it.idempotency_key, it.offset);
        assert_eq!(it.topic, "parks", "it is delivered under the names of where it is from");
        let at = format!("/{}/{offset}", it.partition);
        assert!(key.starts_with("parks/parks/") && key.ends_with(&at), "{key}");
    }
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_seek_moves_the_park_topic_only_where_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500).key("bad").while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    kafka.create("sought", 1);
    kafka.create("sought.park", 1);
    let input = fill(&kafka, "sought", 0..900);
    let gateway = run(directory.path(), &kafka, "sought", &service);
    eventually("some of the key is parked", || (parked(&gateway).1 >= 20).then_some(()));
    let seek = |body: serde_json::Value| -> serde_json::Value {
        let (status, answer) = gateway.post("/api/v1/subscriptions/sought/seek", &body.to_string());
        assert_eq!(status, 200, "{body}: {answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let moved = answer["partitions"].as_array().unwrap().iter();
        moved.map(|moved| moved["topic"].clone()).collect()
    };
    for to in [json!("end"), json!({ "time": 0 }), json!({ "offset": 900 })] {
        assert_eq!(seek(json!({ "to": to, "dry_run": true })), json!(["sought"]), "{to}");
    }
    let named = json!({ "to": "end", "topic": "sought.park", "dry_run": true });
    assert_eq!(seek(named), json!(["sought.park"]));

    // Back in the topic; in the park topic the same number would skip what was parked first.
    let tenure = || gateway.subscription()["partitions"][0]["tenure"].as_i64();
    let before = tenure();
    assert_eq!(seek(json!({ "to": { "offset": 10 } })), json!(["sought"]));
    eventually("it goes on there", || tenure().filter(|now| Some(*now) > before));
    await_committed(&kafka, "sought", &input);
    assert_eq!(parked(&gateway).0, 1, "the key stays parked: it is read again from offset 12 on");
    service.switch_off("bad");
    eventually("all is accepted", || input.places().is_subset(&journal.accepted()).then_some(()));
    let verdict = input.judge(&journal, &[]);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
    assert!(verdict.overlapping.is_empty(), "{verdict:?}");
}

#[test]
fn a_park_topic_that_is_not_read_any_more_holds_the_partitions_of_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500).key("bad").while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    for topic in ["reparked", "reparked.park", "reparked.other"] {
        kafka.create(topic, 1);
    }
    let mut input = fill(&kafka, "reparked", 0..900);
    let gateway = run(directory.path(), &kafka, "reparked", &service);
    eventually("some of the key is parked", || (parked(&gateway).1 >= 20).then_some(()));
    assert_eq!(gateway.terminate(), 0);
    service.switch_off("bad");
    input.extend(fill(&kafka, "reparked", 900..1_000));

    let parks = |topic| {
        let urls = [service.url()];
        super::deliver::gateway(directory.path(), &kafka, "reparked", &urls, &parts(topic))
    };
    for other in [Some("reparked.other"), None] {
        let gateway = parks(other);
        let hold = eventually("it stands still, and says so", || {
            let partitions = gateway.subscription()["partitions"].clone();
            let held = partitions.as_array()?.iter().find(|it| it["topic"] == "reparked")?;
            held["hold"].as_str().map(str::to_owned)
        });
        assert!(hold.starts_with("1 key is in the park topic `reparked.park`"), "{hold}");
        let shown = gateway.subscription();
        let mut rows = shown["partitions"].as_array().unwrap().iter();
        let held = rows.find(|it| it["topic"] == "reparked").unwrap();
        let point = committed(&kafka, "reparked")[&0];
        assert_eq!((&held["commit_point"], &held["lag"]), (&json!(point), &json!(1_000 - point)));
        assert_eq!(gateway.terminate(), 0);
    }
    assert!(!input.places().is_subset(&journal.accepted()), "nothing overtakes what is parked");

    let gateway = parks(Some("reparked.park"));
    eventually("all is accepted", || input.places().is_subset(&journal.accepted()).then_some(()));
    eventually("nothing is parked any more", || (parked(&gateway).0 == 0).then_some(()));
    let verdict = input.judge(&journal, &[]);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
    assert_eq!(gateway.terminate(), 0);

    // Nothing is parked, so that there is nothing to leave behind.
    let gateway = parks(None);
    input.extend(fill(&kafka, "reparked", 1_000..1_050));
    eventually("all is accepted", || input.places().is_subset(&journal.accepted()).then_some(()));
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_seek_leaves_behind_what_a_park_topic_holds_that_is_not_read_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500).key("bad").while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    kafka.create("left", 1);
    kafka.create("left.park", 1);
    fill(&kafka, "left", 0..900);
    let gateway = run(directory.path(), &kafka, "left", &service);
    eventually("some of the key is parked", || (parked(&gateway).1 >= 20).then_some(()));
    assert_eq!(gateway.terminate(), 0);
    service.switch_off("bad");

    let gateway =
        super::deliver::gateway(directory.path(), &kafka, "left", &[service.url()], &parts(None));
    let shown = || gateway.subscription()["partitions"][0].clone();
    eventually("it stands still", || shown()["hold"].as_str().map(drop));
    let body = json!({ "to": { "offset": 890 } }).to_string();
    let (status, answer) = gateway.post("/api/v1/subscriptions/left/seek", &body);
    assert_eq!(status, 200, "{answer}");
    eventually("it goes on there", || {
        (committed(&kafka, "left").get(&0) == Some(&900)).then_some(())
    });
    assert!(shown()["hold"].is_null() && shown()["parked"] == 0, "{}", shown());
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_park_topic_that_is_made_anew_holds_up_nobody_and_what_it_had_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500).key("bad").while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    kafka.create("emptied", 1);
    kafka.create("emptied.park", 3);
    fill(&kafka, "emptied", 0..900);
    let gateway = run(directory.path(), &kafka, "emptied", &service);
    eventually("some of the key is parked", || (parked(&gateway).1 >= 20).then_some(()));
    let shown = gateway.subscription();
    let mut rows = shown["partitions"].as_array().unwrap().iter();
    let place = rows.find(|row| row["topic"] == "emptied.park" && row["held"] != 0).unwrap();
    assert_ne!(place["partition"], 0, "one that is not there any more");

    let admin = kafka.admin();
    admin.delete_topic("emptied.park").expect("the topic is deleted");
    let (name, configs) = ("emptied.park".to_owned(), BTreeMap::new());
    let anew = NewTopic { name, partitions: 1, replication: -1, configs };
    eventually("there is another one of its name", || {
        // The next record that is parked may have made it.
        let _ = admin.create_topic(&anew);
        let described = admin.describe_topic("emptied.park").ok()??;
        (described.partitions.len() == 1).then_some(())
    });
    let told = format!("emptied.park-{} is gone with", place["partition"]);
    eventually("it is told", || gateway.log().contains(&told).then_some(()));
    let later = fill(&kafka, "emptied", 900..1_200);
    service.switch_off("bad");
    eventually("all is accepted", || later.places().is_subset(&journal.accepted()).then_some(()));
    eventually("nothing is parked any more", || (parked(&gateway).0 == 0).then_some(()));
    let verdict = later.judge(&journal, &[]);
    assert!(verdict.out_of_order.is_empty(), "{verdict:?}");
    assert_eq!(gateway.terminate(), 0);
}
