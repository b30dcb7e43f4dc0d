//! Processes killed with SIGKILL under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::deliver::gateway;
use super::journal::Journal;
use super::kafka::{Kafka, Places};
use super::process::{eventually, pause};
use super::service::Service;

const KILLS: usize = 30;

/// Produces on and on until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    places: Places,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    fn start(kafka: &Kafka, topic: &'static str) -> Self {
        let (stop, places) = (Arc::new(AtomicBool::new(false)), Places::default());
        let (stopped, into, producer) = (stop.clone(), places.clone(), kafka.producer());
        let thread = std::thread::spawn(move || {
            let mut number = 0_usize;
            while !stopped.load(Ordering::SeqCst) {
                for _ in 0..20 {
                    let key = format!("key-{}", number % 500);
                    into.send(&producer, topic, Some(key.as_bytes()), Some(b"value"));
                    number += 1;
                }
                pause(Duration::from_millis(10));
            }
            producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
        });
        Self { stop, places, thread }
    }

    fn end(self) -> Places {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.places
    }
}

#[test]
fn a_gateway_killed_again_and_again_loses_nothing_and_repeats_only_what_was_open() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(&journal, Duration::from_millis(1));
    kafka.create("killed", 4);
    let load = Load::start(&kafka, "killed");
    let mut may_repeat = 0;
    for kill in 0..KILLS {
        let gateway = gateway(directory.path(), &kafka, "killed", &[service.url()], "");
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
    }
    let gateway = gateway(directory.path(), &kafka, "killed", &[service.url()], "");
    let places = load.end().read();
    kafka.await_committed("killed", &places);
    assert_eq!(journal.accepted(), places, "nothing is lost");
    journal.assert_in_order();
    let repeated = journal.repeated();
    eprintln!("{} records, {KILLS} kills, {repeated} repeated of {may_repeat}", places.len());
    assert!(repeated <= may_repeat, "{repeated} repeated, at most {may_repeat} lay open");
    let mut tenures: BTreeMap<i32, i64> = BTreeMap::new();
    for seen in journal.read() {
        let tenure = tenures.entry(seen.partition).or_insert(seen.tenure);
        assert!(seen.tenure >= *tenure, "an older tenure delivers after a newer one");
        *tenure = seen.tenure;
    }
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn a_broker_killed_again_and_again_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::embedded(directory.path(), "127.0.0.1:0");
    let journal = Journal::default();
    let service = Service::start(&journal, Duration::ZERO);
    kafka.create("kept", 4);
    let load = Load::start(&kafka, "kept");
    let gateway = gateway(directory.path(), &kafka, "kept", &[service.url()], "");
    let mut committed: BTreeMap<i32, i64> = BTreeMap::new();
    for kill in 0..KILLS {
        let (acknowledged, delivered) = (load.places.read().len(), journal.len());
        let more = 20 + 13 * (kill % 5);
        eventually("records are acknowledged and delivered", || {
            let produced = load.places.read().len() >= acknowledged + more;
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
    let places = load.end().read();
    // What was written but not acknowledged to the producer may be there as well.
    eventually("everything acknowledged is delivered", || {
        places.is_subset(&journal.accepted()).then_some(())
    });
    journal.assert_in_order();
    eprintln!("{} records acknowledged, {KILLS} kills", places.len());
    assert_eq!(gateway.terminate(), 0);
}
