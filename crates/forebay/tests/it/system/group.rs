//! Several processes of one group: any of them answers for all, and passes on what is another's.

use std::io::{Read, Write};
use std::path::Path;

use forebay_trial::{Journal, Rule, Script, Service};
use serde_json::{Value, json};

use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};
use crate::harness::forebay;

/// A process of the group that is another now at its address: it answers everything with this.
struct Stranger {
    _ends: std::sync::mpsc::SyncSender<()>,
}

impl Stranger {
    fn at(address: &str, answer: &'static str) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).unwrap();
        let (ends, ended) = std::sync::mpsc::sync_channel::<()>(1);
        std::thread::spawn(move || {
            let mut heard = Vec::new();
            let wait = std::time::Duration::from_millis(10);
            while ended.recv_timeout(wait) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                if let Ok((mut stream, _)) = listener.accept() {
                    // Whoever asks may have gone.
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer.as_bytes());
                    heard.push(stream);
                }
            }
        });
        Self { _ends: ends }
    }
}

/// A group whose processes know each other by name.
pub(super) struct Group<'a> {
    pub(super) directory: &'a Path,
    pub(super) kafka: &'a Kafka,
    pub(super) topic: &'static str,
    pub(super) url: String,
    /// Of `[kafka]`, and of the subscription.
    pub(super) protocol: &'static str,
    pub(super) more: &'static str,
}

/// What is lost and gained is known soon.
pub(super) const CLASSIC: &str = "\"heartbeat.interval.ms\" = 200";

impl Group<'_> {
    /// `control`: more lines about its control API.
    pub(super) fn start(&self, instance: &str, control: &str) -> Forebay {
        let directory = self.directory.join(instance);
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "[kafka]\n\"bootstrap.servers\" = {:?}\n{}\n[control]\n\
             listen = \"127.0.0.1:0\"\ninstance = {instance:?}\n{control}\n[[subscription]]\nname = {:?}\ntopics = [{:?}]\n{}\n[subscription.target]\nurl = {:?}\n",
            self.kafka.address, self.protocol, self.topic, self.topic, self.more, self.url
        );
        let config = file(&directory, &text);
        Forebay::start(&directory, &["run", "-c", config.to_str().unwrap()])
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/subscriptions/{}{rest}", self.topic)
    }

    /// What a process shows of the group.
    fn shown(&self, gateway: &Forebay) -> Value {
        let (status, body) = gateway.get(&self.path(""));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What a process shows of itself.
    pub(super) fn own(&self, gateway: &Forebay) -> Value {
        let (status, body) = gateway.get(&self.path("?scope=process"));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Status and answer of a command.
    fn command(&self, gateway: &Forebay, rest: &str, body: Value) -> (u16, Value) {
        let (status, answer) = gateway.post(&self.path(rest), &body.to_string());
        (status, serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}")))
    }

    fn done(&self, gateway: &Forebay, rest: &str, body: Value) -> Value {
        let (status, answer) = self.command(gateway, rest, body);
        assert_eq!(status, 200, "{rest}: {answer}");
        answer
    }

    /// The commands that a process itself was given.
    fn done_by(&self, gateway: &Forebay) -> Vec<String> {
        let (status, body) = gateway.get(&self.path("/commands?scope=process"));
        assert_eq!(status, 200, "{body}");
        let told: Value = serde_json::from_str(&body).unwrap();
        let words = |one: &Value| one["command"].as_str().unwrap().to_owned();
        list(&told, "commands").iter().map(words).collect()
    }

    /// Waits until a process shows `partitions` of them, and all `processes`, each answering.
    pub(super) fn await_whole(
        &self,
        gateway: &Forebay,
        partitions: usize,
        processes: usize,
    ) -> Value {
        eventually("the whole group answers", || {
            let shown = self.shown(gateway);
            let all = list(&shown, "processes");
            let answer = all.iter().filter(|one| one["error"].is_null()).count();
            let count = list(&shown, "partitions").len();
            (all.len() == processes && answer == processes && count == partitions).then_some(shown)
        })
    }
}

pub(super) fn list<'a>(shown: &'a Value, name: &str) -> &'a [Value] {
    shown[name].as_array().map_or(&[], Vec::as_slice)
}

/// Whose each partition is, by number.
fn owners(shown: &Value) -> Vec<(i64, String)> {
    let row = |row: &Value| {
        (row["partition"].as_i64().unwrap(), row["instance"].as_str().unwrap().to_owned())
    };
    list(shown, "partitions").iter().map(row).collect()
}

pub(super) const NAMES: [&str; 3] = ["host-a", "host-b", "host-c"];

