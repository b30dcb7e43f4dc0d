//! What several processes say, as one.

use super::*;
use forebay_kafka::TopicPartition;

fn shown(number: i32, lag: i64) -> Value {
    json!({
        "name": "s",
        "kafka": "reachable",
        "lag": lag,
        "in_flight": 1,
        "paused": false,
        "bottleneck": { "cap": format!("of {lag}") },
        "deliveries": { "sent": 10, "accepted": 9 },
        "partitions": [{ "topic": "t", "partition": number, "lag": lag }],
        "endpoints": [{ "url": "http://e/" }],
        "troubles": [{ "offset": lag, "age_ms": lag }],
    })
}

fn peer(at: At) -> Peer {
    let partitions = Some(vec![TopicPartition::new("t", 5)]);
    Peer { instance_id: "c-s".to_owned(), instance: "c".to_owned(), at, partitions }
}

#[test]
fn counts_are_summed_and_entries_say_whose_they_are() {
    let mut all = own(shown(1, 3), "a", Some("127.0.0.1:1"));
    add(&mut all, &own(shown(0, 40), "b", None));
    assert_eq!((&all["lag"], &all["in_flight"]), (&json!(43), &json!(2)));
    assert_eq!(all["deliveries"], json!({ "sent": 20, "accepted": 18 }));
    let partitions = all["partitions"].as_array().unwrap();
    let whose: Vec<_> =
        partitions.iter().map(|row| (&row["partition"], &row["instance"])).collect();
    assert_eq!(whose, [(&json!(0), &json!("b")), (&json!(1), &json!("a"))]);
    assert_eq!(all["endpoints"].as_array().unwrap().len(), 2);
    assert_eq!(all["endpoints"][1]["instance"], "b");
    assert_eq!(all["bottleneck"]["cap"], "of 40", "of whoever is further behind");
    assert_eq!(all["troubles"][0]["age_ms"], 40, "the oldest first");
    let processes = all["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 2);
    assert_eq!(processes[0]["address"], "http://127.0.0.1:1");
    assert_eq!(processes[1]["partitions"], json!([{ "topic": "t", "partition": 0 }]));
    assert_eq!((&processes[1]["lag"], &processes[1]["paused"]), (&json!(40), &json!(false)));
}

#[test]
fn a_lag_that_is_not_all_of_one_is_not_all_of_the_group() {
    let mut partial = shown(1, 3);
    partial["lag_partial"] = json!(true);
    let mut all = own(shown(0, 40), "a", None);
    add(&mut all, &own(partial, "b", None));
    add(&mut all, &own(shown(2, 1), "c", None));
    assert_eq!((&all["lag"], &all["lag_partial"]), (&json!(44), &json!(true)));
    assert_eq!(all["processes"][1]["lag_partial"], true);
}

#[test]
fn what_holds_one_of_them_is_told() {
    let mut all = own(shown(0, 0), "a", None);
    let mut held = shown(1, 0);
    held["paused"] = json!(true);
    held["held"] = json!("it is paused; `resume` goes on");
    held["held_by"] = json!(["operator"]);
    held["discovery_error"] = json!("no such name");
    add(&mut all, &own(held.clone(), "b", None));
    add(&mut all, &own(held, "c", None));
    assert_eq!(all["paused"], true);
    assert_eq!(all["held"], "it is paused; `resume` goes on", "said once");
    assert_eq!(all["held_by"], json!(["operator"]));
    assert_eq!(all["discovery_error"], "no such name");
    let mut target = shown(2, 0);
    target["held"] = json!("nothing listens");
    target["held_by"] = json!(["target"]);
    add(&mut all, &own(target, "d", None));
    assert_eq!(all["held"], "it is paused; `resume` goes on; nothing listens");
    assert_eq!(all["held_by"], json!(["operator", "target"]));
}

#[test]
fn one_that_does_not_answer_is_named_with_what_kafka_says_it_has() {
    let mut all = own(shown(0, 0), "a", None);
    let idle = Peer { partitions: Some(Vec::new()), ..peer(At::Ended) };
    add_silent(&mut all, &idle, "it has ended");
    assert_ne!(all["lag_partial"], true, "there is nothing that it has");
    add_silent(&mut all, &peer(At::Address("h:1".to_owned())), "c at http://h:1: refused");
    assert_eq!(all["lag_partial"], true, "of what it has nobody knows the lag");
    let silent = &all["processes"][2];
    assert_eq!((&silent["instance"], &silent["address"]), (&json!("c"), &json!("http://h:1")));
    assert_eq!(silent["partitions"], json!([{ "topic": "t", "partition": 5 }]));
    assert_eq!(silent["error"], "c at http://h:1: refused");
    assert!(all["processes"][1]["address"].is_null());
    assert_eq!(all["partitions"].as_array().unwrap().len(), 1);
}

#[test]
fn troubles_are_bounded_and_counted() {
    let mut many = shown(0, 0);
    many["troubled"] = json!(15);
    many["troubles"] = (0..15).map(|age| json!({ "age_ms": age })).collect();
    let mut all = own(many.clone(), "a", None);
    add(&mut all, &own(many, "b", None));
    assert_eq!(all["troubled"], 30);
    assert_eq!(all["troubles"].as_array().unwrap().len(), TROUBLES_MAX);
    assert_eq!(all["troubles"][0]["age_ms"], 14);
}

#[test]
fn nonsense_from_another_process_changes_nothing_else() {
    for nonsense in [
        json!(null),
        json!(7),
        json!([1]),
        json!({ "lag": "x", "partitions": 3, "deliveries": [] }),
    ] {
        let mut all = own(shown(0, 5), "a", None);
        add(&mut all, &nonsense);
        assert_eq!(all["partitions"].as_array().unwrap().len(), 1, "{nonsense}");
        assert_eq!(all["lag"], 5, "{nonsense}");
    }
}
