//! The service tier grows, shrinks and is exchanged, and the group does not notice (P13).

use std::time::Duration;

use forebay_trial::{Journal, Script, Service};

use super::deliver::gateway;
use super::kafka::Kafka;
use super::process::eventually;

const DELAY: Duration = Duration::from_millis(2);

#[test]
fn scaling_the_service_from_one_to_eight_to_one_leaves_the_group_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("scale", 4);
    let mut services = vec![Service::start(Script::accepting().delay(DELAY), &journal)];
    let urls = |services: &[Service]| services.iter().map(Service::url).collect::<Vec<_>>();
    let gateway = gateway(directory.path(), &kafka, "scale", &urls(&services), "");
    let mut input = kafka.fill("scale", 0..2_000, 200);
    kafka.await_committed("scale", &input);
    let before = kafka.generations("scale");
    let assigned = gateway.subscription()["partitions"].as_array().unwrap().len();

    for count in [2, 4, 8] {
        services.resize_with(count, || Service::start(Script::accepting().delay(DELAY), &journal));
        gateway.set_endpoints("scale", &urls(&services));
        input.extend(kafka.fill("scale", 0..1_000, 200));
    }
    eventually("all eight are listed and well", || {
        // One that was slow for a moment is tried again with something.
        input.extend(kafka.fill("scale", 0..50, 50));
        let endpoints = gateway.subscription()["endpoints"].clone();
        let well = |endpoint: &&serde_json::Value| endpoint["state"] == "well";
        (endpoints.as_array()?.iter().filter(well).count() == 8).then_some(())
    });
    for count in [4, 1] {
        gateway.set_endpoints("scale", &urls(&services[..count]));
        input.extend(kafka.fill("scale", 0..1_000, 200));
        eventually("those that left have no delivery in flight", || {
            let endpoints = gateway.subscription()["endpoints"].clone();
            (endpoints.as_array()?.len() == count).then_some(())
        });
        services.truncate(count);
    }
    kafka.await_committed("scale", &input);
    input.assert_once(&journal);
    assert_eq!(kafka.generations("scale").last(), before.last(), "P13");
    assert_eq!(gateway.subscription()["partitions"].as_array().unwrap().len(), assigned);
}

#[test]
fn an_instance_that_vanishes_costs_its_flights_a_grace_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("vanish", 2);
    let stays = Service::start(Script::accepting().delay(DELAY), &journal);
    let goes = Service::start(Script::accepting().delay(Duration::from_secs(20)), &journal);
    let urls = [stays.url(), goes.url()];
    let gateway = gateway(directory.path(), &kafka, "vanish", &urls, "");
    let input = kafka.fill("vanish", 0..500, 100);
    eventually("the slow one is busy", || {
        let endpoints = gateway.subscription()["endpoints"].clone();
        (endpoints[1]["in_flight"].as_u64()? > 0).then_some(())
    });
    drop(goes);
    kafka.await_committed("vanish", &input);
    input.assert_kept(&journal, &[]);
}