#[test]
fn any_of_three_answers_for_the_group_and_passes_commands_on() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(400).at(0, 1).while_on("bad"));
    let service = Service::start(failing, &journal);
    service.switch_on("bad");
    kafka.create("whole", 6);
    let mut input = kafka.fill("whole", 0..300, 60);
    // Nothing else need come that could show whose fault a failure is.
    let more = "takeover = \"fast\"\nevidence = { wait = \"0s\" }";
    let (url, topic, protocol) = (service.url(), "whole", CLASSIC);
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let mut gateways: Vec<Forebay> = NAMES.iter().map(|name| group.start(name, "")).collect();

    // Each answers for all, and says whose each partition is and where its owner answers.
    let all: Vec<Value> = gateways.iter().map(|one| group.await_whole(one, 6, 3)).collect();
    for (shown, gateway) in all.iter().zip(&gateways) {
        let mine = list(shown, "processes")[0]["address"].as_str().unwrap().to_owned();
        assert_eq!(mine, format!("http://{}", gateway.address("control")), "its own comes first");
        assert_eq!(owners(shown), owners(&all[0]));
        assert_eq!(list(shown, "endpoints").len(), 3, "each has its own view of the service");
    }
    for name in NAMES {
        let has = owners(&all[0]).iter().filter(|(_, owner)| owner == name).count();
        assert_eq!(has, 2, "{name}: {:?}", owners(&all[0]));
    }
    let alone = group.own(&gateways[1]);
    assert_eq!((list(&alone, "partitions").len(), list(&alone, "processes").len()), (2, 1));

    // A record that is stuck is seen from everywhere, and decided from where it is not.
    let trouble = eventually("the record is held", || {
        let shown = group.shown(&gateways[0]);
        list(&shown, "troubles").iter().find(|one| one["state"] == "held").cloned()
    });
    let owner = NAMES.iter().position(|name| trouble["instance"] == *name).unwrap();
    let other = &gateways[(owner + 1) % 3];
    let record = |offset| json!({ "topic": "whole", "partition": 0, "offset": offset });
    let (status, refused) = group.command(other, "/records/skip", record(0));
    assert_eq!(status, 409, "{refused}");
    let error = refused["error"].as_str().unwrap();
    assert!(error.starts_with(NAMES[owner]) && error.contains("settled"), "{error}");
    let (status, refused) = group.command(other, "/records/skip?scope=process", record(1));
    assert!(
        status == 409 && refused["error"].as_str().unwrap().contains("this process"),
        "{refused}"
    );
    group.done(other, "/records/skip", record(1));
    service.switch_off("bad");
    kafka.await_committed("whole", &input);
    let commands = gateways[owner].get("/api/v1/commands").1;
    assert!(commands.contains("skip whole: whole-0 offset 1"), "{commands}");

    // A pause and its end reach all, whoever is told.
    let paused = group.done(other, "/pause", json!({}));
    assert_eq!(list(&paused, "processes").len(), 3, "{paused}");
    for gateway in &gateways {
        assert_eq!(group.own(gateway)["paused"], true);
    }
    let before = journal.len();
    input.extend(kafka.fill("whole", 300..400, 60));
    eventually("the records are held everywhere", || {
        let shown = group.shown(other);
        let held = list(&shown, "partitions").iter().map(|one| one["held"].as_u64().unwrap());
        (held.sum::<u64>() == 100).then_some(())
    });
    assert_eq!(journal.len(), before, "nothing is sent");
    group.done(&gateways[owner], "/resume", json!({}));
    kafka.await_committed("whole", &input);

    // Partitions are read from elsewhere where they are.
    let dry = group.done(other, "/seek", json!({ "to": "beginning", "dry_run": true }));
    assert_eq!(list(&dry, "partitions").len(), 6, "{dry}");
    let body = json!({ "to": { "offset": 100_000 } });
    let (status, refused) = group.command(other, "/seek", body);
    assert_eq!(status, 409, "{refused}");
    let body = json!({ "to": "beginning", "topic": "whole", "partitions": [0] });
    let before = journal.len();
    let sought = group.done(other, "/seek", body);
    assert_eq!(list(&sought, "partitions")[0]["instance"], NAMES[owner], "{sought}");
    let again = input.of(0).len();
    eventually("partition 0 is delivered again", || {
        (journal.len() >= before + again).then_some(())
    });
    kafka.await_committed("whole", &input);
    let body = json!({ "to": "beginning", "topic": "whole", "partitions": [0, 77] });
    let (status, refused) = group.command(other, "/seek", body);
    assert!(status == 409 && refused["error"].as_str().unwrap().contains("whole-77"), "{refused}");

    let control = other.address("control");
    let table = forebay(&["subscriptions", "show", "whole", "--control", &control]).done();
    assert!(NAMES.iter().all(|name| table.contains(name)), "{table}");

    // One that is killed is named by the others, and so is what it has.
    let other = gateways[(owner + 1) % 3].address("control");
    let killed = gateways.remove(owner);
    let address = format!("http://{}", killed.address("control"));
    killed.kill();
    for gateway in &gateways {
        let shown = group.shown(gateway);
        let silent: Vec<&Value> =
            list(&shown, "processes").iter().filter(|one| !one["error"].is_null()).collect();
        assert_eq!(silent.len(), 1, "{shown}");
        assert_eq!(
            (&silent[0]["instance"], &silent[0]["address"]),
            (&json!(NAMES[owner]), &json!(address))
        );
        assert_eq!(list(silent[0], "partitions").len(), 2, "{shown}");
        assert!(silent[0]["error"].as_str().unwrap().contains(&address), "{shown}");
        assert_eq!(list(&shown, "partitions").len(), 4, "those of the others");
        assert_eq!(gateway.get("/readyz").0, 200, "it is well itself");
        let metrics = gateway.get("/metrics").1;
        assert!(
            !metrics.contains("topic=\"whole\",partition=\"0\""),
            "they are its own: {metrics}"
        );
    }
    let (status, refused) = group.command(&gateways[0], "/records/retry", record(1));
    let error = refused["error"].as_str().unwrap();
    assert!(
        status == 502 && error.contains("nothing was done") && error.contains(&address),
        "{error}"
    );
    let (status, refused) = group.command(&gateways[0], "/seek", json!({ "to": "beginning" }));
    let error = refused["error"].as_str().unwrap();
    assert!(
        status == 502 && error.contains("nothing was done") && error.contains(&address),
        "{error}"
    );
    let (status, half) = group.command(&gateways[0], "/pause", json!({}));
    let error = half["error"].as_str().unwrap();
    assert!(status == 502 && error.contains("done in ") && error.contains(&address), "{error}");
    assert_eq!(
        list(&half, "processes").iter().filter(|one| one["done"] == true).count(),
        2,
        "{half}"
    );
    let table = forebay(&["subscriptions", "list", "--control", &other]).done();
    assert!(table.contains("not shown: 2 partitions of") && table.contains(&address), "{table}");
    let (status, _) = group.command(&gateways[0], "/resume", json!({}));
    assert_eq!(status, 502);
    for gateway in &gateways {
        assert_eq!(group.own(gateway)["paused"], false, "what could be told was");
    }

    // It begins anew at another address, and is found there.
    gateways.push(group.start(NAMES[owner], ""));
    for gateway in &gateways {
        group.await_whole(gateway, 6, 3);
    }
    group.done(&gateways[0], "/pause", json!({}));
    group.done(&gateways[1], "/resume", json!({}));
    input.extend(kafka.fill("whole", 400..500, 60));
    kafka.await_committed("whole", &input);

    // One that ends in order is missed by nobody.
    let ended = gateways.remove(0);
    let name = list(&group.shown(&ended), "processes")[0]["instance"].clone();
    assert_eq!(ended.terminate(), 0);
    eventually("its end is known", || {
        let shown = group.shown(&gateways[0]);
        let one = list(&shown, "processes").iter().find(|one| one["instance"] == name)?.clone();
        one["error"].as_str()?.contains("it has ended").then_some(())
    });
    group.done(&gateways[0], "/pause", json!({}));
    for gateway in gateways {
        assert_eq!(gateway.terminate(), 0);
    }
}

