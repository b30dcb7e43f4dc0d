//! What `dead-letters` shows, sends back and marks, on letters that the tests write themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::{OffsetSpec, Producer, Send, TopicPartition};
use forebay_wire::dead_letter::{DeadLetter, ForeignNames, ORIGIN};
use forebay_wire::replay::{OF_ORIGIN, Replay};
use serde_json::{Value, json};

use super::{Bench, lines, values};
use crate::harness::{Ran, forebay};
use crate::system::process::{eventually, file};

type Headers<'a> = &'a [(&'a str, Option<&'a [u8]>)];

/// A topic with letters beside the one that they are from.
struct Post {
    bench: Bench,
    dead: String,
    producer: Producer,
    /// Ms since 1970.
    began: i64,
}

impl Post {
    /// The topic itself has four partitions, the one of its letters two.
    fn new(name: &str) -> Self {
        let bench = Bench::new(name, 4);
        let dead = format!("{}.dead", bench.topic);
        bench.kafka.create(&dead, 2);
        let producer = bench.kafka.producer();
        Self { bench, dead, producer, began: clock_ms() }
    }

    /// The story of a record that was at this offset of partition 3.
    fn story(&self, offset: i64) -> DeadLetter {
        DeadLetter {
            cluster: Some("c".into()),
            topic: self.bench.topic.clone(),
            topic_id: Some("an-id".into()),
            partition: 3,
            offset,
            replay: Replay::FIRST_READING,
            timestamp: self.began + offset,
            subscription: "pay".into(),
            group: "pay-group".into(),
            attempts: 1,
            deliveries: 4,
            first_failed: Some(1_700_000_100_000),
            last_failed: Some(1_700_000_200_000),
            revision: "v7".into(),
            why: "rejected".into(),
            verdict: Some("reject".into()),
            status: Some(400),
            reason: Some("no such\naccount".into()),
        }
    }

    /// Writes it into the given partition of the dead letter topic.
    fn letter(
        &self,
        into: i32,
        key: Option<&str>,
        value: Option<&str>,
        own: Headers<'_>,
        story: &DeadLetter,
    ) {
        let told = story.added(Some(ForeignNames::Spring));
        let told = told.iter().map(|(name, value)| (*name, Some(value.as_slice())));
        let headers: Vec<_> = own.iter().copied().chain(told).collect();
        self.send(into, key, value, &headers);
    }

    fn send(&self, into: i32, key: Option<&str>, value: Option<&str>, headers: Headers<'_>) {
        let record = Send {
            topic: &self.dead,
            partition: Some(into),
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            headers,
            timestamp_ms: None,
        };
        let sent = self.producer.send(record, Box::new(|sent| assert!(sent.is_ok(), "{sent:?}")));
        assert!(sent.is_ok(), "the queue has room");
    }

    fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    }

    /// So many letters: `value-<n>` of `key-<n mod keys>`, all in one partition.
    fn many(&self, count: usize, keys: usize) {
        for n in 0..count {
            let (key, value) = (format!("key-{}", n % keys), format!("value-{n}"));
            self.letter(0, Some(&key), Some(&value), &[], &self.story(n as i64));
        }
        self.flush();
    }

    fn run(&self, action: &str, args: &[&str]) -> Ran {
        let command = ["dead-letters", action, "--topic", &self.dead];
        self.bench.run(&[&command[..], args].concat())
    }

    /// Places of those that are listed.
    fn list(&self, args: &[&str]) -> Vec<String> {
        let listed = lines(&self.run("list", &[&["--output", "json"], args].concat()).done());
        let place = |letter: &Value| format!("{}:{}", letter["partition"], letter["offset"]);
        let mut places: Vec<_> = listed.iter().map(place).collect();
        places.sort();
        places
    }

    /// The summary of a run that worked through letters.
    fn work(&self, action: &str, args: &[&str]) -> Value {
        self.run(action, &[&["--output", "json"], args].concat()).json()
    }

    /// Waits until so many came back to partition 3.
    fn await_back(&self, count: i64) {
        let admin = self.bench.kafka.admin();
        let end = [(TopicPartition::new(self.bench.topic.as_str(), 3), OffsetSpec::Latest)];
        eventually("letters are sent back", || {
            let listed = admin.offsets(&end).unwrap().remove(0);
            (listed.offset.unwrap().unwrap_or(0) >= count).then_some(())
        });
    }

    /// Values that came back, by key, in their order.
    fn back(&self) -> BTreeMap<String, Vec<String>> {
        let mut back: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in self.bench.records(&[]) {
            let (key, value) = (record["key"].as_str().unwrap(), record["value"].as_str().unwrap());
            back.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        back
    }
}

