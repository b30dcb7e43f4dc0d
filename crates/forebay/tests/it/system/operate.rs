//! What an operator changes while the gateway runs disturbs nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use forebay_trial::{Journal, Rule, Script, Service};
use serde_json::{Value, json};

use super::deliver::gateway;
use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};

fn subscription(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[subscription]]\nname = {name:?}\ntopics = [{name:?}]\n{more}\n[subscription.target]\n\
         url = {url:?}\n"
    )
}

fn shown(gateway: &Forebay, name: &str) -> Value {
    let (status, body) = gateway.get(&format!("/api/v1/subscriptions/{name}"));
    if status == 200 { serde_json::from_str(&body).unwrap() } else { Value::Null }
}

fn command(gateway: &Forebay, path: &str, body: Value) -> Value {
    let (status, answer) = gateway.post(path, &body.to_string());
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

/// `forebay subscriptions`: its exit code, and all that it printed.
fn subscriptions(gateway: &Forebay, args: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["subscriptions", "--control", &gateway.address("control")])
        .args(args)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(printed).unwrap())
}

#[test]
fn a_changed_file_is_taken_and_touches_no_other_group() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    for topic in ["stays", "changes", "comes"] {
        kafka.create(topic, 2);
    }
    let (old, new) = (
        Service::start(Script::accepting(), &Journal::default()),
        Service::start(Script::accepting(), &journal),
    );
    let process = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = \"test\"\n",
        kafka.address
    );
    let stays = subscription("stays", &old.url(), "");
    let text = format!("{process}{stays}{}", subscription("changes", &old.url(), ""));
    let config = file(directory.path(), &text);
    let gateway = Forebay::start(directory.path(), &["run", "-c", config.to_str().unwrap()]);
    kafka.await_committed("stays", &kafka.fill("stays", 0..100, 10));
    kafka.await_committed("changes", &kafka.fill("changes", 0..100, 10));
    let before = [kafka.generations("stays"), kafka.generations("changes")];

    let changes = subscription("changes", &new.url(), "commit = { drain = \"3s\" }");
    let comes = subscription("comes", &new.url(), "");
    file(directory.path(), &format!("{process}{stays}{changes}{comes}"));
    let answer = command(&gateway, "/api/v1/reload", json!({}));
    assert_eq!(answer["changes"], json!(["changes: changed", "comes: started"]));
    assert_eq!(answer["refused"], json!([]));
    let input = kafka.fill("changes", 100..300, 10);
    kafka.await_committed("changes", &input);
    input.assert_once(&journal);
    kafka.await_committed("comes", &kafka.fill("comes", 0..100, 10));
    assert_eq!([kafka.generations("stays"), kafka.generations("changes")], before);

    let wrong = file(directory.path(), &format!("{process}{stays}{comes}\nnonsense = 1\n"));
    let (status, answer) = gateway.post("/api/v1/reload", "{}");
    assert_eq!(status, 409, "{answer}");
    assert!(answer.contains("nonsense") && answer.contains("forebay.toml:"), "{answer}");
    assert!(!shown(&gateway, "changes").is_null(), "what is wrong changes nothing");

    let order = comes.replace("topics", "order = \"none\"\ntopics");
    let stays = subscription("stays", &old.url(), "commit = \"auto\"");
    std::fs::write(wrong, format!("{}{stays}{order}", process.replace("test", "best"))).unwrap();
    gateway.signal("HUP");
    eventually("the subscription goes", || shown(&gateway, "changes").is_null().then_some(()));
    eventually("what can't change is named", || {
        let log = gateway.log();
        let named = ["[control]: not changed", "comes: not changed: `order`", "`commit`"];
        named.iter().all(|line| log.contains(line)).then_some(())
    });
    let (code, said) = subscriptions(&gateway, &["reload"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("comes: not changed: `order`") && !said.contains("nothing"), "{said}");
    std::fs::write(config, format!("{process}{}", subscription("stays", &old.url(), ""))).unwrap();
    assert_eq!(
        subscriptions(&gateway, &["reload"]),
        (0, "comes: drained and stopped\n".to_owned())
    );
}

