//! Topics that are deleted and made anew, while the gateway is down or runs: what is there is read
//! from its beginning, and the group has what is there and nothing else.

use std::time::{Duration, Instant};

use forebay_trial::{Journal, Script, Service};

use super::deliver::gateway;
use super::group::{CLASSIC, Group, NAMES, list};
use super::input::Input;
use super::kafka::Kafka;
use super::process::{Forebay, eventually, pause, within};

/// Deletes the topic and makes another one of its name, as Kafka sees it done.
pub(super) fn make_anew(kafka: &Kafka, topic: &str, partitions: i32) {
    let admin = kafka.admin();
    admin.delete_topic(topic).expect("the topic is deleted");
    eventually("the topic is gone", || {
        admin.describe_topic(topic).expect("topics are listed").is_none().then_some(())
    });
    kafka.create(topic, partitions);
}

fn await_accepted(input: &Input, journal: &Journal) {
    eventually("all is accepted", || input.places().is_subset(&journal.accepted()).then_some(()));
}

#[test]
fn a_topic_made_anew_while_the_gateway_is_down_is_read_from_its_beginning() {
    for start in ["latest", "earliest"] {
        let directory = tempfile::tempdir().unwrap();
        let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
        let service = Service::start(Script::accepting(), &journal);
        let (topic, more) = (format!("anew-{start}"), format!("start = {start:?}"));
        kafka.create(&topic, 2);
        kafka.fill(&topic, 0..50, 10);
        let endpoints = [service.url()];
        let met = gateway(directory.path(), &kafka, &topic, &endpoints, &more);
        let wanted = if start == "latest" { 0 } else { 50 };
        eventually("the partitions are claimed, and all that is wanted is accepted", || {
            let claimed = kafka.committed(&topic).len() == 2;
            (claimed && journal.accepted().len() == wanted).then_some(())
        });
        assert_eq!(met.terminate(), 0);
        assert_eq!(journal.accepted().len(), wanted);

        make_anew(&kafka, &topic, 2);
        eventually("Kafka has forgotten the offsets", || {
            kafka.committed(&topic).is_empty().then_some(())
        });
        let input = kafka.fill(&topic, 0..80, 10);
        let (again, url) = (Journal::default(), directory.path());
        let service = Service::start(Script::accepting(), &again);
        let gateway = gateway(url, &kafka, &topic, &[service.url()], &more);
        kafka.await_committed(&topic, &input);
        input.assert_once(&again);
        assert_eq!(gateway.terminate(), 0);
    }
}

#[test]
fn a_topic_made_anew_under_a_running_gateway_is_read_from_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let (old, new) = (Journal::default(), Journal::default());
    let services = [&old, &new].map(|journal| Service::start(Script::accepting(), journal));
    kafka.create("under", 2);
    let gateway =
        gateway(directory.path(), &kafka, "under", &[services[0].url()], "start = \"latest\"");
    eventually("the partitions are claimed", || {
        (kafka.committed("under").len() == 2).then_some(())
    });
    let input = kafka.fill("under", 0..100, 10);
    kafka.await_committed("under", &input);
    input.assert_once(&old);

    gateway.set_endpoints("under", &[services[1].url()]);
    let began = Instant::now();
    make_anew(&kafka, "under", 2);
    // More than there was: the old position is in the new log, too.
    let input = kafka.fill("under", 0..500, 10);
    await_accepted(&input, &new);
    eprintln!("read again {:?} after it was deleted", began.elapsed());
    let verdict = input.judge(&new, &[]);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
    kafka.await_committed("under", &input);
    let rebalances = gateway.get("/api/v1/rebalances").1;
    assert!(rebalances.contains("\"partitions\""), "{rebalances}");
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    assert_eq!(gateway.terminate(), 0);
}

/// A look at the topics and two rebalances, and less than whoever takes over waits after a crash.
const SECONDS: Duration = Duration::from_secs(25);

/// What a process says in its log of partitions that it can't read.
fn complaints(gateway: &Forebay) -> Vec<String> {
    let log = gateway.log();
    let lines = log.lines().filter(|line| line.contains("not all is read yet"));
    lines.map(str::to_owned).collect()
}

