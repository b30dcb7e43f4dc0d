//! The control API answers what its page says.

use std::collections::BTreeSet;

use forebay_trial::{Journal, Rule, Script, Service};
use serde_json::Value;

use super::deliver::gateway;
use super::kafka::Kafka;
use super::process::{Forebay, eventually};

const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/control-api.md"));

/// The names in backticks in the first column of the page's tables.
fn documented() -> Vec<String> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let firsts = rows.filter_map(|row| row.split(" | ").next());
    let names = firsts.flat_map(|first| first.split(", "));
    names.map(|name| name.trim_matches(['`', ' ']).to_owned()).collect()
}

#[test]
fn every_request_on_the_page_is_answered_and_every_field_is_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let failing = Script::accepting().rule(Rule::answering(500).at(0, 0));
    let service = Service::start(failing, &journal);
    kafka.create("shown", 1);
    kafka.fill("shown", 0..3, 3);
    let gateway = gateway(directory.path(), &kafka, "shown", &[service.url()], "");
    let shown = eventually("a record blocks", || {
        let shown = gateway.subscription();
        (!shown["partitions"][0]["blocked"].is_null()).then_some(shown)
    });

    let (requests, fields): (Vec<_>, Vec<_>) =
        documented().into_iter().partition(|name| name.contains(' '));
    assert_eq!(requests.len(), 16, "{requests:?}");
    for request in requests.iter().filter_map(|request| request.strip_prefix("GET ")) {
        let (status, body) = gateway.get(&request.replace("NAME", "shown"));
        assert_eq!(status, 200, "{request}: {body}");
    }

    let fields: BTreeSet<String> = fields.into_iter().collect();
    let known: BTreeSet<String> = shown.as_object().unwrap().keys().cloned().collect();
    let lists =
        ["partitions", "endpoints", "processes", "processes_unknown", "held", "dead_letters"];
    let lists = BTreeSet::from(lists.map(str::to_owned));
    let shown_fields: BTreeSet<_> = known.difference(&lists).cloned().collect();
    // What is shown at times only.
    let at_times = [
        "kafka_reason",
        "foreign_members",
        "held",
        "held_by",
        "dead_letters",
        "park",
        "discovery_error",
        "processes_unknown",
        "processes[]",
        "partitions[].hold",
        "partitions[].blocked",
        "partitions[]",
    ];
    let at_times = at_times.into_iter().chain(["endpoints[]"]).map(str::to_owned).collect();
    assert_eq!(fields.difference(&at_times).cloned().collect::<BTreeSet<_>>(), shown_fields);
    let parts = ["/partitions/0", "/partitions/0/blocked", "/endpoints/0", "/deliveries"];
    for part in parts.into_iter().chain(["/processes/0"]) {
        for name in shown.pointer(part).and_then(Value::as_object).unwrap().keys() {
            assert!(PAGE.contains(&format!("`{name}`")) || name == "blocked", "{part}/{name}");
        }
    }
}

#[test]
fn a_page_of_another_origin_reads_and_commands_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("strange", 1);
    let gateway = gateway(directory.path(), &kafka, "strange", &[service.url()], "");
    let (list, pause) = ("/api/v1/subscriptions", "/api/v1/subscriptions/strange/pause");
    let stranger = "origin: http://evil.example";
    for (status, body) in
        [gateway.get_with(list, stranger), gateway.post_with(pause, stranger, "{}")]
    {
        assert_eq!((status, body.contains("another origin")), (403, true), "{body}");
    }
    assert_eq!(gateway.subscription()["paused"], false);
    let own = format!("origin: http://{}", gateway.address("control"));
    let (status, body) = gateway.post_with(pause, &own, "{}");
    assert_eq!(status, 200, "{body}");
    assert_eq!(gateway.subscription()["paused"], true);
}

#[test]
fn wrong_requests_say_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("asked", 1);
    let gateway = gateway(directory.path(), &kafka, "asked", &[service.url()], "");
    let (status, body) = gateway.get("/api/v1/subscriptions/askde");
    assert_eq!((status, body.contains("there are: asked")), (404, true), "{body}");
    let (status, body) = gateway.get("/api/v1/subscription");
    assert_eq!((status, body.contains("there is no such path")), (404, true), "{body}");
    let (status, body) = gateway.post("/api/v1/subscriptions", "{}");
    assert_eq!((status, body.contains("another method")), (405, true), "{body}");
    let path = "/api/v1/subscriptions/asked/endpoints";
    for (wrong, said) in [
        ("{\"endpoints\": [\"ftp://x/\"]}", "only http"),
        ("{\"endpoint\": []}", "endpoints"),
        ("nothing", "JSON"),
    ] {
        let (status, body) = gateway.post(path, wrong);
        assert_eq!(status, 400, "{wrong}: {body}");
        assert!(body.contains(said), "{wrong}: {body}");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_delivery_nor_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    // A line for each is more than the pipe holds.
    kafka.create("full-pipe", 40);
    let arguments = [
        "run",
        "--kafka",
        &kafka.address,
        "--topic",
        "full-pipe",
        "--to",
        &service.url(),
        "--control",
        "127.0.0.1:0",
    ];
    let gateway = Forebay::start_unheard(directory.path(), &arguments);
    let input = kafka.fill("full-pipe", 0..2_000, 20);
    kafka.await_committed("full-pipe", &input);
    input.assert_once(&journal);
    assert_eq!(gateway.get("/readyz").0, 200);
    assert_eq!(gateway.terminate(), 0);
}