#[test]
fn a_paused_subscription_waits_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("pauses", 2);
    let gateway = gateway(directory.path(), &kafka, "pauses", &[service.url()], "");
    let mut input = kafka.fill("pauses", 0..100, 10);
    kafka.await_committed("pauses", &input);
    let paused = command(&gateway, "/api/v1/subscriptions/pauses/pause", json!({}));
    assert_eq!(paused["paused"], true);
    assert!(paused["held"].as_str().unwrap().contains("paused"), "{paused}");
    input.extend(kafka.fill("pauses", 100..200, 10));
    eventually("the records are held", || {
        let partitions = shown(&gateway, "pauses")["partitions"].clone();
        let held = partitions.as_array()?.iter().map(|held| held["held"].as_u64().unwrap());
        (held.sum::<u64>() == 100).then_some(())
    });
    assert_eq!(journal.accepted().len(), 100, "nothing is sent");
    let (code, out) = subscriptions(&gateway, &["list"]);
    assert!(code == 0 && out.contains("operator") && out.contains("CAPPED-BY"), "{out}");
    let (code, out) = subscriptions(&gateway, &["pause", "pauses"]);
    assert!(code == 0 && out.contains("was paused already"), "{out}");
    let (code, out) = subscriptions(&gateway, &["resume", "pauses"]);
    assert_eq!(code, 0, "{out}");
    assert_ne!(shown(&gateway, "pauses")["bottleneck"]["cap"], "operator", "it was resumed");
    let (code, out) = subscriptions(&gateway, &["resume", "pauses"]);
    assert!(code == 0 && out.contains("was not paused"), "{out}");
    let logged = || gateway.log().lines().filter(|line| line.contains("resume pauses")).count();
    eventually("the log has caught up", || (logged() >= 2).then_some(()));
    kafka.await_committed("pauses", &input);
    input.assert_once(&journal);
    assert_eq!(logged(), 2, "each command is logged once: {}", gateway.log());
    let (_, commands) = gateway.get("/api/v1/commands");
    assert!(commands.contains("pause pauses") && commands.contains("resume pauses"), "{commands}");
}

#[test]
fn a_target_that_nothing_listens_for_holds_its_subscription_and_is_told_of_once() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("refused", 1);
    let input = kafka.fill("refused", 0..50, 10);
    let gone = "http://127.0.0.1:1/".to_owned();
    let gateway = gateway(directory.path(), &kafka, "refused", &[gone], "");
    let held = eventually("the target holds it", || {
        let shown = shown(&gateway, "refused");
        (shown["held_by"] == json!(["target"])).then_some(shown)
    });
    let words = held["held"].as_str().unwrap();
    assert!(words.contains("127.0.0.1:1") && words.contains("nothing listens there"), "{words}");
    assert_eq!(held["bottleneck"]["cap"], "target");
    assert_eq!(held["endpoints"][0]["state"], "at-fault");
    let metrics = gateway.get("/metrics").1;
    assert!(metrics.contains("forebay_held{subscription=\"refused\"} 1"), "{metrics}");
    let lines = |what: &str| gateway.log().lines().filter(|line| line.contains(what)).count();
    eventually("the log tells of it", || (lines("held by its target: ") == 1).then_some(()));

    gateway.set_endpoints("refused", &[service.url()]);
    kafka.await_committed("refused", &input);
    eventually("and of its end", || (lines("no longer held by its target") == 1).then_some(()));
    assert_eq!(lines("held by its target: "), 1, "it was held once");
    let shown = shown(&gateway, "refused");
    assert!(shown["held"].is_null() && shown["held_by"].is_null(), "{shown}");
    assert_ne!(shown["bottleneck"]["cap"], "target", "{shown}");
}

#[test]
fn a_service_that_begins_to_fail_is_told_of_with_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("fails", 1);
    let failing = Script::accepting().rule(Rule::answering(500).while_on("all"));
    let service = Service::start(failing, &journal);
    service.switch_on("all");
    let input = kafka.fill("fails", 0..50, 10);
    let gateway = gateway(directory.path(), &kafka, "fails", &[service.url()], "");
    let held = eventually("the target holds it", || {
        let shown = shown(&gateway, "fails");
        (shown["held_by"] == json!(["target"])).then_some(shown)
    });
    let held = held["held"].as_str().unwrap().to_owned();
    assert!(held.contains(", last 500") && held.contains(&service.url()), "{held}");
    service.switch_off("all");
    kafka.await_committed("fails", &input);
    let log = gateway.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("begins to fail")).collect();
    assert_eq!(told.len(), 1, "it is said once: {log}");
    let parts = ["WARN", &service.url(), " begins to fail: 500", " for fails-0 offset "];
    assert!(parts.iter().all(|part| told[0].contains(part)), "{}", told[0]);
}