#[test]
fn what_others_write_closes_no_letter_and_a_record_keeps_headers_that_look_like_ours() {
    let post = Post::new("spoofs");
    let own: Headers<'_> = &[
        ("forebay-dead-why", Some(b"its own")),
        ("forebay-mark", Some(b"purged")),
        ("forebay-mark-offset", Some(b"0")),
    ];
    let mark: Headers<'_> = &own[1..];
    post.letter(0, Some("payment"), Some("100"), &[], &post.story(0));
    post.letter(0, Some("payment"), None, own, &post.story(1));
    post.send(0, Some("payment"), Some("text"), mark);
    post.send(0, Some("other"), None, mark);
    post.flush();
    assert_eq!(post.list(&[]), ["0:0", "0:1"]);
    post.work("redrive", &["--offset", "0:1"]);
    post.await_back(1);
    let back = &post.bench.records(&[])[0];
    let names: Vec<_> =
        back["headers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(
        json!(names),
        json!(["forebay-dead-why", "forebay-mark", "forebay-mark-offset", ORIGIN]),
        "{back}"
    );
    post.send(0, Some("payment"), None, mark);
    post.flush();
    assert_eq!(post.list(&[]), Vec::<String>::new(), "a true mark closes its letter");
}

fn clock_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_millis() as i64
}

fn expected(count: usize, keys: usize) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for n in 0..count {
        all.entry(format!("key-{}", n % keys)).or_default().push(format!("value-{n}"));
    }
    all
}

fn counts(summary: &Value) -> [i64; 5] {
    ["done", "failed", "behind", "unmarked", "unanswered"]
        .map(|name| summary[name].as_i64().expect("a count"))
}

#[test]
fn open_letters_are_listed_by_every_filter() {
    let post = Post::new("listed");
    let story = post.story(10);
    post.letter(0, Some("a"), Some("1"), &[], &story);
    let exhausted = DeadLetter {
        why: "exhausted".into(),
        status: Some(500),
        reason: Some("boom".into()),
        revision: "v8".into(),
        subscription: "other".into(),
        group: "other-group".into(),
        last_failed: Some(1_800_000_000_000),
        ..story
    };
    post.letter(1, Some("b"), Some("2"), &[], &exhausted);
    post.send(1, Some("x"), Some("of somebody else"), &[("forebay-dead-topic", Some(b"t"))]);
    post.flush();
    assert_eq!(post.list(&[]), ["0:0", "1:0"]);
    assert_eq!(post.list(&["--limit", "1"]).len(), 1);
    for (filter, with, found) in [
        ("--since", "2024-01-01T00:00:00Z", vec!["1:0"]),
        ("--until", "2024-01-01T00:00:00Z", vec!["0:0"]),
        ("--since", "1000000d", vec!["0:0", "1:0"]),
        ("--key", "b", vec!["1:0"]),
        ("--reason", "such\nacc", vec!["0:0"]),
        ("--why", "exhausted", vec!["1:0"]),
        ("--why", "command", vec![]),
        ("--status", "400", vec!["0:0"]),
        ("--revision", "v8", vec!["1:0"]),
        ("--subscription", "pay", vec!["0:0"]),
        ("--group", "other-group", vec!["1:0"]),
        ("--offset", "1:0", vec!["1:0"]),
    ] {
        assert_eq!(post.list(&[filter, with]), found, "{filter} {with}");
    }
    let table = post.run("list", &["--offset", "0:0", "--offset", "1:1"]);
    assert!(table.err.contains("1 letters; left out: 1 not selected, 1 no letters"), "{table:?}");
    let table = table.done();
    assert!(table.contains("no such\\naccount") && table.starts_with("LETTER  ORIGIN"), "{table}");
    assert!(table.contains(&format!("{} 3:10", post.bench.topic)), "{table}");
}

