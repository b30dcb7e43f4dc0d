//! What `groups` shows, in Kafka's own columns.

use serde_json::{Value, json};

use super::Bench;
use crate::system::process::eventually;

const COLUMNS: [&str; 9] = [
    "GROUP",
    "TOPIC",
    "PARTITION",
    "CURRENT-OFFSET",
    "LOG-END-OFFSET",
    "LAG",
    "CONSUMER-ID",
    "HOST",
    "CLIENT-ID",
];

fn cells(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn a_group_that_is_not_running_has_its_offsets_and_dashes() {
    let bench = Bench::new("stopped", 1);
    bench.produce(&[], b"1\n2\n3\n4\n5\n").done();
    let group = bench.topic.as_str();
    bench.records(&["--group", group, "--count", "2"]);
    let ran = bench.run(&["groups", "describe", group]);
    assert!(ran.err.contains("has no active members"), "{}", ran.err);
    let table = ran.done();
    assert_eq!(cells(&table)[0], COLUMNS);
    assert_eq!(cells(&table)[1], [group, &bench.topic, "0", "2", "5", "3", "-", "-", "-"]);
    let rows = bench.run(&["groups", "describe", group, "--output", "json"]).json();
    let row = json!({
        "group": group, "topic": bench.topic, "partition": 0, "current_offset": 2,
        "log_end_offset": 5, "lag": 3, "consumer_id": null, "host": null, "client_id": null,
    });
    assert_eq!(rows, json!([row]));
    let state = bench.run(&["groups", "describe", group, "--state", "--output", "json"]).json();
    assert_eq!((&state["state"], &state["members"]), (&json!("Empty"), &json!(0)));
    let listed = bench.run(&["groups", "list", "--output", "json"]).json();
    let entry = json!({ "group": group, "state": "Empty" });
    assert!(listed.as_array().unwrap().contains(&entry), "{listed}");
}

#[test]
fn a_running_group_has_its_members_and_partitions_without_a_commit() {
    let bench = Bench::new("running", 2);
    let group = bench.topic.as_str();
    let consume = ["consume", "--topic", group, "--group", group, "--follow"];
    let running = bench.start(&[&consume[..], &["-X", "client.id=the-reader"]].concat());
    let rows = eventually("both partitions are assigned", || {
        let ran = bench.run(&["groups", "describe", group, "--output", "json"]);
        // Until the first member has joined there is no such group.
        let rows: Value = serde_json::from_str(&ran.out).ok()?;
        (rows.as_array()?.len() == 2).then_some(rows)
    });
    let row = &rows[1];
    assert_eq!((&row["partition"], &row["client_id"]), (&json!(1), &json!("the-reader")));
    assert_eq!((&row["current_offset"], &row["lag"]), (&Value::Null, &Value::Null));
    assert_eq!(row["log_end_offset"], 0);
    assert!(row["host"].as_str().unwrap().contains("127.0.0.1"), "{row}");

    let members = bench.run(&["groups", "describe", group, "--members", "--output", "json"]).json();
    assert_eq!(members[0]["consumer_id"], row["consumer_id"]);
    assert_eq!(members[0]["partitions"].as_array().unwrap().len(), 2);
    let table = bench.run(&["groups", "describe", group, "--members"]).done();
    assert_eq!(cells(&table)[1].last(), Some(&"2"));
    let state = bench.run(&["groups", "describe", group, "--state"]).done();
    let cells = cells(&state);
    assert_eq!(cells[1][cells[1].len() - 2..], ["Stable", "1"], "{state}");
    running.signal("INT");
    assert_eq!(running.end().code, 130);
}

#[test]
fn a_group_that_does_not_exist_is_refused_with_the_nearest_name() {
    let bench = Bench::new("nearest", 1);
    bench.produce(&[], b"1\n").done();
    bench.records(&["--group", &bench.topic, "--count", "1"]);
    let near = bench.topic.replace("nearest", "nearst");
    let told = format!("there is no consumer group `{near}` on {}", bench.kafka.address);
    let meant = format!("did you mean `{}`?", bench.topic);
    bench.run(&["groups", "describe", &near]).refused(4, &[&told, &meant]);
}
