//! Targets whose addresses are found by their name, or lie behind a balancer.

use forebay_trial::{Journal, Script, Service};

use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};

/// A gateway with one subscription, whose target has these lines.
fn gateway(directory: &std::path::Path, kafka: &Kafka, topic: &str, target: &str) -> Forebay {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         [[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n\
         [subscription.target]\n{target}\n",
        kafka.address
    );
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
}

#[test]
fn the_addresses_of_a_name_are_its_endpoints_and_a_name_that_fails_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("named", 2);
    let input = kafka.fill("named", 0..200, 20);
    // No name server is asked for a label this long.
    let unknown = format!("http://{}:8080/", "a".repeat(64));
    let target = format!("url = {unknown:?}\ndiscovery = \"dns\"");
    let gateway = gateway(directory.path(), &kafka, "named", &target);
    eventually("the failure", || {
        let shown = gateway.subscription();
        shown["discovery_error"].as_str()?;
        let endpoint = &shown["endpoints"][0];
        assert_eq!(endpoint["url"], *unknown);
        (endpoint["fault"] == "its name does not resolve").then_some(())
    });
    let port = service.address().port();
    gateway.set_endpoints("named", &[format!("http://localhost:{port}/records")]);
    kafka.await_committed("named", &input);
    input.assert_kept(&journal, &[]);
    let shown = gateway.subscription();
    assert!(shown["discovery_error"].is_null(), "{shown}");
    let endpoints = shown["endpoints"].as_array().unwrap();
    let resolved = format!("http://127.0.0.1:{port}/records");
    assert!(endpoints.iter().any(|endpoint| endpoint["url"] == *resolved), "{shown}");
    let hosts =
        journal.requests().into_iter().map(|request| request.header("host").map(str::to_owned));
    assert!(hosts.flatten().all(|host| host == format!("localhost:{port}")));
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn connections_to_a_balancer_are_recycled_while_records_flow() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("balanced", 1);
    let input = kafka.fill("balanced", 0..1_000, 1);
    let target =
        format!("url = {:?}\ndiscovery = \"vip\"\nrecycle = \"200ms\"\nrate = 500", service.url());
    // One key: one record at a time, which is one connection as long as it lasts.
    let gateway = gateway(directory.path(), &kafka, "balanced", &target);
    kafka.await_committed("balanced", &input);
    input.assert_kept(&journal, &[]);
    let connections = service.connections();
    assert!(
        (6..=60).contains(&connections),
        "{connections} in two seconds, of at most 200 ms each"
    );
    assert_eq!(gateway.terminate(), 0);
}
