//! What `produce` sends, what it does not send, and how it says so.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use forebay_kafka::{OffsetSpec, TopicPartition};
use serde_json::json;

use super::{Bench, values};
use crate::harness::{Running, forebay_fed};
use crate::system::kafka::Kafka;
use crate::system::process::eventually;

#[test]
fn a_hundred_thousand_rows_come_back_whole_and_in_order_by_key() {
    let bench = Bench::new("rows", 4);
    let mut csv = String::from("n,key,text\n");
    let mut sent: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    for n in 0..100_000 {
        let key = match n * 7919 % 1013 {
            0 => None,
            1 => Some("NA".to_owned()),
            key => Some(format!("key-{key}")),
        };
        writeln!(csv, "{n},{},\"a, \"\"b\"\"\"", key.as_deref().unwrap_or_default()).unwrap();
        sent.entry(key.filter(|key| key != "NA")).or_default().push(n);
    }
    let file = bench.file("rows.csv.zst", &zstd::encode_all(csv.as_bytes(), 1).unwrap());
    let summary = bench
        .produce(&["--input", &file, "--key", "key", "--null-key", "NA", "--output", "json"], b"");
    let summary = summary.json();
    assert_eq!((&summary["records"], &summary["failed"]), (&json!(100_000), &json!(0)));

    let mut found: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    for record in bench.records(&[]) {
        let row: BTreeMap<String, String> =
            serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        assert_eq!(row["text"], "a, \"b\"");
        let key = record["key"].as_str().map(str::to_owned);
        found.entry(key).or_default().push(row["n"].parse().unwrap());
    }
    // Records without a key have no order among them.
    found.get_mut(&None).unwrap().sort_unstable();
    assert_eq!(found, sent);
}

#[test]
fn kcat_reads_what_was_produced() {
    let bench = Bench::new("kcat", 1);
    let input = "{\"id\":\"ä\",\"n\":1.50}\n\n{\"id\":7,\"n\":2}\n{\"id\":null}\n";
    let args = ["--format", "ndjson", "--key", "id", "--header", "from=a=b", "--header", "empty="];
    bench.produce(&args, input.as_bytes()).done();
    let output = Command::new("kcat")
        .args(["-C", "-q", "-e", "-Z", "-b", &bench.kafka.address, "-t", &bench.topic])
        .args(["-f", "%k|%s|%h\n"])
        .output()
        .expect("kcat is one of the tools that the tests need");
    let expected = "ä|{\"id\":\"ä\",\"n\":1.50}|from=a=b,empty=\n\
                    7|{\"id\":7,\"n\":2}|from=a=b,empty=\n\
                    NULL|{\"id\":null}|from=a=b,empty=\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn values_are_lines_or_rows_or_parts_of_them() {
    let bench = Bench::new("values", 1);
    bench.produce(&[], b"one\r\n\n two ").done();
    bench.produce(&["--format", "csv", "--raw"], b"a,b\n1,\"2, 3\"\n").done();
    bench.produce(&["--format", "csv", "--value", "b"], b"a,b\n1,\"2, 3\"\n").done();
    bench.produce(&["--format", "ndjson", "--value", "v"], b"{\"v\":\"x\"}\n{\"v\":null}").done();
    let records = bench.records(&[]);
    assert_eq!(values(&records[..6]), ["one", "", " two ", "1,\"2, 3\"", "2, 3", "x"]);
    assert!(records[6]["value"].is_null());
}

#[test]
fn a_malformed_line_is_named_and_nothing_behind_it_is_sent() {
    let bench = Bench::new("malformed", 1);
    let file = bench.file("bad.csv", b"a,b\n1,2\n3,4\n5\n6,7\n");
    let ran = bench.produce(&["--input", &file, "--output", "json"], b"");
    let place = format!("{file}:4: 1 fields, where the header has 2");
    ran.refused(2, &[&place, "2 records were acknowledged before it"]);
    assert!(ran.out.contains("\"records\": 2"), "{}", ran.out);
    assert_eq!(bench.records(&[]).len(), 2);

    let ran = bench.produce(&["--format", "ndjson"], b"{}\nnot json\n{}\n");
    ran.refused(2, &["standard input:2: not JSON", "1 records were acknowledged"]);
    let ran = bench.produce(&["--format", "csv", "--key", "c"], b"a,b\n1,2\n");
    ran.refused(2, &["standard input:1: no column `c`; there are: a, b"]);
    assert_eq!(bench.records(&[]).len(), 3);
}

