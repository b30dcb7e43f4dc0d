//! Header fields, walking, patching, and that no bytes make it panic.

use proptest::prelude::*;

use super::*;
use crate::{BatchBuilder, Producer, RecordHeader};

fn two_records() -> Vec<u8> {
    let producer = Producer { id: 7, epoch: 3, base_sequence: i32::MAX };
    let mut builder = BatchBuilder::new().producer(producer);
    builder.push(1000, Some(b"k"), Some(b"v"));
    let headers =
        [RecordHeader { name: "h", value: Some(b"x") }, RecordHeader { name: "n", value: None }];
    builder.push_with_headers(900, None, None, &headers);
    builder.build().expect("has records").to_vec()
}

fn head(bytes: &mut [u8]) -> (&mut [u8; HEADER_LEN], &[u8]) {
    let (head, records) = bytes.split_first_chunk_mut().expect("has a header");
    (head, records)
}

/// A batch that Kafka's Java producer would send for one record, assembled by hand from the
/// format's description: key "a", value "b", timestamp 1.
#[test]
fn the_layout_is_kafkas() {
    let mut builder = BatchBuilder::new();
    builder.push(1, Some(b"a"), Some(b"b"));
    let bytes = builder.build().expect("has a record");
    #[rustfmt::skip]
    let expected = [
        0, 0, 0, 0, 0, 0, 0, 0, // base offset
        0, 0, 0, 58, // length
        0xff, 0xff, 0xff, 0xff, // leader epoch
        2, // magic
    ];
    assert_eq!(bytes[..17], expected);
    #[rustfmt::skip]
    let expected = [
        0, 0, // attributes
        0, 0, 0, 0, // last offset delta
        0, 0, 0, 0, 0, 0, 0, 1, // base timestamp
        0, 0, 0, 0, 0, 0, 0, 1, // max timestamp
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // producer id
        0xff, 0xff, // producer epoch
        0xff, 0xff, 0xff, 0xff, // base sequence
        0, 0, 0, 1, // count
        16, 0, 0, 0, 2, b'a', 2, b'b', 0, // the record
    ];
    assert_eq!(bytes[21..], expected);
    assert_eq!(bytes[17..21], crc32c::crc32c(&expected).to_be_bytes());
}