#[test]
fn an_operator_decides_about_records_that_are_held() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("decides", 1);
    let input = kafka.fill("decides", 0..40, 4);
    let failing = Script::accepting()
        .rule(Rule::answering(400).at(0, 1).while_on("bad"))
        .rule(Rule::answering(400).at(0, 2).while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    // Nothing else comes that could show whose fault it is.
    let more = "evidence = { wait = \"0s\" }";
    let gateway = gateway(directory.path(), &kafka, "decides", &[service.url()], more);
    let held = eventually("both are held", || {
        let shown = shown(&gateway, "decides");
        let troubles = shown["troubles"].as_array()?.clone();
        let held = troubles.iter().filter(|one| one["state"] == "held").count();
        (held == 2).then_some(troubles)
    });
    let words = held[0]["reason"].as_str().unwrap();
    assert!(
        words.contains("offset 1, ") && words.contains(", 1 charged, last 400 from "),
        "{words}"
    );
    assert!(words.ends_with("retry it or skip it"), "there is no dead letter topic: {words}");
    eventually("the log tells of them", || {
        let log = gateway.log();
        let told = |line: &&str| line.contains("WARN") && line.contains("is held: ");
        log.lines().find(told).map(|line| assert!(line.contains("decides-0 offset "), "{line}"))
    });
    let record = |offset| json!({ "topic": "decides", "partition": 0, "offset": offset });
    let path = |what| format!("/api/v1/subscriptions/decides/records/{what}");
    for (what, offset, said) in [
        ("retry", 5, "behind an earlier record of its key"),
        ("skip", 0, "settled"),
        ("dead-letter", 1, "has no [subscription.dead_letter]"),
    ] {
        let (status, answer) = gateway.post(&path(what), &record(offset).to_string());
        assert_eq!((status, answer.contains(said)), (409, true), "{what} {offset}: {answer}");
    }
    let (code, out) = subscriptions(&gateway, &["show", "decides"]);
    assert!(code == 0 && out.contains("TROUBLE") && out.contains("offset 1, "), "{out}");
    let (code, out) = subscriptions(&gateway, &["skip", "decides", "decides-0:5"]);
    assert!(code == 4 && out.contains("behind an earlier record"), "{code} {out}");
    let (code, out) = subscriptions(&gateway, &["skip", "decides", "decides-0:1"]);
    assert!(code == 0 && out.contains("1 record in trouble"), "{code} {out}");
    service.switch_off("bad");
    command(&gateway, "/api/v1/subscriptions/decides/pause", json!({}));
    let retried = command(&gateway, &path("retry"), record(2));
    assert_eq!(retried["waits_for"], "nothing is sent before `resume`");
    command(&gateway, "/api/v1/subscriptions/decides/resume", json!({}));
    kafka.await_committed("decides", &input);
    let skipped = input.places().into_iter().filter(|place| *place != (0, 1)).collect();
    assert_eq!(journal.accepted(), skipped);
}

#[test]
fn a_subscription_is_read_again_from_where_an_operator_says() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("seeks", 2);
    let gateway = gateway(directory.path(), &kafka, "seeks", &[service.url()], "");
    let input = kafka.fill("seeks", 0..200, 10);
    kafka.await_committed("seeks", &input);
    let tenures = |gateway: &Forebay| -> Vec<i64> {
        let partitions = shown(gateway, "seeks")["partitions"].clone();
        let partitions = partitions.as_array().cloned().unwrap_or_default();
        partitions.iter().map(|held| held["tenure"].as_i64().unwrap()).collect()
    };
    let (before, generations) = (tenures(&gateway), kafka.generations("seeks"));
    let path = "/api/v1/subscriptions/seeks/seek";
    let args = ["seek", "seeks", "--to", "end", "--dry-run"];
    let (code, out) = subscriptions(&gateway, &args);
    assert!(code == 0 && out.contains("dry run") && out.contains("seeks"), "{out}");
    let (code, out) = subscriptions(&gateway, &["seek", "seeks", "--to", "2h", "--dry-run"]);
    assert!(code == 0 && out.contains("dry run"), "{out}");
    let (code, out) = subscriptions(&gateway, &["seek", "seeks", "--to", "5", "--topic", "seekss"]);
    assert!(code == 4 && out.contains("no topic `seekss`; it reads `seeks`"), "{code} {out}");
    let dry = command(&gateway, path, json!({ "to": "beginning", "dry_run": true }));
    assert_eq!(
        (dry["dry_run"].clone(), dry["partitions"][0]["to"].clone()),
        (json!(true), json!(0))
    );
    assert_eq!(tenures(&gateway), before, "nothing has happened");
    let (status, answer) = gateway.post(path, &json!({ "to": { "offset": 999 } }).to_string());
    assert_eq!((status, answer.contains("holds offsets 0 to")), (409, true), "{answer}");

    command(&gateway, path, json!({ "to": "beginning", "partitions": [1] }));
    let again = input.of(1).places();
    eventually("partition 1 is delivered again", || {
        let twice = journal.read();
        let count = |place: &(i32, i64)| {
            twice.iter().filter(|one| (one.what.partition, one.what.offset) == *place).count() == 2
        };
        again.iter().all(count).then_some(())
    });
    kafka.await_committed("seeks", &input);
    let after = tenures(&gateway);
    assert_eq!(after[0], before[0], "partition 0 is not touched");
    assert!(after[1] > before[1]);
    assert_eq!(kafka.generations("seeks"), generations);
}

