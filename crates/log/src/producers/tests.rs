//! The snapshot: Kafka's bytes, round trip, damage. The rules are tested through the log.

use proptest::prelude::*;

use super::*;

fn producers(sent: &[(i64, i16, i32, i64, i32)]) -> Producers {
    let mut producers = Producers::default();
    for &(id, epoch, last_sequence, last_offset, offset_delta) in sent {
        let sent = SentBatch { last_sequence, last_offset, offset_delta, seen_ms: 99 };
        producers.put(id, epoch, sent);
    }
    producers
}

#[test]
fn the_snapshot_is_in_kafkas_layout() {
    let bytes = producers(&[(1, 2, 3, 4, 5)]).encode();
    let mut body = vec![0, 0, 0, 1];
    body.extend_from_slice(&1i64.to_be_bytes());
    body.extend_from_slice(&2i16.to_be_bytes());
    body.extend_from_slice(&3i32.to_be_bytes());
    body.extend_from_slice(&4i64.to_be_bytes());
    body.extend_from_slice(&5i32.to_be_bytes());
    body.extend_from_slice(&99i64.to_be_bytes());
    body.extend_from_slice(&[0xff; 12]);
    assert_eq!(bytes[..2], [0, 1]);
    assert_eq!(bytes[2..6], crc32c::crc32c(&body).to_be_bytes());
    assert_eq!(bytes[6..], body);
}

#[test]
fn any_damaged_byte_is_seen() {
    let bytes = producers(&[(1, 2, 3, 4, 5), (1, 2, 9, 10, 5)]).encode();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(Producers::decode(&damaged), None, "byte {at}");
        assert_eq!(Producers::decode(&bytes[..at]), None, "cut at {at}");
    }
}

proptest! {
    #[test]
    fn snapshots_come_back(
        sent in prop::collection::vec((0..4i64, 0..2i16, any::<i32>(), any::<i64>(), any::<i32>()), 0..30),
    ) {
        let producers = producers(&sent);
        prop_assert_eq!(Producers::decode(&producers.encode()), Some(producers));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Producers::decode(&bytes);
    }
}
