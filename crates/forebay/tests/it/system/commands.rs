//! What operators told outlives the process that was told, and is shown by all of its group.

use forebay_trial::{Journal, Script, Service};
use serde_json::{Value, json};

use super::deliver::gateway;
use super::kafka::Kafka;
use super::process::{Forebay, eventually, file, within};
use crate::harness::forebay;

/// What a process shows of what was told.
fn told(gateway: &Forebay, path: &str) -> Value {
    let (status, body) = gateway.get(path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Instance, command and outcome of each.
fn rows(told: &Value) -> Vec<[String; 3]> {
    let row = |one: &Value| ["instance", "command", "outcome"].map(|name| text(&one[name]));
    told["commands"].as_array().unwrap().iter().map(row).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Waits until as many are kept, and no more are shown.
fn await_kept(gateway: &Forebay, count: usize) -> Value {
    eventually("what was told is kept", || {
        let told = told(gateway, "/api/v1/commands");
        let all = told["commands"].as_array().unwrap();
        let kept = all.iter().filter(|one| one["kept"] == true).count();
        assert!(all.len() <= count, "{told}");
        (kept == count).then_some(told)
    })
}

fn post(gateway: &Forebay, topic: &str, rest: &str, body: Value) -> u16 {
    gateway.post(&format!("/api/v1/subscriptions/{topic}{rest}"), &body.to_string()).0
}

#[test]
fn what_a_process_was_told_is_still_shown_after_it_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("told", 1);
    let start = || gateway(directory.path(), &kafka, "told", &[service.url()], "");
    let first = start();
    kafka.await_committed("told", &kafka.fill("told", 0..10, 10));
    assert_eq!(rows(&told(&first, "/api/v1/commands")), [[""; 3]; 0]);
    let is_made = || kafka.admin().topics().unwrap().iter().any(|it| it.name == "__forebay");
    assert!(kafka.broker.is_none() || !is_made(), "who is told nothing keeps nothing");

    let secret = format!("{}?key=open-sesame", service.url());
    assert_eq!(post(&first, "told", "/pause", json!({})), 200);
    assert_eq!(post(&first, "told", "/endpoints", json!({ "endpoints": [secret] })), 200);
    let record = json!({ "topic": "told", "partition": 0, "offset": 3 });
    assert_eq!(post(&first, "told", "/records/skip", record), 409);
    let dry = json!({ "to": "beginning", "dry_run": true });
    assert_eq!(post(&first, "told", "/seek", dry), 200, "nothing is done, nothing is kept");
    assert_eq!(post(&first, "told", "/seek", json!({ "to": { "offset": 99 } })), 409);
    assert_eq!(post(&first, "told", "/resume", json!({})), 200);
    assert_eq!(first.post("/api/v1/reload", "").0, 200);
    let before = await_kept(&first, 6);
    assert!(before["missing"].is_null() && !before.to_string().contains("sesame"), "{before}");
    assert!(!first.log().contains("sesame"), "{}", first.log());
    let commands: Vec<String> = rows(&before).into_iter().map(|[_, command, _]| command).collect();
    let endpoints = format!("endpoints told: {}", service.url());
    let expected = ["pause told", &endpoints, "skip told: told-0 offset 3"];
    let expected = expected.into_iter().chain(["seek told to offset 99", "resume told", "reload"]);
    assert_eq!(commands, expected.collect::<Vec<_>>());
    let outcomes = rows(&before).into_iter().map(|[_, _, outcome]| outcome == "done");
    assert_eq!(outcomes.collect::<Vec<_>>(), [true, true, false, false, true, true]);
    first.kill();

    let second = start();
    assert_eq!(told(&second, "/api/v1/commands"), before);
    assert_eq!(told(&second, "/api/v1/subscriptions/told/commands"), before);
    assert_eq!(rows(&told(&second, "/api/v1/commands?scope=process")), [[""; 3]; 0]);
    assert_eq!(post(&second, "told", "/pause", json!({})), 200);
    let after = await_kept(&second, 7);
    assert_eq!(rows(&after)[..6], rows(&before), "none of them is written over");
    let control = second.address("control");
    let args = ["subscriptions", "commands", "--control", &control];
    let table = forebay(&args).done();
    assert!(table.contains("OUTCOME") && table.contains("skip told: told-0 offset 3"), "{table}");
    let json = forebay(&[&args[..], &["told", "--output", "json"]].concat()).json();
    assert_eq!(json, after);
    forebay(&[&args[..], &["tlod"]].concat()).refused(4, &["there are: told"]);

    // The last one is written before an orderly end.
    assert_eq!(post(&second, "told", "/resume", json!({})), 200);
    assert_eq!(second.terminate(), 0);
    assert_eq!(rows(&told(&start(), "/api/v1/commands")).len(), 8);
}

#[test]
fn either_of_two_processes_shows_what_both_were_told() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("both", 2);
    let start = |instance: &str| {
        let directory = directory.path().join(instance);
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
             instance = {instance:?}\n[[subscription]]\nname = \"both\"\ntopics = [\"both\"]\n\
             [subscription.target]\nurl = {:?}\n",
            kafka.address,
            service.url()
        );
        let config = file(&directory, &text);
        Forebay::start(&directory, &["run", "-c", config.to_str().unwrap()])
    };
    let [one, other] = ["host-a", "host-b"].map(start);
    assert_eq!(post(&one, "both", "/pause?scope=process", json!({})), 200);
    assert_eq!(post(&other, "both", "/resume?scope=process", json!({})), 200);
    for gateway in [&one, &other] {
        let told = await_kept(gateway, 2);
        let expected = [["host-a", "pause both", "done"], ["host-b", "resume both", "done"]];
        assert_eq!(rows(&told), expected);
    }
    other.kill();
    assert_eq!(rows(&await_kept(&one, 2))[1][0], "host-b");
}

