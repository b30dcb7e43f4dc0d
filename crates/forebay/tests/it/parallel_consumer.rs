//! Groups of Confluent's Parallel Consumer, killed, and the gateway that goes on where they were.
//!
//! What their last acknowledged commits record as completed is read from Kafka once they are gone.
//! Our reader's word for it is held against Parallel Consumer's own, and against the journal that its
//! processing function wrote. None of it may be delivered; everything else must be, once.
//!
//! They need its jars and Java, so they run where Apache Kafka is: `scripts/test-on-apache-kafka`.

mod process;
mod recorded;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_trial::{Delivery, Evidence, Journal, Script, Sent, Service};

use crate::harness::unique;
use crate::system::input::{Input, Sending};
use crate::system::kafka::Kafka;
use crate::system::process::{Forebay, eventually, file, pause};
use process::ParallelConsumer;
use recorded::Recorded;

const PARTITIONS: usize = 4;
const KEYS: usize = 200;

/// Which records of a topic never complete, by their number in a partition and by their key.
type Stuck = fn(partition: usize, number: usize, key: usize) -> bool;

/// Holes far apart, holes without a pattern, holes with one, and one hole.
fn of_every_shape(partition: usize, number: usize, _: usize) -> bool {
    let scattered = number.wrapping_mul(0x9e37_79b9) >> 7;
    match partition {
        0 => number.is_multiple_of(500),
        1 => number == 0 || scattered.is_multiple_of(3),
        2 => number.is_multiple_of(4),
        _ => number == 0,
    }
}

fn of_some_keys(_: usize, _: usize, key: usize) -> bool {
    key < 8
}

/// Produces a first part at once, and then on and on until it is stopped.
struct Stream {
    stop: Arc<AtomicBool>,
    sending: Sending,
    thread: std::thread::JoinHandle<()>,
}

impl Stream {
    fn start(kafka: &Kafka, topic: &str, stuck: Stuck) -> Self {
        let (stop, sending) = (Arc::new(AtomicBool::new(false)), Sending::default());
        let (stopped, into, producer) = (stop.clone(), sending.clone(), kafka.producer());
        let topic = topic.to_owned();
        let thread = std::thread::spawn(move || {
            for number in 0.. {
                send(&into, &producer, &topic, number, stuck);
                if number >= 8_000 && number % 10 == 0 {
                    pause(Duration::from_millis(10));
                    if stopped.load(Ordering::SeqCst) {
                        break;
                    }
                }
            }
            producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
        });
        Self { stop, sending, thread }
    }

    fn end(self) -> Input {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("it sends to its end");
        self.sending.read()
    }
}

fn send(
    into: &Sending,
    producer: &forebay_kafka::Producer,
    topic: &str,
    number: usize,
    stuck: Stuck,
) {
    let (partition, number_there, key) = (number % PARTITIONS, number / PARTITIONS, number % KEYS);
    let what = if stuck(partition, number_there, key) { "stuck" } else { "value" };
    let (key, value) = (format!("key-{key}"), format!("{what}-{number}"));
    let partition = Some(partition as i32);
    into.send_to(producer, topic, partition, Some(key.as_bytes()), Some(value.as_bytes()));
}

/// One gateway with a subscription, and group, of the name of each topic.
fn gateway(directory: &Path, kafka: &Kafka, topics: &[&str], url: &str) -> Forebay {
    let mut text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = \"test\"\n",
        kafka.address
    );
    for topic in topics {
        text.push_str(&format!(
            "[[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\ntarget = {{ url = {url:?} }}\n"
        ));
    }
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
}

/// The judgement on one group: what was recorded is not delivered, all else is, once.
fn assert_taken_over(topic: &str, input: Input, recorded: &Recorded, journal: &Journal) {
    let all: Vec<Delivery> =
        journal.read().into_iter().filter(|it| it.what.topic == topic).collect();
    let records = input.len();
    let open = |sent: &Sent| !recorded.is_completed(sent.place.partition, sent.place.offset);
    let left: Vec<Sent> = input.into_records().filter(open).collect();
    let again = all.iter().filter(|it| recorded.is_completed(it.what.partition, it.what.offset));
    let again: Vec<_> = again.map(Delivery::place).collect();
    assert!(again.is_empty(), "recorded as completed and delivered again: {again:?}");
    let verdict = Evidence::new(&left, &all).assert_kept();
    assert_eq!((verdict.delivered, verdict.repeated.len()), (left.len(), 0), "{verdict:?}");
    eprintln!(
        "{topic}: of {records} records {} were recorded as completed, in encodings {:?}; {} were \
         delivered, each once",
        records - left.len(),
        recorded.encodings(),
        left.len()
    );
}

