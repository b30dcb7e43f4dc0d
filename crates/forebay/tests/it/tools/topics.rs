//! What `topics` makes, shows and deletes.

use serde_json::json;

use super::Bench;

#[test]
fn a_topic_is_made_shown_and_deleted() {
    let bench = Bench::without_topic("life");
    let topic = bench.topic.as_str();
    let create = ["topics", "create", topic, "--partitions", "3", "--config", "retention.ms=60000"];
    bench.run(&create).done();
    bench.run(&create).refused(4, &[&format!("create topic {topic}"), "already", "exists"]);
    bench.produce(&[], b"one\n").done();

    let described = bench.run(&["topics", "describe", topic, "--output", "json"]).json();
    assert_eq!(
        (&described["topic"], &described["configs"]["retention.ms"]),
        (&json!(topic), &json!("60000"))
    );
    let partitions = described["partitions"].as_array().unwrap();
    let numbers: Vec<_> = partitions.iter().map(|partition| &partition["partition"]).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let ends: i64 = partitions.iter().map(|partition| partition["end"].as_i64().unwrap()).sum();
    assert_eq!(ends, 1);
    assert_eq!(partitions[0]["replicas"], partitions[0]["in_sync"]);
    let table = bench.run(&["topics", "describe", topic]).done();
    assert!(table.starts_with("PARTITION  LEADER") && table.contains("retention.ms=60000"));

    let listed = bench.run(&["topics", "list", "--output", "json"]).json();
    let entry = json!({ "topic": topic, "partitions": 3, "replication": 1 });
    assert!(listed.as_array().unwrap().contains(&entry), "{listed}");

    bench.run(&["topics", "delete", topic]).done();
    bench.run(&["topics", "delete", topic]).refused(4, &["there is no topic"]);
    assert!(!bench.run(&["topics", "list"]).done().contains(topic));
}

#[test]
fn a_setting_that_kafka_refuses_is_told_in_its_words() {
    let bench = Bench::without_topic("refused");
    let create = ["topics", "create", &bench.topic, "--config"];
    let ran = bench.run(&[&create[..], &["no.such.setting=1"]].concat());
    ran.refused(4, &["no.such.setting"]);
    let ran = bench.run(&[&create[..], &["nothing"]].concat());
    ran.refused(2, &["write name=value"]);
}