#[test]
fn a_letter_is_shown_whole() {
    let post = Post::new("whole");
    post.letter(
        1,
        Some("a"),
        Some("a\x1bvalue"),
        &[("h", Some(b"\xff")), ("n", None)],
        &post.story(7),
    );
    post.send(1, None, Some("other"), &[]);
    post.flush();
    let shown = post.run("show", &["--offset", "1:0", "--output", "json"]).json();
    let origin = json!({
        "cluster": "c", "topic": post.bench.topic, "topic_id": "an-id", "partition": 3,
        "offset": 7, "timestamp": post.began + 7,
    });
    assert_eq!((&shown["origin"], &shown["state"]), (&origin, &json!("open")));
    assert_eq!((&shown["key"], &shown["value"]), (&json!("a"), &json!("a\u{1b}value")));
    let header = json!({ "name": "h", "value": "/w==", "value_encoding": "base64" });
    assert_eq!(shown["headers"][0], header);
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!(400), &json!(1)));
    let page = post.run("show", &["--offset", "1:0"]).done();
    for said in ["a\\u{1b}value", "header h: \\xff", "1 of 4 deliveries", "no such\\naccount"] {
        assert!(page.contains(said), "`{said}` is not in {page}");
    }
    post.run("show", &["--offset", "1:1"]).refused(4, &["1:1", "is no dead letter"]);
    post.run("show", &["--offset", "1:2"]).refused(4, &["no record at 1:2"]);
}

#[test]
fn letters_go_back_once_as_the_records_that_they_were() {
    let post = Post::new("back");
    let own: Headers<'_> = &[
        ("trace", Some(b"1")),
        ("kafka_dlt-exception-message", Some(b"its own")),
        ("trace", None),
    ];
    post.letter(0, Some("a"), Some("one"), own, &post.story(4));
    post.letter(
        1,
        None,
        None,
        &[],
        &DeadLetter { partition: 2, topic_id: None, timestamp: 1_600_000_000_000, ..post.story(9) },
    );
    // It was sent back before, and died again, each time in another replay.
    let before = format!("{}/an-id/3/1", post.bench.topic);
    let stood = [
        (ORIGIN, Some(before.as_bytes())),
        (OF_ORIGIN, Some(&b"pay-group/1"[..])),
        (OF_ORIGIN, Some(b"others/7")),
    ];
    let replay = Replay { number: 2, of_park: 0 };
    post.letter(0, Some("a"), Some("two"), &stood, &DeadLetter { replay, ..post.story(5) });
    // This one got its header with what it was made of.
    let stood = [(ORIGIN, Some(&b"elsewhere/an-id/3/1"[..]))];
    post.letter(0, Some("a"), Some("three"), &stood, &post.story(6));
    post.send(1, Some("x"), Some("of somebody else"), &[]);
    post.flush();

    let dry = post.run("redrive", &["--dry-run"]);
    assert!(dry.err.contains("4 letters would be sent back"), "{dry:?}");
    dry.done();
    assert_eq!(post.bench.records(&[]), Vec::<Value>::new());

    let summary = post.work("redrive", &[]);
    assert_eq!(counts(&summary), [4, 0, 0, 0, 0]);
    assert_eq!(summary["left_out"]["others"], 1);
    let records = post.bench.records(&["--partition", "3"]);
    assert_eq!(values(&records), ["one", "two", "three"]);
    let topic = &post.bench.topic;
    let origin = |at: &str| json!({ "name": ORIGIN, "value": at, "value_encoding": "utf8" });
    let header =
        |name: &str, value: &str| json!({ "name": name, "value": value, "value_encoding": "utf8" });
    assert_eq!(
        records[0]["headers"],
        json!([
            header("trace", "1"),
            header("kafka_dlt-exception-message", "its own"),
            { "name": "trace", "value": null },
            origin(&format!("{topic}/an-id/3/4")),
        ])
    );
    assert_eq!(records[0]["timestamp"], post.began + 4);
    let replays = ["others/7", "pay-group/2"].map(|said| header(OF_ORIGIN, said));
    assert_eq!(records[1]["headers"], json!([origin(&before), replays[0], replays[1]]));
    let both = [origin("elsewhere/an-id/3/1"), origin(&format!("{topic}/an-id/3/6"))];
    assert_eq!(records[2]["headers"], json!(both));
    let tombstone = &post.bench.records(&["--partition", "2"])[0];
    assert_eq!((&tombstone["key"], &tombstone["value"]), (&Value::Null, &Value::Null));
    let timestamp = tombstone["timestamp"].as_i64().unwrap();
    assert!(timestamp >= post.began, "retention would remove a record of {timestamp} at once");
    assert_eq!(tombstone["headers"], json!([origin(&format!("{topic}/-/2/9"))]));

    let again = post.work("redrive", &[]);
    assert_eq!((counts(&again), &again["left_out"]["closed"]), ([0; 5], &json!(4)));
    assert_eq!(again["left_out"]["marks"], 4);
    assert_eq!(post.bench.records(&[]).len(), 4);
    assert_eq!(post.list(&[]), Vec::<String>::new());
    assert_eq!(post.list(&["--all"]).len(), 4);
    let shown = post.run("show", &["--offset", "0:0", "--output", "json"]).json();
    assert_eq!(shown["state"], "redriven");
}

