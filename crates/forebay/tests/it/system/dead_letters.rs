//! What is given up: only what deserves it, after the attempts that its answers deserve, never more
//! than the budget, never lost; and sent back once, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use forebay_kafka::{ReadFrom, Reader, ReaderItem, Send};
use forebay_trial::{Act, Journal, Kill, Place, Rule, Script, Sent, Service, clock, digest};
use forebay_wire::dead_letter::{DeadLetter, ORIGIN, own_headers};
use serde_json::Value;

use super::input::{Input, Sending};
use super::kafka::Kafka;
use super::load::Load;
use super::process::{Forebay, eventually, file, pause};
use crate::harness::{forebay, lately, unique};

const ATTEMPTS: u64 = 4;

/// A gateway that gives up soon. Its subscription, topic and group have one name; the dead letter
/// topic is named after them.
fn gateway(directory: &Path, kafka: &Kafka, topic: &str, url: &str) -> Forebay {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = \"test\"\n[[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n\
         retry = {{ attempts = {ATTEMPTS}, backoff = \"10ms..50ms\" }}\n\
         dead_letter = {{ topic = {:?} }}\n\
         [subscription.target]\nurl = {url:?}\ndeadline = \"2s\"\ngrace = \"100ms\"\n",
        kafka.address,
        dead(topic)
    );
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
}

fn dead(topic: &str) -> String {
    format!("{topic}.dead")
}

/// Runs `forebay dead-letters` to a good end.
fn dead_letters(kafka: &Kafka, action: &str, topic: &str) -> String {
    let dead = dead(topic);
    let args = ["dead-letters", action, "--topic", &dead, "--kafka", &kafka.address];
    forebay(&[&args[..], &["--output", "json"]].concat()).done()
}