/// Two processes of two consumers each, which know each other as two.
#[test]
fn a_process_with_several_consumers_is_asked_once_and_answers_for_all_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("pairs", 8);
    let more = "takeover = \"fast\"\nconsumers = 2";
    let (url, topic, protocol) = (service.url(), "pairs", CLASSIC);
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let mut gateways: Vec<Forebay> = NAMES[..2].iter().map(|name| group.start(name, "")).collect();
    for gateway in &gateways {
        let shown = eventually("each has half of it", || {
            let shown = group.await_whole(gateway, 8, 2);
            let has = |name| owners(&shown).iter().filter(|(_, owner)| owner == name).count();
            (has("host-a") == 4 && has("host-b") == 4).then_some(shown)
        });
        assert_eq!(list(&shown, "endpoints").len(), 2, "one view of the service for each process");
        assert!(shown["foreign_members"].is_null(), "{shown}");
        assert_eq!(list(&group.own(gateway), "partitions").len(), 4);
    }
    let paused = group.done(&gateways[0], "/pause", json!({}));
    assert_eq!(list(&paused, "processes").len(), 2, "{paused}");
    assert_eq!(group.own(&gateways[1])["paused"], true);
    group.done(&gateways[1], "/resume", json!({}));
    let input = kafka.fill("pairs", 0..800, 80);
    kafka.await_committed("pairs", &input);
    let sought = group.done(&gateways[0], "/seek", json!({ "to": "beginning" }));
    assert_eq!(list(&sought, "partitions").len(), 8, "{sought}");
    eventually("all is delivered again", || (journal.len() >= 1_600).then_some(()));
    kafka.await_committed("pairs", &input);

    let killed = gateways.remove(1);
    let address = format!("http://{}", killed.address("control"));
    killed.kill();
    let shown = group.shown(&gateways[0]);
    let processes = list(&shown, "processes");
    assert_eq!(processes.len(), 2, "{shown}");
    assert_eq!(
        (&processes[1]["instance"], &processes[1]["address"]),
        (&json!("host-b"), &json!(address))
    );
    assert_eq!(list(&processes[1], "partitions").len(), 4, "of both of its consumers: {shown}");
    gateways.push(group.start("host-b", ""));
    group.await_whole(&gateways[0], 8, 2);
    for gateway in gateways {
        assert_eq!(gateway.terminate(), 0);
    }
}