#[test]
#[ignore = "needs jars of Maven; scripts/test-on-apache-kafka runs it"]
fn a_group_is_taken_over_in_mid_stream_and_nothing_recorded_is_delivered_again() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let names = [unique("by-key"), unique("unordered")];
    let [by_key, unordered] = names.each_ref().map(String::as_str);
    let streams = [(by_key, of_some_keys as Stuck), (unordered, of_every_shape)].map(|it| {
        kafka.create(it.0, PARTITIONS as i32);
        Stream::start(&kafka, it.0, it.1)
    });
    let groups = [format!("{by_key}:KEY:chosen"), format!("{unordered}:UNORDERED:chosen")];
    let group = ParallelConsumer::start(directory.path(), &kafka, &groups);
    for topic in [by_key, unordered] {
        eventually("each partition has a map, and goes on", || {
            let recorded = Recorded::read(&kafka, topic);
            (recorded.maps() == PARTITIONS && recorded.least_beyond() >= 1_500).then_some(())
        });
    }
    let completed = group.kill();
    let recorded = [by_key, unordered].map(|topic| {
        eventually("its members are given up", || recorded::is_empty(&kafka, topic));
        Recorded::read(&kafka, topic)
    });
    let gateway = gateway(directory.path(), &kafka, &[by_key, unordered], &service.url());
    eventually("it delivers", || (!journal.is_empty()).then_some(()));
    Recorded::assert_read_as_by_itself(&recorded);
    for ((topic, stream), recorded) in [by_key, unordered].into_iter().zip(streams).zip(recorded) {
        let input = stream.end();
        recorded.assert_true(topic, &input.places(), &completed);
        kafka.await_committed(topic, &input);
        assert_taken_over(topic, input, &recorded, &journal);
    }
    assert_eq!(gateway.terminate(), 0);
}

#[test]
#[ignore = "needs jars of Maven; scripts/test-on-apache-kafka runs it"]
fn each_of_its_encodings_is_believed() {
    const ENCODINGS: [&str; 8] = [
        "BitSet",
        "BitSetCompressed",
        "BitSetV2",
        "BitSetV2Compressed",
        "RunLength",
        "RunLengthCompressed",
        "RunLengthV2",
        "RunLengthV2Compressed",
    ];
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let topics = ENCODINGS.map(|encoding| unique(&encoding.to_lowercase()));
    let producer = kafka.producer();
    let inputs = topics.each_ref().map(|topic| {
        kafka.create(topic, 1);
        let sending = Sending::default();
        for number in 0..300 {
            let what = if [0, 1, 7, 8, 150, 298].contains(&number) { "stuck" } else { "value" };
            let (key, value) = (format!("key-{}", number % 20), format!("{what}-{number}"));
            sending.send(&producer, topic, Some(key.as_bytes()), Some(value.as_bytes()));
        }
        sending
    });
    producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    let groups = topics.iter().zip(ENCODINGS);
    let groups: Vec<_> = groups.map(|(topic, name)| format!("{topic}:UNORDERED:{name}")).collect();
    let group = ParallelConsumer::start(directory.path(), &kafka, &groups);
    group.await_committed(topics.last().expect("some"));
    let completed = group.kill();
    let recorded = topics.each_ref().map(|topic| {
        eventually("its members are given up", || recorded::is_empty(&kafka, topic));
        Recorded::read(&kafka, topic)
    });
    let encodings: BTreeSet<u8> = recorded.iter().flat_map(Recorded::encodings_raw).collect();
    assert_eq!(encodings, b"laosnJep".iter().copied().collect());
    Recorded::assert_read_as_by_itself(&recorded);
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let gateway = gateway(directory.path(), &kafka, &names, &service.url());
    for ((topic, sending), recorded) in topics.iter().zip(inputs).zip(recorded) {
        let input = sending.read();
        recorded.assert_true(topic, &input.places(), &completed);
        kafka.await_committed(topic, &input);
        assert_taken_over(topic, input, &recorded, &journal);
    }
    assert_eq!(journal.len(), 6 * ENCODINGS.len());
    assert_eq!(gateway.terminate(), 0);
}
