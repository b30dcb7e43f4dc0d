//! Batches and logs in a few words.

use std::path::Path;

use bytes::Bytes;
use forebay_log::{LogConfig, PartitionLog, Recovery, SyncHandle};
use forebay_wire::{BatchBuilder, Batches, Producer};

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// A directory for one test: in memory where the system has such a place, because these tests
/// sync often and never cut the power.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
        .expect("a temporary directory")
}

/// Segments of a few batches, and an index entry for every other batch.
pub(crate) fn tiny() -> LogConfig {
    LogConfig { segment_bytes: 400, index_interval_bytes: 100, ..LogConfig::default() }
}

pub(crate) fn open(dir: &Path, config: LogConfig, recovery: Recovery) -> PartitionLog {
    PartitionLog::open(dir, config, recovery, SyncHandle::immediate(), NOW).expect("opens")
}

/// One batch with a record for each value.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    timed_batch(&values.iter().map(|value| (NOW, *value)).collect::<Vec<_>>())
}

pub(crate) fn timed_batch(records: &[(i64, &str)]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (timestamp, value) in records {
        builder.push(*timestamp, None, Some(value.as_bytes()));
    }
    builder.build().expect("has records")
}

pub(crate) fn produced(id: i64, epoch: i16, base_sequence: i32, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new().producer(Producer { id, epoch, base_sequence });
    for _ in 0..count {
        builder.push(NOW, None, Some(b"x"));
    }
    builder.build().expect("has records")
}

pub(crate) fn append(log: &mut PartitionLog, values: &[&str]) -> i64 {
    log.append(&batch(values), 0, NOW).expect("appends").base_offset
}

/// (offset, value) of every record in these bytes.
pub(crate) fn records(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.expect("whole batch");
        batch.check_crc().expect("true checksum");
        for record in batch.records().expect("uncompressed") {
            let record = record.expect("well formed");
            let value = record.value.expect("has a value");
            all.push((record.offset, String::from_utf8(value.to_vec()).expect("text")));
        }
    }
    all
}

/// Every record of the log, read batch by batch.
pub(crate) fn all(log: &PartitionLog) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut from = log.log_start_offset();
    loop {
        let bytes = log.read(from, 1, log.log_end_offset(), true).expect("reads");
        let Some((last, _)) = records(&bytes).last().cloned() else { return found };
        found.extend(records(&bytes).into_iter().filter(|(offset, _)| *offset >= from));
        from = last + 1;
    }
}

pub(crate) fn numbered(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|offset| (offset, format!("v{offset}"))).collect()
}

/// Appends records `v0`, `v1`, … up to `end`, a batch for each.
pub(crate) fn fill(log: &mut PartitionLog, end: i64) {
    while log.log_end_offset() < end {
        let value = format!("v{}", log.log_end_offset());
        append(log, &[&value]);
    }
}
