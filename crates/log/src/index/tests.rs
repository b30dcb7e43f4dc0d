//! Kafka's bytes, and that a file which can't be true is not believed.

use forebay_wire::{Batch, BatchBuilder};

use super::*;

/// Header of a batch of two records that begins at `base_offset`.
fn header(base_offset: i64, timestamp: i64) -> BatchHeader {
    let mut builder = BatchBuilder::new();
    builder.push(timestamp, None, None).push(timestamp, None, None);
    let bytes = builder.build().expect("has records");
    BatchHeader { base_offset, ..Batch::read(&bytes).expect("whole").header }
}

#[test]
fn entries_are_in_kafkas_layout() {
    let dir = tempfile::tempdir().unwrap();
    let [offsets, times] = [dir.path().join("index"), dir.path().join("timeindex")];
    let mut index = Index::new(100);
    let size = header(100, 0).size() as u64;
    for (number, timestamp) in [50, 70, 60, 80].into_iter().enumerate() {
        let number = number as u64;
        index.note(&header(100 + 2 * number as i64, timestamp), number * size, 1);
    }
    index.write([&offsets, &times]).unwrap();
    let entry = |relative: u32, position: u64| {
        [relative.to_be_bytes(), (position as u32).to_be_bytes()].concat()
    };
    let expected = [entry(3, size), entry(5, 2 * size), entry(7, 3 * size)].concat();
    assert_eq!(std::fs::read(&offsets).unwrap(), expected);
    let entry = |timestamp: i64, relative: u32| {
        [&timestamp.to_be_bytes()[..], &relative.to_be_bytes()].concat()
    };
    // The third batch is older than the second and has no entry of its own.
    assert_eq!(std::fs::read(&times).unwrap(), [entry(70, 3), entry(80, 7)].concat());

    let stored = Index::open(100, [&offsets, &times], 4 * size).unwrap().expect("can be true");
    assert_eq!(stored.max_timestamp(), 80);
    assert_eq!(stored.position_of(102).unwrap(), 0);
    assert_eq!(stored.position_of(103).unwrap(), size);
    assert_eq!(stored.position_of(i64::MAX).unwrap(), 3 * size);
    assert_eq!(stored.position_before(2 * size + 1).unwrap(), 2 * size);
    assert_eq!(stored.position_of_time(71).unwrap(), size);
    assert_eq!(stored.position_of_time(70).unwrap(), 0);

    let shorter = Index::open(100, [&offsets, &times], 3 * size).unwrap();
    assert!(shorter.is_none(), "an entry points behind the log");
}