#[test]
fn the_token_of_one_process_opens_those_of_its_group_that_have_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("tokens", 3);
    let (url, topic, protocol, more) = (service.url(), "tokens", CLASSIC, "");
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let tokens = ["open sesame", "open sesame", "open barley"];
    let start = |(name, token): (&&str, &str)| {
        let path = directory.path().join(format!("token-{name}"));
        std::fs::write(&path, token).unwrap();
        group.start(name, &format!("token = {{ file = {path:?} }}"))
    };
    let gateways: Vec<Forebay> = NAMES.iter().zip(tokens).map(start).collect();
    let key = "authorization: Bearer open sesame";
    let shown = eventually("two answer, and the third refuses", || {
        let (status, body) = gateways[0].get_with(&group.path(""), key);
        assert_eq!(status, 200, "{body}");
        let shown: Value = serde_json::from_str(&body).unwrap();
        let refuses = |one: &&Value| {
            one["error"].as_str().is_some_and(|error| error.contains("control.token"))
        };
        let refused = list(&shown, "processes").iter().filter(refuses).count();
        (list(&shown, "partitions").len() == 2 && refused == 1).then_some(shown)
    });
    assert_eq!(list(&shown, "processes").len(), 3, "{shown}");
    assert_eq!(gateways[0].get(&group.path("")).0, 401);
    let (status, answer) = gateways[0].post_with(&group.path("/pause"), key, "{}");
    assert_eq!(status, 502, "{answer}");
    assert!(answer.contains("done in host-a, host-b") && answer.contains("host-c at"), "{answer}");
    let (_, own) = gateways[1].get_with(&group.path("?scope=process"), key);
    assert!(own.contains("\"paused\":true"), "{own}");
    for (gateway, token) in gateways.iter().zip(tokens) {
        assert!(!gateway.log().contains(token), "{}", gateway.log());
    }
}

