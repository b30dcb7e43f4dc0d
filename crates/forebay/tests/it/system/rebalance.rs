//! Rebalances, as people see them: why, what moved, for how long it stood still, and who else is in
//! the group.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_kafka::{Intake, IntakeConfig, Properties, StartPolicy};
use forebay_trial::{Journal, Kill, Script, Service, clock};
use serde_json::{Value, json};

use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};
use crate::harness::forebay;

/// A gateway of one subscription, as one of several.
fn member(
    directory: &Path,
    kafka: &Kafka,
    topic: &str,
    url: &str,
    instance: &str,
    more: &str,
) -> Forebay {
    let directory = directory.join(instance);
    std::fs::create_dir_all(&directory).unwrap();
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n{more}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = {instance:?}\n[[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n\
         [subscription.target]\nurl = {url:?}\n",
        kafka.address
    );
    let config = file(&directory, &text);
    Forebay::start(&directory, &["run", "-c", config.to_str().unwrap()])
}

/// Newest first.
fn rebalances(gateway: &Forebay) -> Vec<Value> {
    let (status, body) = gateway.get("/api/v1/rebalances");
    assert_eq!(status, 200, "{body}");
    let list: Value = serde_json::from_str(&body).unwrap();
    list["rebalances"].as_array().unwrap().clone()
}

/// Waits for a rebalance of this cause whose partitions stand still no longer.
fn await_cause(gateway: &Forebay, cause: &str, moved: &str, count: usize) -> Value {
    eventually(&format!("a rebalance caused by {cause}"), || {
        rebalances(gateway).into_iter().find(|one| {
            let all = one[moved].as_array().unwrap();
            let ended = all.iter().all(|moved| moved["still_ms"].is_u64());
            one["cause"] == cause && all.len() == count && ended
        })
    })
}

#[test]
fn a_rebalance_says_why_and_what_moved_and_how_long_it_stood_still() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("moves", 4);
    let input = kafka.fill("moves", 0..200, 20);
    let fast = "\"heartbeat.interval.ms\" = 200";
    let start = |name| member(directory.path(), &kafka, "moves", &service.url(), name, fast);
    let one = start("one");
    kafka.await_committed("moves", &input);
    let joined = await_cause(&one, "start", "gained", 4);
    assert!(joined["generation"].as_i64().unwrap() >= 1, "{joined}");
    eventually("it is in the log", || {
        one.log().contains("rebalance, caused by start").then_some(())
    });

    let two = start("two");
    let lost = await_cause(&one, "members", "lost", 2);
    let gained = await_cause(&two, "start", "gained", 2);
    eprintln!("stood still: {} ms and {} ms", lost["longest_still_ms"], gained["longest_still_ms"]);
    assert!(lost["longest_still_ms"].as_u64().unwrap() < 10_000, "{lost}");
    let metrics = one.get("/metrics").1;
    for (cause, count) in [("start", 1), ("members", 1), ("session_lost", 0)] {
        let line =
            format!("forebay_rebalances_total{{subscription=\"moves\",cause=\"{cause}\"}} {count}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert_eq!(one.subscription()["rebalances"], 2);

    let control = one.address("control");
    let args = ["groups", "rebalances", "moves", "--control", &control];
    let table = forebay(&args).done();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("AT") && lines[0].ends_with("STILL-MS"), "{table}");
    assert!(lines[1].contains("members") && lines[1].contains("moves["), "{table}");
    assert!(lines[2].contains("start") && lines[2].contains("moves[0,1,2,3]"), "{table}");
    let all = forebay(&[&args[..], &["--output", "json"]].concat()).json();
    assert_eq!(all["rebalances"].as_array().unwrap().len(), 2);
    let other = forebay(&["groups", "rebalances", "other", "--control", &control]);
    other.refused(4, &["no group `other`; it has `moves`"]);
    forebay(&["groups", "rebalances", "--control", "127.0.0.1:1"]).refused(4, &["control API"]);
    assert_eq!(two.terminate(), 0);
    assert_eq!(one.terminate(), 0);
}

#[test]
fn a_subscription_that_is_added_joins_for_that_reason() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let service = Service::start(Script::accepting(), &Journal::default());
    kafka.create("first", 1);
    kafka.create("second", 1);
    let gateway = member(directory.path(), &kafka, "first", &service.url(), "adds", "");
    await_cause(&gateway, "start", "gained", 1);
    let path = directory.path().join("adds");
    let text = std::fs::read_to_string(path.join("forebay.toml")).unwrap();
    let more = format!(
        "[[subscription]]\nname = \"second\"\ntopics = [\"second\"]\n\
         target = {{ url = {:?} }}\n",
        service.url()
    );
    file(&path, &format!("{text}{more}"));
    assert_eq!(gateway.post("/api/v1/reload", "{}").0, 200);
    let added = await_cause(&gateway, "subscription_added", "gained", 1);
    assert_eq!(added["group"], "second");
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_foreign_member_is_shouted_about() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let service = Service::start(Script::accepting(), &Journal::default());
    kafka.create("shared", 2);
    let fast = "\"heartbeat.interval.ms\" = 200";
    let gateway = member(directory.path(), &kafka, "shared", &service.url(), "ours", fast);
    await_cause(&gateway, "start", "gained", 2);
    let given = [("bootstrap.servers", &*kafka.address), ("client.id", "reports")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let foreign = IntakeConfig {
        properties: Properties::parse(&given.into()).unwrap(),
        topics: vec!["shared".to_owned()],
        group: "shared".to_owned(),
        instance_id: None,
        start: StartPolicy::Earliest,
        from_beginning: Vec::new(),
        records_max: 100,
        bytes_max: 1 << 20,
        drain: Duration::from_secs(1),
        keeps_book: false,
        committed_for: None,
        kin: None,
    };
    let foreign = Intake::start(foreign, Arc::new(|| ())).unwrap();
    let shown = eventually("it is shown", || {
        let members = gateway.subscription()["foreign_members"].clone();
        members.as_array().filter(|members| !members.is_empty()).cloned()
    });
    assert!(shown[0].as_str().unwrap().contains("client id reports"), "{shown:?}");
    assert!(
        gateway.get("/metrics").1.contains("forebay_foreign_members{subscription=\"shared\"} 1")
    );
    eventually("it is in the log", || {
        gateway.log().contains("has members that are no gateways").then_some(())
    });
    assert!(foreign.close(Duration::from_secs(10)));
    eventually("its end is seen", || {
        gateway.subscription()["foreign_members"].is_null().then_some(())
    });
    assert_eq!(gateway.terminate(), 0);
}

/// Only Apache Kafka has groups as KIP-848 says; the embedded broker refuses them.
#[test]
fn a_gateway_that_joins_by_epochs_is_killed_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    if kafka.broker.is_some() {
        return;
    }
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("epochs", 3);
    let epochs = "\"group.protocol\" = \"consumer\"";
    let start = || member(directory.path(), &kafka, "epochs", &service.url(), "static", epochs);
    let gateway = start();
    let mut input = kafka.fill("epochs", 0..500, 50);
    kafka.await_committed("epochs", &input);
    await_cause(&gateway, "start", "gained", 3);
    input.extend(kafka.fill("epochs", 500..2_000, 50));
    eventually("it is at work", || (journal.len() >= 700).then_some(()));
    gateway.kill();
    let killed = Instant::now();
    let points = kafka.committed("epochs").into_iter();
    let points = points.map(|(at, point)| (("epochs".to_owned(), at), point)).collect();
    let kills = [Kill::Gateway { at: clock::now(), commit_points: points }];

    let gateway = start();
    eventually("the wait for its id is shown", || {
        let shown = gateway.subscription();
        (shown["kafka"] == json!("waiting")).then_some(())
    });
    assert_eq!(gateway.get("/readyz").0, 503);
    input.extend(kafka.fill("epochs", 2_000..2_300, 50));
    kafka.await_committed("epochs", &input);
    eprintln!("everything is delivered {:?} after the kill", killed.elapsed());
    input.assert_kept(&journal, &kills);
    assert_eq!(gateway.get("/readyz").0, 200);
    assert_eq!(gateway.terminate(), 0);

    // An end that is told frees the id at once.
    let gateway = start();
    let input = kafka.fill("epochs", 2_300..2_400, 50);
    kafka.await_committed("epochs", &input);
    assert!(!gateway.log().contains("in use until the session"), "{}", gateway.log());
    assert_eq!(gateway.terminate(), 0);
}