#[test]
fn a_command_does_not_wait_for_kafka_to_keep_it() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kafka, journal) =
        (Kafka::embedded(directory.path(), "127.0.0.1:0"), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("away", 1);
    let gateway = gateway(directory.path(), &kafka, "away", &[service.url()], "");
    kafka.await_committed("away", &kafka.fill("away", 0..10, 10));
    let address = kafka.address.clone();
    kafka.broker.take().unwrap().kill();
    for what in ["/pause", "/resume", "/pause"] {
        let path = format!("/api/v1/subscriptions/away{what}");
        let answered = std::time::Instant::now();
        assert_eq!(gateway.post(&path, "{}").0, 200);
        assert!(answered.elapsed().as_secs() < 5, "it waits for nothing");
    }
    let lines = || {
        let is_said = |line: &&str| line.contains("commands are remembered by this process alone");
        gateway.log().lines().filter(is_said).count()
    };
    eventually("it is said that they can't be kept", || (lines() > 0).then_some(()));
    let shown = told(&gateway, "/api/v1/commands");
    assert_eq!(rows(&shown).len(), 3);
    assert!(
        shown["commands"].as_array().unwrap().iter().all(|one| one["kept"] == false),
        "{shown}"
    );
    let missing = text(&shown["missing"]);
    assert!(missing.contains("other processes") && missing.contains("__forebay"), "{missing}");
    let own = told(&gateway, "/api/v1/commands?scope=process");
    assert_eq!(rows(&own), rows(&shown));

    // It is tried on, and said once.
    let _kafka = Kafka::embedded(directory.path(), &address);
    let kept = within(2 * super::process::SOON, "they are kept", || {
        let told = told(&gateway, "/api/v1/commands");
        let all = told["commands"].as_array().unwrap();
        (all.len() == 3 && all.iter().all(|one| one["kept"] == true)).then_some(told)
    });
    assert!(kept["missing"].is_null(), "{kept}");
    assert_eq!(lines(), 1, "{}", gateway.log());
}
