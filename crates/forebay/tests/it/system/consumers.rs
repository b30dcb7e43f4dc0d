//! Several consumers of a subscription in one process: to the group so many members, to people one
//! subscription, and to each other what processes are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use forebay_trial::{Journal, Kill, Rule, Script, Service, clock};
use serde_json::{Value, json};

use super::kafka::Kafka;
use super::load::Load;
use super::process::{Forebay, eventually, file};
use crate::harness::forebay;

/// A gateway whose one subscription, named like its topic, has so many consumers. Their sessions are
/// longer than any wait: who goes for good has to say so.
fn configure(directory: &Path, kafka: &Kafka, topic: &str, consumers: usize, url: &str) -> String {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n\"heartbeat.interval.ms\" = 200\n\
         \"session.timeout.ms\" = 180000\n[control]\n\
         listen = \"127.0.0.1:0\"\ninstance = \"test\"\n[[subscription]]\nname = {topic:?}\n\
         topics = [{topic:?}]\nconsumers = {consumers}\ntakeover = \"fast\"\n\
         evidence = {{ wait = \"0s\" }}\n[subscription.target]\nurl = {url:?}\nin_flight = 900\n",
        kafka.address
    );
    file(directory, &text).to_str().unwrap().to_owned()
}

/// How many partitions each member has, by its instance id.
fn members(kafka: &Kafka, group: &str) -> BTreeMap<String, usize> {
    // Before anybody has joined there is none.
    let described = kafka.admin().describe_groups(&[group]).unwrap_or_default();
    let members = described.into_iter().flat_map(|group| group.members);
    let row = |member: forebay_kafka::Member| {
        (member.instance_id.unwrap_or_default(), member.assignment.len())
    };
    members.map(row).collect()
}

/// Waits until so many consumers share the six partitions evenly.
fn await_shared(kafka: &Kafka, topic: &str, consumers: usize) {
    let id = |number| if number == 1 { String::new() } else { format!(".{number}") };
    let ids = (1..=consumers).map(|number| format!("test-{topic}{}", id(number)));
    let wanted: BTreeMap<String, usize> = ids.map(|id| (id, 6 / consumers)).collect();
    eventually("the partitions are shared out", || (members(kafka, topic) == wanted).then_some(()));
}