#[test]
fn purged_letters_are_open_no_more() {
    let post = Post::new("purged");
    post.many(10, 2);
    post.run("purge", &[]).refused(2, &["--everything"]);
    assert_eq!(counts(&post.work("purge", &["--key", "key-1", "--limit", "3"])), [3, 0, 0, 0, 0]);
    assert_eq!(post.list(&[]), ["0:0", "0:2", "0:4", "0:6", "0:7", "0:8", "0:9"]);
    let told = post.run("purge", &["--everything"]).done();
    assert!(told.contains("7 letters of") && told.contains("3 sent back or purged"), "{told}");
    assert_eq!(counts(&post.work("redrive", &[])), [0; 5]);
    assert_eq!(post.bench.records(&[]), Vec::<Value>::new());
}

#[test]
fn the_key_decides_about_the_partition_only_where_that_is_wanted() {
    let post = Post::new("partitions");
    post.many(20, 20);
    assert_eq!(counts(&post.work("redrive", &["--limit", "10"])), [10, 0, 0, 0, 0]);
    assert_eq!(post.bench.records(&["--partition", "3"]).len(), 10);
    assert_eq!(counts(&post.work("redrive", &["--by-key"])), [10, 0, 0, 0, 0]);
    let records = post.bench.records(&[]);
    let elsewhere = records.iter().filter(|record| record["partition"] != 3).count();
    assert!(records.len() == 20 && elsewhere > 0, "{elsewhere} of {}", records.len());

    post.letter(0, Some("a"), Some("1"), &[], &DeadLetter { partition: 4, ..post.story(1) });
    let gone = DeadLetter { topic: "no-such-topic".into(), ..post.story(2) };
    post.letter(0, Some("b"), Some("2"), &[], &gone);
    post.flush();
    let ran = post.run("redrive", &["--key", "a"]);
    ran.refused(4, &["has no partition 4 any more; --by-key"]);
    post.run("redrive", &["--key", "b"]).refused(4, &["no topic `no-such-topic` any more"]);
    assert!(!post.bench.run(&["topics", "list"]).done().contains("no-such-topic"));
    assert_eq!(counts(&post.work("redrive", &["--key", "a", "--by-key"])), [1, 0, 0, 0, 0]);
}