#[test]
fn a_process_that_is_alone_announces_nothing_and_refuses_what_is_anothers() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("lonely", 1);
    let (url, topic, protocol, more) = (service.url(), "lonely", CLASSIC, "");
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let gateway = group.start("host-a", "");
    let input = kafka.fill("lonely", 0..10, 10);
    kafka.await_committed("lonely", &input);
    let shown = eventually("the group is known", || {
        let shown = group.shown(&gateway);
        shown["processes_unknown"].is_null().then_some(shown)
    });
    assert_eq!((list(&shown, "processes").len(), list(&shown, "partitions").len()), (1, 1));
    if kafka.broker.is_some() {
        let topics = kafka.admin().topics().expect("topics are listed");
        assert!(topics.iter().all(|topic| topic.name != "__forebay"), "{topics:?}");
    }
    let (status, body) = gateway.get(&group.path("?scope=process&instance=host-b-lonely"));
    assert!(status == 421 && body.contains("host-a-lonely"), "{status} {body}");
    let (status, body) = gateway.get(&group.path("?scope=everyone"));
    assert_eq!(status, 400, "{body}");
    let record = json!({ "topic": "lonely", "partition": 9, "offset": 0 });
    let (status, refused) = group.command(&gateway, "/records/skip", record);
    assert!(status == 409 && refused["error"].as_str().unwrap().contains("lonely-9"), "{refused}");
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_command_that_a_frozen_process_did_not_get_in_time_is_not_obeyed_when_it_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("frozen", 2);
    let (url, topic, protocol, more) = (service.url(), "frozen", CLASSIC, "");
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let gateways: Vec<Forebay> = NAMES[..2].iter().map(|name| group.start(name, "")).collect();
    for gateway in &gateways {
        group.await_whole(gateway, 2, 2);
    }
    let paused = |gateway| group.own(gateway)["paused"] == true;
    let not_confirmed = |what: &str| {
        let line = format!("/api/v1/subscriptions/frozen/{what} is not obeyed");
        gateways[1].log().contains(&line)
    };

    gateways[1].signal("STOP");
    let (status, half) = group.command(&gateways[0], "/pause", json!({}));
    let error = half["error"].as_str().unwrap();
    assert!(status == 502 && error.contains("done in host-a; not in host-b at"), "{error}");
    assert!(error.contains("will not obey it"), "it is certain: {error}");
    gateways[1].signal("CONT");
    eventually("it finds the pause", || not_confirmed("pause").then_some(()));
    assert_eq!((paused(&gateways[0]), paused(&gateways[1])), (true, false));
    group.done(&gateways[0], "/resume", json!({}));
    assert_eq!((paused(&gateways[0]), paused(&gateways[1])), (false, false));

    // One that goes on while it is still waited for obeys, and a resume that comes late does not.
    gateways[1].signal("STOP");
    let (status, answer) = std::thread::scope(|scope| {
        let telling = scope.spawn(|| group.command(&gateways[0], "/pause", json!({})));
        eventually("the other has paused", || paused(&gateways[0]).then_some(()));
        gateways[1].signal("CONT");
        telling.join().unwrap()
    });
    assert_eq!(status, 200, "{answer}");
    assert!(paused(&gateways[1]));
    gateways[1].signal("STOP");
    assert_eq!(group.command(&gateways[0], "/resume", json!({})).0, 502);
    gateways[1].signal("CONT");
    eventually("it finds the resume", || not_confirmed("resume").then_some(()));
    assert!(paused(&gateways[1]));

    // What it did not obey it was not told.
    let told = group.done_by(&gateways[1]);
    assert_eq!(told, ["resume frozen", "pause frozen"]);
    for gateway in gateways {
        assert_eq!(gateway.terminate(), 0);
    }
}

#[test]
fn a_process_is_found_again_when_somebody_else_answers_at_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("moved", 2);
    let (url, topic, protocol, more) = (service.url(), "moved", CLASSIC, "");
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let mut gateways: Vec<Forebay> = NAMES[..2].iter().map(|name| group.start(name, "")).collect();
    for gateway in &gateways {
        group.await_whole(gateway, 2, 2);
    }
    // One that shows something else, one that knows nothing, one that is silent.
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "",
    ] {
        let other = gateways.pop().unwrap();
        let address = other.address("control");
        other.kill();
        let _stranger = Stranger::at(&address, answer);
        gateways.push(group.start(NAMES[1], ""));
        assert_ne!(gateways[1].address("control"), address);
        group.await_whole(&gateways[0], 2, 2);
        let paused = group.done(&gateways[0], "/pause", json!({}));
        assert_eq!(list(&paused, "processes").len(), 2, "{paused}");
        assert_eq!(group.own(&gateways[1])["paused"], true);
        group.done(&gateways[0], "/resume", json!({}));
    }
    for gateway in gateways {
        assert_eq!(gateway.terminate(), 0);
    }
}

/// Only Apache Kafka has groups as KIP-848 says; the embedded broker refuses them.
#[test]
fn a_group_that_joins_by_epochs_is_answered_for_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    if kafka.broker.is_some() {
        return;
    }
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("epochal", 4);
    let (url, topic, more) = (service.url(), "epochal", "");
    let protocol = "\"group.protocol\" = \"consumer\"";
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let gateways: Vec<Forebay> = NAMES[..2].iter().map(|name| group.start(name, "")).collect();
    for gateway in &gateways {
        group.await_whole(gateway, 4, 2);
    }
    group.done(&gateways[0], "/pause", json!({}));
    assert_eq!(group.own(&gateways[1])["paused"], true);
    group.done(&gateways[1], "/resume", json!({}));
    assert_eq!(group.own(&gateways[0])["paused"], false);
    for gateway in gateways {
        assert_eq!(gateway.terminate(), 0);
    }
}