fn command(gateway: &Forebay, topic: &str, what: &str, body: &Value) -> Value {
    let path = format!("/api/v1/subscriptions/{topic}/{what}");
    let (status, answer) = gateway.post(&path, &body.to_string());
    assert_eq!(status, 200, "{what}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

/// A metric of the subscription; that no series is there twice.
fn metric(gateway: &Forebay, name: &str) -> String {
    let text = gateway.get("/metrics").1;
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = series.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{text}");
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
    line.and_then(|line| line.rsplit_once(' ')).expect("it is exposed").1.to_owned()
}

/// What was lost and gained in all rebalances, and for how long it stood still, once it is all at
/// work again. Shows that they are newest first, and each has a generation.
fn all_moves(gateway: &Forebay) -> BTreeMap<&'static str, Vec<(i64, u64)>> {
    eventually("nothing stands still", || {
        let list: Value = serde_json::from_str(&gateway.get("/api/v1/rebalances").1).unwrap();
        let rows = list["rebalances"].as_array()?;
        let order: Option<Vec<_>> = rows
            .iter()
            .map(|row| Some((row["generation"].as_i64()?, row["at_ms"].as_i64()?)))
            .collect();
        let order = order.unwrap_or_else(|| panic!("one has no generation: {list}"));
        assert!(order.is_sorted_by(|newer, older| newer >= older), "{list}");
        let moved = |what| {
            let all = rows.iter().flat_map(|row| row[what].as_array().into_iter().flatten());
            let all = all.map(|row| Some((row["partition"].as_i64()?, row["still_ms"].as_u64()?)));
            Some((what, all.collect::<Option<Vec<_>>>()?))
        };
        ["lost", "gained"].into_iter().map(moved).collect()
    })
}

#[test]
fn three_consumers_share_the_partitions_and_are_one_subscription() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let topic = "several";
    kafka.create(topic, 6);
    let failing = (0..6).fold(Script::accepting(), |script, number| {
        script.rule(Rule::answering(400).at(number, 5).while_on("bad"))
    });
    let service = Service::start(failing, &journal);
    let config = configure(directory.path(), &kafka, topic, 3, &service.url());
    let gateway = Forebay::start(directory.path(), &["run", "-c", &config]);
    await_shared(&kafka, topic, 3);
    let mut input = kafka.fill(topic, 0..6_000, 600);
    kafka.await_committed(topic, &input);
    input.assert_once(&journal);

    let shown = eventually("the group is known", || {
        let shown = gateway.subscription();
        shown["processes_unknown"].is_null().then_some(shown)
    });
    let count = |list: &str| shown[list].as_array().map_or(0, Vec::len);
    assert_eq!((count("partitions"), count("processes"), count("endpoints")), (6, 1, 1), "{shown}");
    assert_eq!(shown["deliveries"]["accepted"], 6_000);
    assert_eq!(shown["in_flight_max"], 900, "of all together");
    assert!(shown["foreign_members"].is_null(), "{shown}");
    assert_eq!(gateway.get("/readyz").0, 200);
    assert_eq!(metric(&gateway, "forebay_settled_total"), "6000");
    assert_eq!(metric(&gateway, "forebay_in_flight_max"), "900");
    let control = gateway.address("control");
    let listed = forebay(&["subscriptions", "list", "--control", &control]).done();
    assert_eq!(listed.lines().count(), 2, "a head and one subscription: {listed}");
    let rebalances = forebay(&["groups", "rebalances", "--control", &control]).done();
    assert!(rebalances.contains(topic), "{rebalances}");

    // A pause and its end reach all; so do decisions about records, wherever they are.
    let generations = kafka.generations(topic);
    command(&gateway, topic, "seek", &json!({ "to": "beginning" }));
    service.switch_on("bad");
    eventually("a record of each partition is held", || {
        let held = gateway.subscription()["troubles"].as_array()?.clone();
        (held.iter().filter(|one| one["state"] == "held").count() == 6).then_some(())
    });
    assert_eq!(command(&gateway, topic, "pause", &json!({}))["paused"], true);
    eventually("what was in flight ends", || {
        (gateway.subscription()["in_flight"] == 0).then_some(())
    });
    let before = journal.len();
    input.extend(kafka.fill(topic, 6_000..6_600, 600));
    let held = || {
        let partitions = gateway.subscription()["partitions"].as_array().unwrap().clone();
        partitions.iter().map(|one| one["held"].as_u64().unwrap()).sum::<u64>()
    };
    eventually("the records are held", || (held() >= 606).then_some(()));
    assert_eq!(journal.len(), before, "nothing is sent");
    service.switch_off("bad");
    for number in 0..6 {
        let what = if number % 2 == 0 { "records/skip" } else { "records/retry" };
        command(
            &gateway,
            topic,
            what,
            &json!({ "topic": topic, "partition": number, "offset": 5 }),
        );
    }
    let other = Journal::default();
    let elsewhere = Service::start(Script::accepting(), &other);
    gateway.set_endpoints(topic, &[elsewhere.url()]);
    assert_eq!(command(&gateway, topic, "resume", &json!({}))["paused"], false);
    kafka.await_committed(topic, &input);
    let partitions: BTreeSet<i32> = other.accepted().into_iter().map(|(at, _)| at).collect();
    assert_eq!(partitions.len(), 6, "each consumer has the new endpoints");
    assert_eq!(kafka.generations(topic), generations, "a seek is no rebalance");
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_process_of_three_consumers_that_is_killed_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let topic = "killed-three";
    kafka.create(topic, 6);
    let config = configure(directory.path(), &kafka, topic, 3, &service.url());
    let start = || Forebay::start(directory.path(), &["run", "-c", &config]);
    let gateway = start();
    await_shared(&kafka, topic, 3);
    let generation = kafka.generations(topic).pop();
    let load = Load::start(&kafka, topic, 20);
    eventually("it delivers", || (journal.len() > 2_000).then_some(()));
    gateway.kill();
    let points = kafka.committed(topic).into_iter();
    let points = points.map(|(at, point)| ((topic.to_owned(), at), point)).collect();
    let kills = [Kill::Gateway { at: clock::now(), commit_points: points }];
    let gateway = start();
    let before = journal.len();
    eventually("it goes on", || (journal.len() > before + 2_000).then_some(()));
    let input = load.end();
    kafka.await_committed(topic, &input);
    input.assert_kept(&journal, &kills);
    await_shared(&kafka, topic, 3);
    assert_eq!(kafka.generations(topic).pop(), generation, "each came back as who it was");
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn consumers_come_and_go_by_reload_under_load_and_nothing_is_lost_or_out_of_order() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let topic = "come-and-go";
    kafka.create(topic, 6);
    let config = configure(directory.path(), &kafka, topic, 1, &service.url());
    let gateway = Forebay::start(directory.path(), &["run", "-c", &config]);
    await_shared(&kafka, topic, 1);
    assert!(!gateway.log().contains("consumer="), "{}", gateway.log());
    let load = Load::start(&kafka, topic, 20);
    for consumers in [3, 1, 2, 1] {
        configure(directory.path(), &kafka, topic, consumers, &service.url());
        let (status, answer) = gateway.post("/api/v1/reload", "{}");
        assert!(status == 200 && answer.contains(&format!("{topic}: changed")), "{answer}");
        await_shared(&kafka, topic, consumers);
        let before = journal.len();
        eventually("it delivers", || (journal.len() > before + 1_000).then_some(()));
    }
    let input = load.end();
    kafka.await_committed(topic, &input);
    input.assert_once(&journal);
    assert_eq!(metric(&gateway, "forebay_settled_total"), input.len().to_string());
    assert_eq!(metric(&gateway, "forebay_in_flight_max"), "900");
    for number in 1..=3 {
        let from = format!("consumer={number}");
        assert!(gateway.log().contains(&from), "{from}: {}", gateway.log());
    }
    let moves = all_moves(&gateway);
    for (partition, still) in &moves["lost"] {
        assert!(moves["gained"].contains(&(*partition, *still)), "{partition}, {still}: {moves:?}");
    }
    let stood: u64 = moves["lost"].iter().map(|(_, still)| still).sum();
    let counted: f64 = metric(&gateway, "forebay_rebalance_still_seconds_total").parse().unwrap();
    assert!(counted * 1_000.0 >= stood as f64, "{counted} s, {stood} ms");
    let whole = || (gateway.subscription()["lag_partial"] == false).then_some(());
    eventually("all of the lag is known", whole);

    // What it was told before, a consumer that comes knows.
    command(&gateway, topic, "pause", &json!({}));
    configure(directory.path(), &kafka, topic, 3, &service.url());
    assert_eq!(gateway.post("/api/v1/reload", "{}").0, 200);
    await_shared(&kafka, topic, 3);
    let before = journal.len();
    let more = kafka.fill(topic, 0..600, 600);
    eventually("the records are held", || {
        let partitions = gateway.subscription()["partitions"].as_array()?.clone();
        let held = partitions.iter().map(|one| one["held"].as_u64().unwrap()).sum::<u64>();
        (held == 600).then_some(())
    });
    assert_eq!(journal.len(), before, "nothing is sent");
    command(&gateway, topic, "resume", &json!({}));
    kafka.await_committed(topic, &more);
    assert_eq!(gateway.terminate(), 0);
}