/// A topic changes its number of partitions under running processes, in which all is settled.
fn change_partitions(
    topic: &'static str,
    processes: usize,
    protocol: &'static str,
    was: i32,
    is: i32,
) {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let (old, new) = (Journal::default(), Journal::default());
    let services = [&old, &new].map(|journal| Service::start(Script::accepting(), journal));
    kafka.create(topic, was);
    let (url, more) = (services[0].url(), "start = \"latest\"");
    let group = Group { directory: directory.path(), kafka: &kafka, topic, url, protocol, more };
    let names = &NAMES[..processes];
    let gateways: Vec<Forebay> = names.iter().map(|name| group.start(name, "")).collect();
    for gateway in &gateways {
        group.await_whole(gateway, was as usize, processes);
    }
    eventually("the partitions are claimed", || {
        (kafka.committed(topic).len() == was as usize).then_some(())
    });
    let input = kafka.fill(topic, 0..300, 60);
    kafka.await_committed(topic, &input);
    input.assert_once(&old);

    for gateway in &gateways {
        gateway.set_endpoints(topic, &[services[1].url()]);
    }
    let began = Instant::now();
    make_anew(&kafka, topic, is);
    // More than there was: the old positions are in the new log, too.
    let mut input = kafka.fill(topic, 0..1_000, 60);
    within(SECONDS, "all is accepted", || input.places().is_subset(&new.accepted()).then_some(()));
    eprintln!("{topic}: read again {:?} after it was deleted", began.elapsed());
    for gateway in &gateways {
        eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
        let shown = group.await_whole(gateway, is as usize, processes);
        let numbers = list(&shown, "partitions").iter().map(|it| it["partition"].as_i64().unwrap());
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..i64::from(is)).collect::<Vec<_>>(), "{shown}");
    }
    eprintln!("{topic}: all is well {:?} after it was deleted", began.elapsed());
    input.extend(kafka.fill(topic, 1_000..1_200, 60));
    kafka.await_committed(topic, &input);
    let verdict = input.judge(&new, &[]);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
    for gateway in gateways {
        let said = complaints(&gateway);
        assert!(said.len() <= 3, "{said:?}");
        assert_eq!(gateway.get("/readyz").0, 200);
        assert_eq!(gateway.terminate(), 0);
    }
}

#[test]
fn a_topic_made_anew_with_fewer_partitions_is_read_by_one_process() {
    change_partitions("fewer-one", 1, CLASSIC, 6, 2);
}

#[test]
fn a_topic_made_anew_with_fewer_partitions_is_read_by_two_processes() {
    change_partitions("fewer-two", 2, CLASSIC, 6, 2);
}

#[test]
fn a_topic_made_anew_with_more_partitions_is_read_by_two_processes() {
    change_partitions("more-two", 2, CLASSIC, 2, 6);
}

/// Only Apache Kafka has groups as KIP-848 says.
#[test]
fn a_group_that_joins_by_epochs_reads_what_a_topic_made_anew_has() {
    if std::env::var("FOREBAY_TEST_KAFKA").is_ok() {
        let protocol = "\"group.protocol\" = \"consumer\"";
        change_partitions("epochal-fewer", 2, protocol, 6, 2);
        change_partitions("epochal-more", 1, protocol, 2, 6);
    }
}

#[test]
fn a_topic_that_is_deleted_is_said_to_be_gone_and_read_when_it_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let journal = Journal::default();
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("deleted", 6);
    let gateway = gateway(directory.path(), &kafka, "deleted", &[service.url()], "");
    let input = kafka.fill("deleted", 0..100, 10);
    kafka.await_committed("deleted", &input);
    let admin = kafka.admin();
    admin.delete_topic("deleted").expect("the topic is deleted");
    let reason = eventually("it is not ready, and says why", || {
        let (status, body) = gateway.get("/readyz");
        (status == 503).then_some(body)
    });
    assert!(reason.contains("deleted"), "{reason}");
    let (lines, began) = (gateway.log().lines().count(), Instant::now());
    while began.elapsed() < Duration::from_secs(8) {
        pause(Duration::from_millis(200));
        assert_eq!(gateway.get("/readyz").0, 503);
    }
    let log = gateway.log();
    let said: Vec<&str> = log.lines().skip(lines).collect();
    assert!(said.len() < 20, "it is said once: {said:#?}");
    kafka.create("deleted", 2);
    let again = kafka.fill("deleted", 0..500, 10);
    kafka.await_committed("deleted", &again);
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    assert_eq!(gateway.terminate(), 0);
}
