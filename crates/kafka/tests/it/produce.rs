//! Producing, and reading back without a group.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_kafka::{Delivery, Produced, Producer, ReadFrom, Reader, ReaderItem, Send, SendError};

use crate::cluster::{self, PATIENCE, fill, properties, properties_with, servers, topic};

fn plain(topic: &str) -> Send<'_> {
    Send {
        topic,
        partition: Some(0),
        key: None,
        value: Some(b"v"),
        headers: &[],
        timestamp_ms: None,
    }
}

#[test]
fn a_delivery_tells_where_the_record_is() {
    let topic = topic("deliver", 2);
    let producer = cluster::producer(servers());
    let (told, hear) = sync_channel(1);
    let told = Mutex::new(told);
    let delivery: Delivery = Box::new(move |result| {
        told.lock().expect("no panics").send(result).expect("the test waits");
    });
    let record = Send { partition: Some(1), ..plain(&topic) };
    assert!(producer.send(record, delivery).is_ok());
    let produced = hear.recv_timeout(PATIENCE).expect("told").expect("delivered");
    assert_eq!(produced, Produced { partition: 1, offset: 0 });
    assert_eq!(producer.in_flight(), 0);
}

#[test]
fn keys_go_where_java_sends_them() {
    let topic = topic("murmur", 8);
    let producer = cluster::producer(servers());
    // Java: (murmur2(key) & 0x7fffffff) % 8, computed with Kafka's own Utils.
    let went = Arc::new(Mutex::new(Vec::new()));
    for key in ["N12345", "payments", "a", "key-1", "0"] {
        let went = went.clone();
        let delivery: Delivery = Box::new(move |result| {
            let at = result.expect("delivered").partition;
            went.lock().expect("no panics").push((key, at));
        });
        let record = Send { partition: None, key: Some(key.as_bytes()), ..plain(&topic) };
        assert!(producer.send(record, delivery).is_ok());
    }
    producer.flush(PATIENCE).expect("flushed");
    let mut went = went.lock().expect("no panics").clone();
    went.sort_unstable();
    let mut expected: Vec<_> = ["N12345", "payments", "a", "key-1", "0"]
        .map(|key| (key, java_partition(key.as_bytes(), 8)))
        .into();
    expected.sort_unstable();
    assert_eq!(went, expected);
}

/// Kafka's murmur2 (seed 0x9747b28c), written from its definition.
fn java_partition(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(key.len()).expect("a short key");
    let mut hash = 0x9747_b28c ^ length;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from(hash & 0x7fff_ffff).expect("31 bits") % partitions
}

#[test]
fn a_full_queue_gives_the_record_back_and_room_comes_with_answers() {
    let topic = topic("full", 1);
    let small = properties_with(servers(), &[("buffer.memory", "65536"), ("linger.ms", "50")]);
    let producer = Producer::new(&small, "test").expect("a producer");
    let value = [1; 10_000];
    let (mut sent, mut full) = (0, 0);
    let mut delivery: Option<Delivery> = None;
    while sent < 100 {
        let record = Send { value: Some(&value), ..plain(&topic) };
        let next = delivery.take().unwrap_or_else(|| Box::new(|result| assert!(result.is_ok())));
        match producer.send(record, next) {
            Ok(()) => sent += 1,
            Err(SendError::Full(back)) => {
                full += 1;
                delivery = Some(back);
                assert!(producer.wait_for_room(PATIENCE));
            }
            Err(SendError::Refused(error)) => panic!("{error}"),
        }
    }
    producer.flush(PATIENCE).expect("flushed");
    assert!(full > 0, "a megabyte passed through 64 KiB without waiting");
    assert_eq!(producer.in_flight(), 0);
}

#[test]
fn what_can_never_be_sent_is_refused_or_fails_with_a_reason() {
    let topic = topic("never", 1);
    let producer = cluster::producer(servers());
    let huge = vec![0; 2_000_000];
    let record = Send { value: Some(&huge), ..plain(&topic) };
    let refused = producer.send(record, Box::new(|_| ()));
    assert!(matches!(&refused, Err(SendError::Refused(error)) if !error.may_retry()));
    let record = Send { headers: &[("a\0b", None)], ..plain(&topic) };
    assert!(matches!(producer.send(record, Box::new(|_| ())), Err(SendError::Refused(_))));
    assert_eq!(producer.in_flight(), 0);
}

#[test]
fn nobody_home_ends_flushing_at_its_deadline() {
    let producer = Producer::new(&properties("127.0.0.1:1"), "test").expect("a producer");
    assert!(producer.send(plain("t"), Box::new(|_| ())).is_ok());
    let error = producer.flush(Duration::from_millis(200)).expect_err("nobody answers");
    assert!(error.is_unreachable(), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[test]
fn a_reader_reads_from_where_it_was_told_and_says_when_it_is_through() {
    let topic = topic("reader", 2);
    fill(&topic, 0, 0..10);
    fill(&topic, 1, 0..4);
    let read = |from, partitions: Option<&[i32]>| {
        let mut reader = Reader::start(&properties(servers()), &topic, partitions, from, PATIENCE)
            .expect("a reader");
        let mut offsets = Vec::new();
        while !reader.is_at_end() {
            match reader.next(PATIENCE).expect("there is more") {
                ReaderItem::Record(at, record) => offsets.push((at.partition, record.offset)),
                ReaderItem::End(_) => {}
                ReaderItem::Failed(error) => panic!("{error}"),
            }
        }
        offsets.sort_unstable();
        offsets
    };
    assert_eq!(read(ReadFrom::Beginning, None).len(), 14);
    assert_eq!(read(ReadFrom::End, None), []);
    assert_eq!(read(ReadFrom::Offset(8), Some(&[0])), [(0, 8), (0, 9)]);
    assert_eq!(read(ReadFrom::Time(0), Some(&[1])).len(), 4);
    assert_eq!(read(ReadFrom::Time(i64::MAX / 2), None), []);
    let missing = Reader::start(
        &properties(servers()),
        &cluster::unique("missing"),
        None,
        ReadFrom::End,
        PATIENCE,
    );
    assert!(missing.expect_err("no such topic").to_string().contains("missing"));
}