/// The open letters.
fn open(kafka: &Kafka, topic: &str) -> Vec<Value> {
    let listed = dead_letters(kafka, "list", topic);
    listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Where a letter's record was read from.
fn origin(letter: &Value) -> Place {
    let origin = &letter["origin"];
    let partition = origin["partition"].as_i64().unwrap() as i32;
    Place::new(origin["topic"].as_str().unwrap(), partition, origin["offset"].as_i64().unwrap())
}

/// Sends one record each with these values under one key, and says where they are.
fn send(kafka: &Kafka, topic: &str, key: &str, values: &[&[u8]]) -> Input {
    let (producer, sending) = (kafka.producer(), Sending::default());
    for value in values {
        sending.send(&producer, topic, Some(key.as_bytes()), Some(value));
    }
    producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    sending.read()
}

fn first(input: &Input) -> (i32, i64) {
    *input.places().first().expect("something was sent")
}

#[test]
fn a_first_reject_waits_for_evidence_unless_an_operator_gives_it_up() {
    let (directory, topic) = (tempfile::tempdir().unwrap(), "early");
    let kafka = Kafka::start(directory.path());
    kafka.create(topic, 1);
    let script = Script::accepting().rule(Rule::answering(422).key("bad"));
    let service = Service::start(script, &Journal::default());
    let gateway = gateway(directory.path(), &kafka, topic, &service.url());
    for key in ["one", "two", "three"] {
        kafka.await_committed(topic, &send(&kafka, topic, key, &[b"value"]));
    }
    let input = send(&kafka, topic, "bad", &[b"value"]);
    let words = eventually("it waits for evidence", || {
        let trouble = gateway.subscription()["troubles"][0].clone();
        (trouble["state"] == "evidence").then_some(trouble["reason"].as_str()?.to_owned())
    });
    let says = ["`evidence.wait`", "`forebay subscriptions dead-letter` gives it up at once"];
    assert!(says.iter().all(|part| words.contains(part)), "{words}");
    eventually("it is given up", || {
        let path = format!("/api/v1/subscriptions/{topic}/records/dead-letter");
        let place = serde_json::json!({ "topic": topic, "partition": 0, "offset": 3 });
        // It may be on its way to the service.
        (gateway.post(&path, &place.to_string()).0 == 200).then_some(())
    });
    kafka.await_committed(topic, &input);
    assert_eq!(open(&kafka, topic).len(), 1);
}

/// One record gets this from the service each time, among good ones, each after this many ms.
/// Gives its deliveries, and its letter.
fn one_bad_record(name: &str, act: Act, work: u64) -> (u64, Value) {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let topic = unique(name);
    kafka.create(&topic, 2);
    let crashes = act == Act::Crash;
    let script = |rule| Script::accepting().rule(rule).delay(Duration::from_millis(work));
    let service = Service::start(script(Rule::new(act.clone()).key("bad")), &journal);
    let load = Load::start(&kafka, &topic, 5);
    let gateway = gateway(directory.path(), &kafka, &topic, &service.url());
    journal.wait("there is evidence", |all| (all.len() > 200).then_some(()));
    let mut input = send(&kafka, &topic, "bad", &[b"bad"]);
    let (partition, offset) = first(&input);
    service.play(script(Rule::new(act).at(partition, offset)));
    input.extend(send(&kafka, &topic, "bad", &[b"next", b"last"]));
    let written = || gateway.subscription()["deliveries"]["dead_lettered"].as_u64();
    let mut restarts = 0;
    eventually("it is given up", || {
        if service.crashes() > restarts {
            restarts += 1;
            service.wait_for_crash(restarts);
            service.up();
        }
        (written() >= Some(1)).then_some(())
    });
    input.extend(load.end());
    kafka.await_committed(&topic, &input);

    let log = gateway.log();
    let line = log.lines().find(|line| line.contains(" goes to ")).expect("the log tells of it");
    let (_, last) = line.split_once(", last ").expect("with its last answer");
    assert!(last.contains(&format!(" from {} ", service.url())), "and whose it was: {line}");
    let letters = open(&kafka, &topic);
    let places: BTreeSet<Place> = letters.iter().map(origin).collect();
    assert_eq!(places, BTreeSet::from([Place::new(topic, partition, offset)]));
    let bad = |what: &forebay_trial::Arrival| (what.partition, what.offset) == (partition, offset);
    let all = journal.read();
    let deliveries: Vec<_> = all.iter().filter(|delivery| bad(&delivery.what)).collect();
    // What else was at work when it crashed the service had no answer.
    let ends = deliveries.iter().filter(|_| crashes).filter_map(|delivery| delivery.ended.as_ref());
    let kills: Vec<Kill> =
        ends.map(|ended| Kill::Service { instance: service.instance(), at: ended.at }).collect();
    input.assert_kept_but(&journal, &kills, &places);
    let letter = letters[0].clone();
    assert_eq!(letter["deliveries"], deliveries.len(), "{letter}");
    assert_eq!(gateway.terminate(), 0);
    (deliveries.len() as u64, letter)
}

#[test]
fn one_record_that_is_rejected_is_given_up_after_its_first_delivery() {
    for status in [400, 404] {
        let act = Act::Answer(forebay_trial::Answer::status(status).body("no such account"));
        // Others are always at work, so there is evidence without a second delivery.
        let (deliveries, letter) = one_bad_record("rejected", act, 100);
        assert_eq!((deliveries, &letter["attempts"]), (1, &Value::from(1)), "{letter}");
        assert_eq!((&letter["why"], &letter["status"]), (&"rejected".into(), &status.into()));
        assert_eq!((&letter["key"], &letter["reason"]), (&"bad".into(), &"no such account".into()));
    }
}

#[test]
fn one_record_that_fails_is_given_up_after_its_attempts() {
    let act = Act::Answer(forebay_trial::Answer::status(500));
    let (deliveries, letter) = one_bad_record("fails", act, 2);
    assert!(deliveries >= ATTEMPTS, "{letter}");
    assert_eq!(letter["attempts"], ATTEMPTS);
    assert_eq!((&letter["why"], &letter["status"]), (&"exhausted".into(), &500.into()));
}

#[test]
fn one_record_that_is_pushed_back_has_five_free_before_its_attempts() {
    let act = Act::Answer(forebay_trial::Answer::status(503));
    let (deliveries, letter) = one_bad_record("pushed-back", act, 2);
    assert!(deliveries >= 5 + ATTEMPTS, "{letter}");
    assert_eq!(letter["attempts"], ATTEMPTS);
    assert_eq!((&letter["why"], &letter["status"]), (&"exhausted".into(), &503.into()));
}

#[test]
fn one_record_that_crashes_the_service_each_time_is_given_up_after_its_attempts() {
    let (deliveries, letter) = one_bad_record("crashes", Act::Crash, 2);
    assert!(deliveries >= ATTEMPTS, "{letter}");
    assert_eq!(letter["attempts"], ATTEMPTS);
    assert_eq!((&letter["why"], &letter["status"]), (&"exhausted".into(), &Value::Null));
}

/// Name, and value or null.
type Header<'a> = (&'a str, Option<&'a [u8]>);

#[test]
fn a_dead_letter_keeps_its_record_and_tells_its_story() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let topic = unique("story");
    kafka.create(&topic, 1);
    let said = forebay_trial::Answer::status(200)
        .header("forebay-verdict", "reject")
        .header("forebay-reason", "no such account");
    let script = Script::accepting().rule(Rule::new(Act::Answer(said)));
    let service = Service::start(script, &journal);
    let (written, long) = (lately(), [b'x'; 9_000]);
    let own: [&[Header<'_>]; 2] =
        [&[("kind", Some(b"payment")), ("Odd", None)], &[("long", Some(&long))]];
    let (producer, sending) = (kafka.producer(), Sending::default());
    for (offset, headers) in (0..).zip(own) {
        let (key, value) = (Some(&b"\xff key"[..]), Some(&b"\x00 value"[..]));
        let timestamp_ms = Some(written + offset);
        let (topic, partition) = (&*topic, Some(0));
        let record = Send { topic, partition, key, value, headers, timestamp_ms };
        sending.send_all_of(&producer, record);
    }
    producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    let gateway = gateway(directory.path(), &kafka, &topic, &service.url());
    kafka.await_committed(&topic, &sending.read());
    assert_eq!(journal.read().len(), 1, "what does not fit is not sent");

    let wait = Duration::from_secs(30);
    let (properties, from) = (kafka.properties(), ReadFrom::Beginning);
    let mut reader = Reader::start(&properties, &dead(&topic), None, from, wait).unwrap();
    let mut letters = 0;
    while !reader.is_at_end() {
        let Some(ReaderItem::Record(_, record)) = reader.next(wait) else { continue };
        letters += 1;
        let letter = DeadLetter::parse(record.headers()).expect("it tells its story");
        let offset = usize::try_from(letter.offset).unwrap();
        assert_eq!(
            (record.key(), record.value()),
            (Some(&b"\xff key"[..]), Some(&b"\x00 value"[..]))
        );
        assert_eq!(record.timestamp_ms, written + letter.offset);
        assert_eq!(own_headers(record.headers()).collect::<Vec<_>>(), own[offset]);
        assert_eq!(
            (&letter.topic, letter.partition, letter.timestamp),
            (&topic, 0, record.timestamp_ms)
        );
        assert_eq!(
            (&letter.group, &*letter.revision, &*letter.why),
            (&topic, "default", "rejected")
        );
        assert!(letter.cluster.is_some() && letter.topic_id.is_some(), "{letter:?}");
        assert!(letter.first_failed.is_some() && letter.last_failed >= letter.first_failed);
        assert_eq!((letter.attempts, letter.deliveries), (1, 1));
        assert_eq!(letter.verdict.as_deref(), Some("reject"));
        let (status, reason) = match offset {
            0 => (Some(200), "no such account"),
            _ => (None, "max_header_bytes"),
        };
        assert_eq!(letter.status, status);
        assert!(letter.reason.as_deref().is_some_and(|told| told.contains(reason)), "{letter:?}");
    }
    assert_eq!(letters, 2);
    assert_eq!(gateway.terminate(), 0);
}

/// All records of a topic, and for those that were sent back where they are from.
fn read(kafka: &Kafka, topic: &str) -> (Input, BTreeMap<Place, Place>) {
    let wait = Duration::from_secs(30);
    let from = ReadFrom::Beginning;
    let mut reader = Reader::start(&kafka.properties(), topic, None, from, wait).unwrap();
    let (mut all, mut origins) = (Vec::new(), BTreeMap::new());
    while !reader.is_at_end() {
        let Some(ReaderItem::Record(at, record)) = reader.next(wait) else { continue };
        let place = Place::new(topic, at.partition, record.offset);
        let text = |bytes| String::from_utf8(Vec::from(bytes)).expect("text");
        if let Some((_, Some(value))) = record.headers().find(|(name, _)| *name == ORIGIN) {
            let origin = text(value);
            let parts: Vec<&str> = origin.split('/').collect();
            let [_, _, partition, offset] = parts[..] else { panic!("{origin}") };
            let origin = Place::new(topic, partition.parse().unwrap(), offset.parse().unwrap());
            assert!(origins.insert(place.clone(), origin).is_none());
        }
        all.push(Sent {
            place,
            key: record.key().map(text),
            digest: digest(record.value().unwrap_or_default()),
            acknowledged: clock::now(),
        });
    }
    (all.into_iter().collect(), origins)
}

#[test]
fn a_bad_release_is_stopped_by_the_budget_and_what_it_cost_is_sent_back_once_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let topic = unique("release");
    kafka.create(&topic, 4);
    let script = Script::accepting().rule(Rule::answering(400).share(1, 3).while_on("bad"));
    let service = Service::start(script, &journal);
    let load = Load::start(&kafka, &topic, 10);
    let gateway = gateway(directory.path(), &kafka, &topic, &service.url());
    journal.wait("the good release works", |all| (all.len() > 2_000).then_some(()));
    service.switch_on("bad");
    let held = eventually("it holds", || {
        let held = gateway.subscription()["held"].as_str()?.to_owned();
        held.contains("would be given up").then_some(held)
    });
    assert!(held.contains("1 %") && held.contains("`resume`"), "{held}");
    eventually("nothing is in flight", || (gateway.subscription()["in_flight"] == 0).then_some(()));
    let sent = journal.len();
    pause(Duration::from_millis(500));
    assert_eq!(journal.len(), sent, "it sends nothing while it holds");
    let accepted = journal.read().iter().filter(|delivery| delivery.accepted().is_some()).count();
    let letters = eventually("all letters are written", || {
        let letters = open(&kafka, &topic);
        (gateway.subscription()["deliveries"]["dead_lettered"] == letters.len()).then_some(letters)
    });
    assert!((1..=accepted / 100 + 20).contains(&letters.len()), "{} letters", letters.len());

    service.switch_off("bad");
    let (status, answer) = gateway.post(&format!("/api/v1/subscriptions/{topic}/resume"), "");
    assert_eq!(status, 200, "{answer}");
    kafka.await_committed(&topic, &load.end());
    let dead_lettered: BTreeSet<Place> = letters.iter().map(origin).collect();
    let redriven: Value = serde_json::from_str(&dead_letters(&kafka, "redrive", &topic)).unwrap();
    assert_eq!(redriven["done"], letters.len());
    let again: Value = serde_json::from_str(&dead_letters(&kafka, "redrive", &topic)).unwrap();
    assert_eq!((&again["done"], &again["left_out"]["closed"]), (&0.into(), &redriven["done"]));

    let (input, origins) = read(&kafka, &topic);
    kafka.await_committed(&topic, &input);
    assert_eq!(origins.values().cloned().collect::<BTreeSet<_>>(), dead_lettered);
    assert_eq!(origins.len(), dead_lettered.len(), "each is sent back once");
    let verdict = input.assert_kept_but(&journal, &[], &dead_lettered);
    assert_eq!(verdict.duplicated, 0);
    let mut keys: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for delivery in journal.read() {
        let place = delivery.place();
        let place = origins.get(&place).cloned().unwrap_or(place);
        keys.entry(place).or_default().insert(delivery.what.idempotency_key);
    }
    assert!(keys.values().all(|keys| keys.len() == 1), "an idempotency key is kept");
    assert_eq!(keys.len(), input.len() - origins.len());
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_letter_that_its_topic_refuses_holds_its_key_only_and_is_written_once_that_is_mended() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let topic = unique("too-large");
    kafka.create(&topic, 1);
    let (dead, address) = (dead(&topic), ["--kafka", &kafka.address]);
    let create = ["topics", "create", &dead, "--config", "max.message.bytes=1000"];
    forebay(&[&create[..], &address].concat()).done();
    let mut input = send(&kafka, &topic, "bad", &[&[b'x'; 2_000], b"next"]);
    let (partition, offset) = first(&input);
    let script = Script::accepting().rule(Rule::answering(400).at(partition, offset));
    let service = Service::start(script, &journal);
    let load = Load::start(&kafka, &topic, 5);
    let gateway = gateway(directory.path(), &kafka, &topic, &service.url());
    let shown = eventually("it is shown", || {
        let shown = gateway.subscription();
        shown["dead_letters"]["error"].is_string().then_some(shown)
    });
    let error = shown["dead_letters"]["error"].as_str().unwrap();
    assert!(error.contains(&dead), "{error}");
    assert_eq!(shown["dead_letters"]["written"], 0);
    input.extend(load.end());
    let others = input.places().len() - 2;
    journal.wait("all others are accepted", |all| {
        let accepted = all.iter().filter(|delivery| delivery.accepted().is_some()).count();
        (accepted == others).then_some(())
    });
    let blocked = gateway.subscription()["partitions"][0]["blocked"].clone();
    assert_eq!((&blocked["offset"], &blocked["status"]), (&offset.into(), &400.into()));
    assert_eq!(kafka.committed(&topic).get(&partition).copied().unwrap_or(0), offset, "P6, P2");

    forebay(&[&["topics", "delete", &dead][..], &address].concat()).done();
    eventually("there is a new topic", || {
        // The gateway may have been first, where brokers make topics that are asked for.
        forebay(&[&["topics", "create", &dead][..], &address].concat());
        let described = forebay(&[&["topics", "describe", &dead][..], &address].concat());
        (described.code == 0 && !described.out.contains("=1000\n")).then_some(())
    });
    kafka.await_committed(&topic, &input);
    let places: BTreeSet<Place> = open(&kafka, &topic).iter().map(origin).collect();
    assert_eq!(places, BTreeSet::from([Place::new(topic, partition, offset)]));
    input.assert_kept_but(&journal, &[], &places);
    let shown = gateway.subscription();
    assert_eq!(shown["dead_letters"]["error"], Value::Null);
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_letter_waits_for_a_broker_that_is_down_and_no_delivery_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::embedded(directory.path(), "127.0.0.1:0");
    let (journal, topic) = (Journal::default(), unique("down"));
    kafka.create(&topic, 1);
    kafka.create(&dead(&topic), 1);
    let mut input = kafka.fill(&topic, 0..100, 20);
    let bad = send(&kafka, &topic, "bad", &[b"bad", b"next"]);
    let (partition, offset) = first(&bad);
    input.extend(bad);
    input.extend(kafka.fill(&topic, 102..300, 20));
    let script = Script::accepting()
        .rule(Rule::answering(500).while_on("wait"))
        .rule(Rule::answering(400).at(partition, offset));
    let service = Service::start(script, &journal);
    service.switch_on("wait");
    let gateway = gateway(directory.path(), &kafka, &topic, &service.url());
    eventually("all is read", || {
        (gateway.subscription()["partitions"][0]["held"] == input.len()).then_some(())
    });
    kafka.broker.take().expect("it runs").kill();
    service.switch_off("wait");
    journal.wait("all others are accepted", |all| {
        let accepted = all.iter().filter(|delivery| delivery.accepted().is_some()).count();
        (accepted == input.len() - 2).then_some(())
    });
    eventually("its letter is being written", || {
        let troubles = gateway.subscription()["troubles"].clone();
        let written =
            |trouble: &Value| trouble["offset"] == offset && trouble["state"] == "dead-letter";
        troubles.as_array()?.iter().any(written).then_some(())
    });
    let address = kafka.address.clone();
    kafka = Kafka::embedded(directory.path(), &address);
    kafka.await_committed(&topic, &input);
    let letters = open(&kafka, &topic);
    assert_eq!(letters.len(), 1);
    let places: BTreeSet<Place> = letters.iter().map(origin).collect();
    assert_eq!(places, BTreeSet::from([Place::new(topic, partition, offset)]));
    let verdict = input.assert_kept_but(&journal, &[], &places);
    assert_eq!(verdict.duplicated, 0);
    assert_eq!(gateway.terminate(), 0);
}
