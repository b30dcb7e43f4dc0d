//! The Kafka under test, and what a test does with it as a plain client.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use forebay_kafka::{Admin, NewTopic, Producer, Properties, ReadFrom, Reader, ReaderItem};
use forebay_wire::offsets_topic::Entry;

use super::input::{Input, Sending};
use super::process::{Forebay, eventually};

/// The embedded broker in a directory of the test, or the one that the environment names.
pub(crate) struct Kafka {
    pub(crate) broker: Option<Forebay>,
    pub(crate) address: String,
}

/// Tests share one Kafka where the environment names it, so a topic's name is one test's alone.
fn claim_name(topic: &str) {
    static TESTS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let first = TESTS.lock().unwrap().entry(topic.to_owned()).or_insert(test.clone()).clone();
    assert_eq!(first, test, "another test has a topic {topic}, too");
}

impl Kafka {
    pub(crate) fn start(directory: &Path) -> Self {
        if let Ok(address) = std::env::var("FOREBAY_TEST_KAFKA") {
            return Self { broker: None, address };
        }
        Self::embedded(directory, "127.0.0.1:0")
    }

    /// The embedded broker even where another Kafka is under test.
    pub(crate) fn embedded(directory: &Path, listen: &str) -> Self {
        let data = directory.join("kafka");
        let args = ["broker", "--data", data.to_str().unwrap(), "--listen", listen];
        let broker = Forebay::start(directory, &args);
        Self { address: broker.address("kafka"), broker: Some(broker) }
    }

    pub(crate) fn properties(&self) -> Properties {
        let given = BTreeMap::from([("bootstrap.servers".to_owned(), self.address.clone())]);
        Properties::parse(&given).expect("an address is enough")
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.properties(), Duration::from_secs(30)).expect("a client can be made")
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        claim_name(topic);
        let configs = BTreeMap::new();
        let new = NewTopic { name: topic.to_owned(), partitions, replication: 1, configs };
        self.admin().create_topic(&new).expect("a topic is created");
    }

    pub(crate) fn producer(&self) -> Producer {
        Producer::new(&self.properties(), "test").expect("a client can be made")
    }

    /// Produces `key-<n mod keys>` → `value-<n>` for each number, all acknowledged.
    pub(crate) fn fill(&self, topic: &str, numbers: std::ops::Range<usize>, keys: usize) -> Input {
        let producer = self.producer();
        let sending = Sending::default();
        for number in numbers {
            let (key, value) = (format!("key-{}", number % keys), format!("value-{number}"));
            sending.send(&producer, topic, Some(key.as_bytes()), Some(value.as_bytes()));
        }
        producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
        sending.read()
    }

    /// The group's committed offsets by partition.
    pub(crate) fn committed(&self, group: &str) -> BTreeMap<i32, i64> {
        let offsets = self.admin().group_offsets(group).expect("the group's offsets");
        offsets.into_iter().map(|entry| (entry.partition.partition, entry.offset)).collect()
    }

    /// Waits until all of this is committed.
    pub(crate) fn await_committed(&self, group: &str, input: &Input) {
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        for (partition, offset) in input.places() {
            let end = ends.entry(partition).or_default();
            *end = (*end).max(offset + 1);
        }
        eventually("everything is committed", || {
            let committed = self.committed(group);
            let reached = |(partition, end): (&i32, &i64)| committed.get(partition) == Some(end);
            ends.iter().all(reached).then_some(())
        });
    }

    /// All generations of the group that `__consumer_offsets` tells of, oldest first.
    pub(crate) fn generations(&self, group: &str) -> Vec<i32> {
        let topic = "__consumer_offsets";
        let wait = Duration::from_secs(30);
        let mut reader =
            Reader::start(&self.properties(), topic, None, ReadFrom::Beginning, wait).unwrap();
        let mut generations = Vec::new();
        while !reader.is_at_end() {
            let Some(ReaderItem::Record(_, record)) = reader.next(wait) else { continue };
            let entry = Entry::decode(record.key().unwrap_or_default(), record.value());
            if let Ok(Entry::Group { group: named, value: Some(value) }) = entry
                && named == group
            {
                generations.push(value.generation);
            }
        }
        generations
    }
}