/// The idempotency keys of a partition's deliveries that begin after the first so many, without
/// what all have before the offset.
fn keys(journal: &Journal, after: usize) -> BTreeMap<i64, BTreeSet<String>> {
    let mut keys: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for delivery in &journal.read()[after..] {
        let tail = delivery.what.idempotency_key.splitn(5, '/').nth(4).expect("five parts");
        keys.entry(delivery.what.offset).or_default().insert(tail.to_owned());
    }
    keys
}

/// Each offset has one key, with this behind it.
fn assert_keys(keys: &BTreeMap<i64, BTreeSet<String>>, offsets: Range<i64>, behind: &str) {
    for offset in offsets {
        let only = BTreeSet::from([format!("{offset}{behind}")]);
        assert_eq!(keys.get(&offset), Some(&only), "{keys:?}");
    }
}

#[test]
fn what_is_read_again_on_purpose_is_new_to_a_service_also_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let fails = Rule::answering(500).key("key-3").while_on("fails");
    let service = Service::start(Script::accepting().rule(fails), &journal);
    kafka.create("replays", 1);
    let more = "takeover = \"fast\"";
    let start = || gateway(directory.path(), &kafka, "replays", &[service.url()], more);
    let seek = |gateway: &Forebay, to: i64| {
        command(gateway, "/api/v1/subscriptions/replays/seek", json!({ "to": { "offset": to } }));
    };
    let mut first = start();
    let mut input = kafka.fill("replays", 0..100, 10);
    kafka.await_committed("replays", &input);
    assert_keys(&keys(&journal, 0), 0..100, "");

    // One that fails keeps the commit point where a crash makes the rest of it come again.
    service.switch_on("fails");
    let before = journal.len();
    seek(&first, 0);
    let attempts = |offset| {
        let read = journal.read();
        read[before..].iter().filter(|delivery| delivery.what.offset == offset).count()
    };
    eventually("it is read again, and some of it twice", || (attempts(3) >= 2).then_some(()));
    first.kill();
    first = start();
    let attempts_before = attempts(3);
    eventually("it goes on", || (attempts(3) > attempts_before).then_some(()));
    service.switch_off("fails");
    input.extend(kafka.fill("replays", 100..120, 10));
    kafka.await_committed("replays", &input);
    let replayed = keys(&journal, before);
    assert_keys(&replayed, 0..100, "/replay-1");
    assert_keys(&replayed, 100..120, "");

    let before = journal.len();
    seek(&first, 90);
    eventually("it is read again", || (journal.len() >= before + 30).then_some(()));
    kafka.await_committed("replays", &input);
    assert_keys(&keys(&journal, before), 90..120, "/replay-2");
    assert_eq!(first.terminate(), 0);
}

#[test]
fn with_a_token_nobody_commands_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("guarded", 1);
    std::fs::write(directory.path().join("token"), "open sesame\n").unwrap();
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         token = {{ file = {:?} }}\n{}",
        kafka.address,
        directory.path().join("token"),
        subscription("guarded", &service.url(), "")
    );
    let config = file(directory.path(), &text);
    let gateway = Forebay::start(directory.path(), &["run", "-c", config.to_str().unwrap()]);
    assert_eq!(gateway.get("/livez").0, 200);
    for path in ["/metrics", "/api/v1/subscriptions"] {
        let (status, body) = gateway.get(path);
        assert_eq!((status, body.contains("Bearer")), (401, true), "{path}: {body}");
        assert_eq!(gateway.get_with(path, "authorization: Bearer open sesame").0, 200);
        assert_eq!(gateway.get_with(path, "authorization: Bearer open sesam").0, 401);
    }
}
