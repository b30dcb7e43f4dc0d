//! Against librdkafka's own mock of a cluster, in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rdkafka::Offset;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::*;
use crate::{Producer, Properties, Send};

type Cluster = MockCluster<'static, DefaultProducerContext>;

#[derive(Default)]
struct Heard {
    records: Vec<(String, i32, Record)>,
    committed: Vec<(Option<Code>, Vec<Row>)>,
    failed: Vec<(Code, Option<Row>)>,
}

impl EventHandler for Heard {
    fn record(&mut self, place: &Place, record: Record) {
        self.records.push((place.topic().to_owned(), place.partition, record));
    }

    fn rebalance(&mut self, _: bool, _: &TopicPartitionList) {}

    fn committed(&mut self, error: Option<Code>, rows: Vec<Row>) {
        self.committed.push((error, rows));
    }

    fn failed(&mut self, code: Code, _: bool, _: &str, about: Option<Row>) {
        self.failed.push((code, about));
    }
}

fn consumer(cluster: &Cluster, nudges: &Arc<AtomicUsize>) -> EventConsumer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "g")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error");
    let nudges = nudges.clone();
    let nudge = move || {
        nudges.fetch_add(1, Ordering::Relaxed);
    };
    EventConsumer::new(&config, None, Logs::new("test"), nudge).expect("a consumer")
}

fn hear(consumer: &EventConsumer, heard: &mut Heard, enough: impl Fn(&Heard) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !enough(heard) {
        assert!(Instant::now() < end, "the mock cluster answers");
        consumer.poll(Duration::from_millis(100), heard);
    }
}

fn assign(consumer: &EventConsumer, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", 0, Offset::Offset(offset)).expect("a plain offset");
    consumer.base().assign(&list).expect("assigned");
}

/// A cluster whose topic `t` holds one record.
fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster.create_topic("t", 1, 1).expect("a topic");
    let given = [("bootstrap.servers".to_owned(), cluster.bootstrap_servers())];
    let properties = Properties::parse(&given.into()).expect("right");
    let producer = Producer::new(&properties, "test").expect("a producer");
    let record = Send {
        topic: "t",
        partition: Some(0),
        key: Some(b""),
        value: None,
        headers: &[("a", Some(b"\xff\x00")), ("b", None)],
        timestamp_ms: Some(1_234),
    };
    assert!(producer.send(record, Box::new(|_| ())).is_ok());
    producer.flush(Duration::from_secs(30)).expect("produced");
    cluster
}

#[test]
fn a_record_is_copied_out_whole_and_the_end_names_its_partition() {
    let cluster = cluster();
    let nudges = Arc::new(AtomicUsize::new(0));
    let consumer = consumer(&cluster, &nudges);
    assign(&consumer, 0);
    let mut heard = Heard::default();
    hear(&consumer, &mut heard, |heard| !heard.failed.is_empty());
    let (topic, partition, record) = &heard.records[0];
    assert_eq!((topic.as_str(), *partition, record.offset), ("t", 0, 0));
    assert_eq!((record.key(), record.value(), record.timestamp_ms), (Some(&b""[..]), None, 1_234));
    let headers: Vec<_> = record.headers().collect();
    assert_eq!(headers, [("a", Some(&b"\xff\x00"[..])), ("b", None)]);
    let (code, about) = &heard.failed[0];
    let about = about.as_ref().expect("a partition");
    assert_eq!((*code, about.topic.as_str(), about.partition), (Code::PartitionEOF, "t", 0));
    assert_eq!(consumer.cached_watermarks(&native_name("t"), 0), (0, 1));
    assert!(nudges.load(Ordering::Relaxed) > 0);
}

#[test]
fn an_offset_out_of_range_names_its_partition() {
    let cluster = cluster();
    let consumer = consumer(&cluster, &Arc::default());
    assign(&consumer, 99);
    let mut heard = Heard::default();
    hear(&consumer, &mut heard, |heard| {
        heard.failed.iter().any(|(code, _)| *code == Code::AutoOffsetReset)
    });
    let (_, about) = heard.failed.last().expect("heard");
    assert_eq!(about.as_ref().map(|row| (row.topic.as_str(), row.partition)), Some(("t", 0)));
    assert!(heard.records.is_empty());
}

#[test]
fn a_commit_is_answered_and_keeps_its_metadata() {
    let cluster = cluster();
    let consumer = consumer(&cluster, &Arc::default());
    let mut list = TopicPartitionList::new();
    let mut row = list.add_partition("t", 0);
    row.set_offset(Offset::Offset(1)).expect("a plain offset");
    row.set_metadata("kept");
    assert_eq!(consumer.commit(&list), None);
    let mut heard = Heard::default();
    hear(&consumer, &mut heard, |heard| !heard.committed.is_empty());
    let (error, rows) = &heard.committed[0];
    assert_eq!((*error, rows[0].offset, rows[0].error), (None, 1, None));
    let mut list = TopicPartitionList::new();
    list.add_partition("t", 0);
    let list = consumer.base().committed_offsets(list, Duration::from_secs(30)).expect("asked");
    assert_eq!(super::super::rows(&list)[0].metadata.as_deref(), Some("kept"));
}

#[test]
fn a_closed_consumer_says_so() {
    let cluster = cluster();
    let consumer = consumer(&cluster, &Arc::default());
    assert!(consumer.start_closing());
    let mut heard = Heard::default();
    hear(&consumer, &mut heard, |_| consumer.is_closed());
    assert!(!consumer.start_closing(), "there is nothing to wait for twice");
}
