//! Processes killed with SIGKILL under load.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_trial::{Journal, Kill, Script, Service, clock};

use super::deliver::gateway;
use super::kafka::Kafka;
use super::load::Load;
use super::process::eventually;

const KILLS: usize = 30;

#[test]
fn a_gateway_killed_again_and_again_loses_nothing_and_repeats_only_what_was_open() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting().delay(Duration::from_millis(1)), &journal);
    kafka.create("killed", 4);
    let load = Load::start(&kafka, "killed", 20);
    let (mut may_repeat, mut kills) = (0, Vec::new());
    for kill in 0..KILLS {
        let gateway =
            gateway(directory.path(), &kafka, "killed", &[service.url()], "takeover = \"fast\"");
        let before = journal.len();
        // A different moment each time: after so many deliveries.
        let enough = before + 50 + 37 * (kill % 7);
        eventually("it delivers", || (journal.len() >= enough).then_some(()));
        gateway.kill();
        let committed = kafka.committed("killed");
        for (partition, highest) in journal.highest() {
            let point = committed.get(&partition).copied().unwrap_or(0);
            may_repeat += usize::try_from(highest + 1 - point).unwrap_or(0);
        }
        let points = committed.into_iter().map(|(at, point)| (("killed".to_owned(), at), point));
        kills.push(Kill::Gateway { at: clock::now(), commit_points: points.collect() });
    }
    let gateway =
        gateway(directory.path(), &kafka, "killed", &[service.url()], "takeover = \"fast\"");
    let input = load.end();
    kafka.await_committed("killed", &input);
    let verdict = input.assert_kept(&journal, &kills);
    let repeated = verdict.repeated.values().sum::<usize>();
    eprintln!("{} records, {KILLS} kills, {repeated} repeated of {may_repeat}", input.len());
    assert!(repeated <= may_repeat, "{repeated} repeated, at most {may_repeat} lay open");
    let mut tenures: BTreeMap<i32, i64> = BTreeMap::new();
    for seen in journal.read() {
        let (partition, seen) = (seen.what.partition, seen.what.tenure);
        let tenure = tenures.entry(partition).or_insert(seen);
        assert!(seen >= *tenure, "an older tenure delivers after a newer one");
        *tenure = seen;
    }
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_broker_killed_again_and_again_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::embedded(directory.path(), "127.0.0.1:0");
    let journal = Journal::default();
    let service = Service::start(Script::accepting(), &journal);
    kafka.create("kept", 4);
    let load = Load::start(&kafka, "kept", 20);
    let gateway = gateway(directory.path(), &kafka, "kept", &[service.url()], "");
    let mut committed: BTreeMap<i32, i64> = BTreeMap::new();
    for kill in 0..KILLS {
        let (acknowledged, delivered) = (load.len(), journal.len());
        let more = 20 + 13 * (kill % 5);
        eventually("records are acknowledged and delivered", || {
            let produced = load.len() >= acknowledged + more;
            (produced && journal.len() >= delivered + more).then_some(())
        });
        let seen = kafka.committed("kept");
        kafka.broker.take().expect("it runs").kill();
        let address = kafka.address.clone();
        kafka = Kafka::embedded(directory.path(), &address);
        for (partition, point) in kafka.committed("kept") {
            let before = seen.get(&partition).copied().unwrap_or(0);
            let ever = committed.entry(partition).or_insert(point);
            assert!(point >= before.max(*ever), "P8: {point} after {before} and {ever}");
            *ever = point;
        }
    }
    let input = load.end();
    // What was written but not acknowledged to the producer may be there as well.
    eventually("everything acknowledged is delivered", || {
        input.places().is_subset(&journal.accepted()).then_some(())
    });
    let verdict = input.judge(&journal, &[]);
    assert!(verdict.lost.is_empty() && verdict.out_of_order.is_empty(), "{verdict:?}");
    assert!(verdict.overlapping.is_empty(), "{verdict:?}");
    eprintln!("{} records acknowledged, {KILLS} kills", input.len());
    assert_eq!(gateway.terminate(), 0);
}