#[test]
fn a_built_batch_reads_back() {
    let bytes = two_records();
    let batch = Batch::read(&bytes).expect("whole");
    batch.check_produced().expect("sound");
    let header = batch.header;
    assert_eq!((header.size(), header.count, header.last_offset()), (bytes.len(), 2, 1));
    assert_eq!((header.base_timestamp, header.max_timestamp), (1000, 1000));
    assert_eq!((header.producer_id, header.producer_epoch), (7, 3));
    assert_eq!(header.last_sequence(), 0, "sequences wrap to 0");
    let records: Vec<_> =
        batch.records().expect("plain").map(|record| record.expect("ok")).collect();
    assert_eq!((records[0].key, records[0].value), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!((records[1].offset, records[1].timestamp), (1, 900));
    assert_eq!((records[1].key, records[1].value), (None, None));
    assert_eq!(records[1].headers[0], RecordHeader { name: "h", value: Some(b"x") });
    assert_eq!(records[1].headers[1], RecordHeader { name: "n", value: None });
}

#[test]
fn placing_a_batch_leaves_its_checksum_true() {
    let mut bytes = two_records();
    patch_place(head(&mut bytes).0, 1 << 40, 12);
    let batch = Batch::read(&bytes).expect("whole");
    assert_eq!((batch.header.base_offset, batch.header.leader_epoch), (1 << 40, 12));
    batch.check_crc().expect("unchanged");
}

#[test]
fn stamping_a_batch_gives_every_record_the_brokers_time() {
    let mut bytes = two_records();
    let (header, records) = head(&mut bytes);
    patch_log_append_time(header, records, 5555);
    let batch = Batch::read(&bytes).expect("whole");
    batch.check_crc().expect("made true again");
    let mut records = batch.records().expect("plain");
    assert!(records.all(|record| record.expect("ok").timestamp == 5555));
}

#[test]
fn impossible_headers_are_named() {
    let with = |at: usize, bytes: &[u8]| {
        let mut batch = two_records();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        BatchHeader::read(&batch)
    };
    assert_eq!(with(16, &[1]), Err(BatchError::Magic(1)));
    assert_eq!(with(8, &48i32.to_be_bytes()), Err(BatchError::Length(48)));
    assert_eq!(with(8, &(-1i32).to_be_bytes()), Err(BatchError::Length(-1)));
    assert_eq!(with(0, &(-1i64).to_be_bytes()), Err(BatchError::Offset(-1)));
    assert_eq!(with(0, &i64::MAX.to_be_bytes()), Err(BatchError::Offset(i64::MAX)));
    let count = |count, last_offset_delta| Err(BatchError::Count { count, last_offset_delta });
    assert_eq!(with(57, &3i32.to_be_bytes()), count(3, 1));
    assert_eq!(with(23, &(-1i32).to_be_bytes()), count(2, -1));
    let short = &two_records()[..60];
    assert_eq!(BatchHeader::read(short), Err(BatchError::Incomplete { need: 61, have: 60 }));
}

#[test]
fn a_producer_must_give_every_offset_a_record_and_a_codec_that_exists() {
    let mut gap = two_records();
    gap[23..27].copy_from_slice(&5i32.to_be_bytes());
    let batch = Batch::read(&gap).expect("legal in a compacted log");
    assert_eq!(batch.check_produced(), Err(BatchError::Count { count: 2, last_offset_delta: 5 }));
    let mut codec = two_records();
    codec[22] = 5;
    assert_eq!(Batch::read(&codec).expect("whole").check_produced(), Err(BatchError::Codec(5)));
}

#[test]
fn any_flipped_bit_behind_the_checksum_is_seen() {
    let bytes = two_records();
    for at in ATTRIBUTES_AT..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        if let Ok(batch) = Batch::read(&damaged) {
            assert!(matches!(batch.check_crc(), Err(BatchError::Crc { .. })), "byte {at}");
        }
    }
}

#[test]
fn a_walk_ends_after_the_batch_that_was_cut_short() {
    let one = two_records();
    let bytes = [&one[..], &one[..], &one[..50]].concat();
    let walked: Vec<_> = Batches::new(&bytes).collect();
    assert_eq!(walked.len(), 3);
    assert!(walked[..2].iter().all(Result::is_ok));
    assert!(matches!(walked[2], Err(BatchError::Incomplete { have: 50, .. })));
}

#[test]
fn a_compressed_batch_says_so() {
    let mut bytes = two_records();
    bytes[22] = 4;
    let batch = Batch::read(&bytes).expect("whole");
    assert_eq!(batch.records().err(), Some(RecordError::Compressed(Codec::Zstd)));
}

fn walk(bytes: &[u8]) {
    for batch in Batches::new(bytes).map_while(Result::ok) {
        let _ = batch.check_produced();
        if let Ok(records) = batch.records() {
            let bound = bytes.len() + 2;
            assert!(records.take(bound).count() < bound);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        walk(&bytes);
    }

    #[test]
    fn a_batch_with_arbitrary_damage_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = two_records();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        walk(&bytes);
    }

    #[test]
    fn records_come_back(
        records in prop::collection::vec(
            (any::<i64>(), any::<Option<Vec<u8>>>(), any::<Option<Vec<u8>>>(), "[a-z]{0,5}"),
            1..20,
        ),
    ) {
        let mut builder = BatchBuilder::new();
        for (timestamp, key, value, name) in &records {
            let headers = [RecordHeader { name, value: key.as_deref() }];
            builder.push_with_headers(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let bytes = builder.build().expect("has records");
        let batch = Batch::read(&bytes).expect("whole");
        batch.check_produced().expect("sound");
        let read: Vec<_> = batch.records().expect("plain").map(|r| r.expect("ok")).collect();
        prop_assert_eq!(read.len(), records.len());
        for (offset, (read, (timestamp, key, value, name))) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset, offset as i64);
            prop_assert_eq!(read.timestamp, *timestamp);
            prop_assert_eq!(read.key, key.as_deref());
            prop_assert_eq!(read.value, value.as_deref());
            prop_assert_eq!(read.headers[0].name, name);
        }
    }
}