#[test]
fn a_value_over_the_topics_limit_is_refused_with_its_line_its_size_and_the_limit() {
    let bench = Bench::without_topic("large");
    let create = ["topics", "create", &bench.topic, "--config", "max.message.bytes=5000"];
    bench.run(&create).done();
    // Many that fit are sent in batches that fit.
    let mut input = "x".repeat(900) + "\n";
    input = input.repeat(50);
    input.push_str(&"y".repeat(4930));
    input.push('\n');
    let fitting = bench.produce(&["--output", "json"], input.as_bytes()).json();
    assert_eq!(fitting["records"], 51);

    let ran = bench.produce(&[], format!("first\n{}\nlast\n", "y".repeat(4931)).as_bytes());
    let limit = format!("topic `{}` takes at most 5000", bench.topic);
    let told = ["standard input:2: a record of 5001 bytes", limit.as_str(), "1 records were"];
    ran.refused(4, &told);
    assert_eq!(values(&bench.records(&["--from", "51"])), ["first"]);

    let create = ["topics", "create", &format!("{}-2", bench.topic), "--config"];
    bench.run(&[&create[..], &["max.message.bytes=3000000"]].concat()).done();
    let topic = format!("{}-2", bench.topic);
    let large = "z".repeat(2_000_000);
    let args = bench.args(&["produce", "--topic", &topic]);
    forebay_fed(&args, large.as_bytes()).done();
    let args = bench.args(&["produce", "--topic", &topic, "-X", "max.request.size=1000000"]);
    let ran = forebay_fed(&args, large.as_bytes());
    ran.refused(4, &["a record of 2000074 bytes; max.request.size allows 1000000"]);
}

#[test]
fn a_topic_is_made_only_where_that_is_asked_for() {
    let bench = Bench::without_topic("made");
    let ran = bench.produce(&[], b"one\n");
    ran.refused(4, &[&format!("there is no topic `{}`", bench.topic), "--partitions N makes it"]);
    let missing = bench.run(&["topics", "describe", &bench.topic]);
    missing.refused(4, &["there is no topic"]);

    bench.produce(&["--partitions", "3"], b"one\n").done();
    bench.produce(&["--partitions", "3"], b"two\n").done();
    let described = bench.run(&["topics", "describe", &bench.topic, "--output", "json"]).json();
    assert_eq!(described["partitions"].as_array().unwrap().len(), 3);
    let ran = bench.produce(&["--partitions", "4"], b"three\n");
    ran.refused(2, &["--partitions 4", "with 3 partitions"]);
    assert_eq!(bench.records(&[]).len(), 2);
}

#[test]
fn a_rate_is_kept() {
    let bench = Bench::new("rate", 1);
    let began = Instant::now();
    bench.produce(&["--rate", "50/s"], "x\n".repeat(51).as_bytes()).done();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn an_interrupt_flushes_what_was_queued_and_says_how_many() {
    let bench = Bench::new("interrupt", 1);
    let mut running = bench.start(&["produce", "--topic", &bench.topic]);
    running.feed(b"one\ntwo\nthree\nunfinished");
    eventually("three records", || (bench.records(&[]).len() == 3).then_some(()));
    running.signal("INT");
    running.end().refused(130, &["interrupted: 3 records were acknowledged"]);
    assert_eq!(values(&bench.records(&[])), ["one", "two", "three"]);
}

#[test]
fn a_kafka_that_goes_away_fails_the_records_that_it_did_not_acknowledge() {
    let directory = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::embedded(directory.path(), "127.0.0.1:0");
    kafka.create("gone", 1);
    let times = ["-X", "request.timeout.ms=1500", "-X", "delivery.timeout.ms=2000"];
    let args = ["produce", "--topic", "gone", "--kafka", &kafka.address];
    let mut running = Running::start(&[&args[..], &times].concat());
    running.feed(b"one\n");
    let (admin, partition) = (kafka.admin(), TopicPartition::new("gone", 0));
    eventually("the first record", || {
        let listed = admin.offsets(&[(partition.clone(), OffsetSpec::Latest)]).unwrap();
        matches!(listed[0].offset, Ok(Some(1))).then_some(())
    });
    kafka.broker.take().unwrap().kill();
    running.feed(b"two\nthree\n");
    let ran = running.finish();
    let told = ["records were not acknowledged, the first of standard input:2", &kafka.address];
    ran.refused(4, &told);
    assert!(ran.err.contains("1 records were acknowledged"), "{}", ran.err);
}
