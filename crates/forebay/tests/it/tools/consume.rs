//! What `consume` prints, from where to where.

use serde_json::{Value, json};

use super::{Bench, lines, values};
use crate::system::process::eventually;

fn ten(bench: &Bench) {
    let input: String = (0..10).map(|n| format!("{n}\n")).collect();
    bench.produce(&[], input.as_bytes()).done();
}

#[test]
fn it_starts_where_it_is_told_and_ends_where_the_topic_ends() {
    let bench = Bench::new("from", 1);
    ten(&bench);
    assert_eq!(bench.records(&[]).len(), 10);
    assert_eq!(values(&bench.records(&["--from", "8"])), ["8", "9"]);
    assert_eq!(values(&bench.records(&["--from", "3", "--count", "2"])), ["3", "4"]);
    assert_eq!(bench.records(&["--from", "end"]).len(), 0);
    assert_eq!(bench.records(&["--from", "10"]).len(), 0);
    assert_eq!(bench.records(&["--from", "2020-01-01T00:00:00Z"]).len(), 10);
    assert_eq!(bench.records(&["--from", "2100-01-01T00:00:00Z"]).len(), 0);
}

#[test]
fn a_record_is_one_line_of_json_with_all_its_parts() {
    let bench = Bench::new("json", 2);
    let producer = bench.kafka.producer();
    let headers: &[(&str, Option<&[u8]>)] = &[("h", Some(b"1")), ("h", None), ("b", Some(b"\xff"))];
    // Of today: a broker may delete what is older than its topic keeps.
    let time = jiff::Timestamp::from_millisecond(jiff::Timestamp::now().as_millisecond()).unwrap();
    let record = forebay_kafka::Send {
        topic: &bench.topic,
        partition: Some(1),
        key: Some(b"\x00\xff"),
        value: None,
        headers,
        timestamp_ms: Some(time.as_millisecond()),
    };
    assert!(producer.send(record, Box::new(|sent| assert!(sent.is_ok()))).is_ok());
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
    let expected = json!({
        "topic": bench.topic,
        "partition": 1,
        "offset": 0,
        "timestamp": time.as_millisecond(),
        "key": "AP8=",
        "key_encoding": "base64",
        "value": null,
        "headers": [
            { "name": "h", "value": "1", "value_encoding": "utf8" },
            { "name": "h", "value": null },
            { "name": "b", "value": "/w==", "value_encoding": "base64" },
        ],
    });
    let expected = [expected];
    assert_eq!(bench.records(&[]), expected);
    assert_eq!(bench.records(&["--partition", "1"]), expected);
    assert_eq!(bench.records(&["--partition", "0"]), [] as [Value; 0]);

    let table = bench.run(&["consume", "--topic", &bench.topic]).done();
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["PARTITION", "OFFSET", "TIMESTAMP", "KEY", "VALUE"]);
    assert_eq!(rows[1], ["1", "0", &format!("{time:.3}"), "\\u{0}\\xff", "-"]);
}

#[test]
fn following_shows_what_is_written_later_until_it_is_interrupted() {
    let bench = Bench::new("follow", 2);
    let args = ["consume", "--topic", &bench.topic, "--follow", "--output", "json"];
    let running = bench.start(&args);
    for n in ["one", "two"] {
        bench.produce(&[], n.as_bytes()).done();
        eventually("what was written", || running.out().contains(n).then_some(()));
    }
    running.signal("INT");
    let ran = running.end();
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert_eq!(values(&lines(&ran.out)), ["one", "two"]);
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let bench = Bench::new("absent", 2);
    let consume =
        |topic: &str, args: &[&str]| bench.run(&[&["consume", "--topic", topic], args].concat());
    let near = bench.topic.replace("absent", "abzent");
    let told = format!("there is no topic `{near}` on {}", bench.kafka.address);
    let meant = format!("did you mean `{}`?", bench.topic);
    consume(&near, &[]).refused(4, &[&told, &meant]);
    let told = format!("topic `{}` has no partition 2; it has 2, from 0 to 1", bench.topic);
    consume(&bench.topic, &["--partition", "2"]).refused(4, &[&told]);
    consume(&bench.topic, &["--from", "5"]).refused(4, &["out of range"]);
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let bench = Bench::new("group", 1);
    ten(&bench);
    let group = bench.topic.clone();
    let printed = bench.records(&["--group", &group, "--count", "4"]);
    assert_eq!(values(&printed), ["0", "1", "2", "3"]);
    let printed = bench.records(&["--group", &group, "--count", "6"]);
    assert_eq!(values(&printed), ["4", "5", "6", "7", "8", "9"]);
}
