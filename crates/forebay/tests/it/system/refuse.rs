//! Wrong input: a clear error, and the exit code that the documentation gives it.

use std::net::TcpListener;
use std::time::Duration;

use forebay_trial::{Journal, Script, Service};

use super::deliver::gateway;
use super::kafka::Kafka;
use super::process::{Forebay, eventually, file, pause};
use crate::harness::forebay;

/// Exit code and standard error.
fn ends(args: &[&str]) -> (i32, String) {
    let ran = forebay(args);
    (ran.code, ran.err)
}

/// Runs `forebay run` on a configuration, which is refused.
fn refused(text: &str) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), text);
    ends(&["run", "-c", path.to_str().unwrap()])
}

const TARGET: &str = "[subscription.target]\nurl = \"http://127.0.0.1:1/\"\n";

#[test]
fn an_unknown_key_in_the_configuration() {
    let (code, error) = refused("[kafka]\n[control]\nlistne = \"127.0.0.1:0\"\n");
    assert_eq!(code, 3, "{error}");
    assert!(
        error.contains("forebay.toml:3: unknown key `listne`; did you mean `listen`?"),
        "{error}"
    );
}

#[test]
fn an_unknown_property_of_kafka() {
    let (code, error) = refused(&format!(
        "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n\"fetch.min.byte\" = 1\n\
         [control]\nlisten = \"127.0.0.1:0\"\n\
         [[subscription]]\nname = \"a\"\ntopics = [\"a\"]\n{TARGET}"
    ));
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("forebay.toml:3:") && error.contains("fetch.min.bytes"), "{error}");
}

#[test]
fn an_impossible_value_in_the_configuration() {
    let (code, error) = refused(&format!(
        "[[subscription]]\nname = \"a\"\ntopics = [\"a\"]\n{TARGET}deadline = \"-1s\"\n"
    ));
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("forebay.toml:6:") && error.contains("`-1s` is no length of time"));
}

#[test]
fn a_configuration_that_is_not_there() {
    let (code, error) = ends(&["run", "-c", "no-such-file.toml"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("cannot read the configuration no-such-file.toml"), "{error}");
}

#[test]
fn wrong_usage() {
    let (code, error) = ends(&["run", "--kafka", "127.0.0.1:1"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("--topic"), "{error}");
}

#[test]
fn a_control_address_off_loopback_by_flag_as_by_file() {
    let target = ["--topic", "a", "--to", "http://127.0.0.1:1/"];
    let run = ["run", "--kafka", "127.0.0.1:1", "--control", "0.0.0.0:0"];
    let (code, error) = ends(&[&run[..], &target[..]].concat());
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("needs a token"), "{error}");
}

#[test]
fn a_kafka_that_cannot_be_reached_leaves_the_gateway_alive_unready_and_trying() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::default();
    let service = Service::start(Script::accepting(), &journal);
    // A port that nobody listens on until the broker comes to it.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let absent = Kafka { broker: None, address: address.clone() };
    let gateway = gateway(directory.path(), &absent, "later", &[service.url()], "");
    eventually("it says that Kafka is out of reach", || {
        gateway.log().contains("Kafka is out of reach").then_some(())
    });
    assert_eq!(gateway.get("/livez").0, 200);
    let (status, body) = gateway.get("/readyz");
    assert_eq!(status, 503);
    assert!(body.contains("later"), "{body}");
    pause(Duration::from_secs(3));
    assert_eq!(gateway.log().matches("Kafka is out of reach").count(), 1, "{}", gateway.log());

    let kafka = Kafka::embedded(directory.path(), &address);
    kafka.create("later", 1);
    let input = kafka.fill("later", 0..10, 10);
    kafka.await_committed("later", &input);
    assert_eq!(gateway.get("/readyz").0, 200);
}

#[test]
fn a_topic_that_does_not_exist_is_named_until_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let gateway = gateway(directory.path(), &kafka, "absent", &[service.url()], "");
    eventually("it says that the topic is not there", || {
        let (status, body) = gateway.get("/readyz");
        (status == 503 && body.contains("`forebay topics create absent`")).then_some(())
    });
    assert_eq!(gateway.get("/livez").0, 200);
    kafka.create("absent", 1);
    let input = kafka.fill("absent", 0..10, 10);
    kafka.await_committed("absent", &input);
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, error) = ends(&[
        "run",
        "--kafka",
        "127.0.0.1:1",
        "--topic",
        "a",
        "--to",
        "http://127.0.0.1:1/",
        "--control",
        &address,
    ]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains(&address) && error.contains("in use"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (code, error) = ends(&["broker", "--data", data.to_str().unwrap(), "--listen", &address]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains(&address) && error.contains("in use"), "{error}");
}

#[test]
fn a_data_directory_of_another_process_or_of_a_newer_version() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let broker =
        Forebay::start(directory.path(), &["broker", "--data", data, "--listen", "127.0.0.1:0"]);
    let (code, error) = ends(&["broker", "--data", data, "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("in use by another process"), "{error}");
    assert_eq!(broker.terminate(), 0);

    let meta = std::path::Path::new(data).join("meta.properties");
    let text = std::fs::read_to_string(&meta).unwrap();
    let newer: Vec<_> = text
        .lines()
        .map(|line| match line.split_once('=') {
            Some((name, _)) if name.contains("version") => format!("{name}=999"),
            _ => line.to_owned(),
        })
        .collect();
    std::fs::write(&meta, newer.join("\n") + "\n").unwrap();
    let (code, error) = ends(&["broker", "--data", data, "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("999"), "{error}");
}

#[test]
fn a_log_that_nobody_reads_any_more_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("unheard", 1);
    let ready = directory.path().join("ready.json");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["run", "--kafka", &kafka.address, "--topic", "unheard", "--to", &service.url()])
        .args(["--control", "127.0.0.1:0", "--ready-file", ready.to_str().unwrap()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    eventually("the ready file", || ready.exists().then_some(()));
    let input = kafka.fill("unheard", 0..20, 5);
    kafka.await_committed("unheard", &input);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = eventually("an orderly end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{status}");

    let mut told = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["run", "-c", "no-such-file.toml"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(told.stderr.take());
    assert_eq!(told.wait().unwrap().code(), Some(3));
}