#[test]
fn a_letter_that_kafka_refuses_keeps_the_later_ones_of_its_key_where_they_are() {
    let bench = Bench::without_topic("refused");
    let create = ["topics", "create", &bench.topic, "--config", "max.message.bytes=5000"];
    bench.run(&create).done();
    let dead = format!("{}.dead", bench.topic);
    bench.kafka.create(&dead, 1);
    let producer = bench.kafka.producer();
    let post = Post { bench, dead, producer, began: clock_ms() };
    let large = "x".repeat(6_000);
    for (n, (key, value)) in
        [("a", "1"), ("a", large.as_str()), ("b", "2"), ("a", "3"), ("b", "4"), ("a", "5")]
            .into_iter()
            .enumerate()
    {
        let story = DeadLetter { partition: 0, ..post.story(n as i64) };
        post.letter(0, Some(key), Some(value), &[], &story);
    }
    post.flush();
    let ran = post.run("redrive", &["--output", "json"]);
    ran.refused(4, &["letter 0:1", "2 wait behind one of their key"]);
    let summary: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(counts(&summary), [3, 1, 2, 0, 0]);
    assert_eq!(values(&post.bench.records(&[])), ["1", "2", "4"]);
    assert_eq!(post.list(&[]), ["0:1", "0:3", "0:5"]);
    // Somebody decides about it, and the rest goes on.
    post.run("purge", &["--offset", "0:1"]).done();
    assert_eq!(counts(&post.work("redrive", &[])), [2, 0, 0, 0, 0]);
    assert_eq!(values(&post.bench.records(&[])), ["1", "2", "4", "3", "5"]);
}

#[test]
fn an_interrupted_run_has_marked_all_that_it_sent_back() {
    let post = Post::new("interrupted");
    post.many(400, 7);
    let args = ["dead-letters", "redrive", "--topic", &post.dead, "--rate", "50/s"];
    let running = post.bench.start(&args);
    post.await_back(20);
    running.signal("INT");
    let ran = running.end();
    ran.refused(130, &["interrupted", "each is marked"]);
    let back = post.bench.records(&[]).len();
    assert!((20..400).contains(&back), "{back}");
    assert_eq!(post.list(&[]).len(), 400 - back);
    assert_eq!(counts(&post.work("redrive", &[])), [400 - back as i64, 0, 0, 0, 0]);
    assert_eq!(post.back(), expected(400, 7));
}

#[test]
fn a_run_that_is_killed_repeats_at_most_what_was_out_and_keeps_the_order() {
    let post = Post::new("killed");
    post.many(2_000, 50);
    let args = ["dead-letters", "redrive", "--topic", &post.dead, "--rate", "200/s"];
    let running = post.bench.start(&args);
    post.await_back(100);
    running.signal("KILL");
    running.end();
    let open = post.list(&[]).len();
    let sent = post.bench.records(&[]).len();
    assert!(open > 0 && sent + open <= 2_000 + 256, "{sent} sent back, {open} open");
    post.run("redrive", &[]).done();
    let mut back = post.back();
    let repeated = back.values().map(Vec::len).sum::<usize>() - 2_000;
    assert!(repeated <= 256, "{repeated} repeated");
    for values in back.values_mut() {
        let mut seen = std::collections::HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
    }
    assert_eq!(back, expected(2_000, 50));
}

#[test]
fn a_configuration_file_names_cluster_and_topic() {
    let post = Post::new("named");
    post.many(3, 1);
    let other = format!("{}.other", post.dead);
    let subscription = |name: &str, dead: &str| {
        format!(
            "[[subscription]]\nname = {name:?}\ntopics = [{:?}]\ntarget = {{ url = \
             \"http://localhost:1/\" }}\ndead_letter = {{ topic = {dead:?} }}\n",
            format!("{}-{name}", post.bench.topic)
        )
    };
    let kafka = format!("[kafka]\n\"bootstrap.servers\" = {:?}\n", post.bench.kafka.address);
    let text = format!("{kafka}{}{}", subscription("pay", &post.dead), subscription("x", &other));
    let path = file(post.bench.directory.path(), &text);
    let path = path.to_str().unwrap();
    let ran = forebay(&["dead-letters", "list", "-c", path]);
    ran.refused(2, &["several dead letter topics", &other]);
    let listed = forebay(&["dead-letters", "list", "-c", path, "--subscription", "pay"]);
    assert!(listed.err.contains("3 letters"), "{listed:?}");
    let listed = forebay(&["dead-letters", "list", "-c", path, "--topic", &post.dead]);
    assert!(listed.err.contains("3 letters"), "{listed:?}");
    let ran = forebay(&["dead-letters", "list", "-c", path, "--subscription", "y"]);
    ran.refused(2, &["no such subscription"]);
}
