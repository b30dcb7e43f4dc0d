//! Append and read; segments, epochs, times, log start, truncation, clean close.

use std::fs;

use forebay_log::{
    AppendError, EpochEnd, LogConfig, ReadError, Recovery, TimedOffset, TimestampType,
};
use forebay_wire::{Batch, BatchError};

use crate::support::*;

#[test]
fn an_empty_log_reads_as_empty_and_needs_no_file() {
    let dir = scratch();
    let log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.synced_end()), (0, 0, 0));
    assert!(log.read(0, 100, 0, true).unwrap().is_empty());
    log.close().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_batch_gets_the_next_offsets_and_the_leader_epoch_and_keeps_its_bytes() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    append(&mut log, &["a", "b"]);
    let sent = batch(&["c", "d", "e"]);
    let appended = log.append(&sent, 7, NOW).unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (2, 4));
    let stored = log.read(3, 1000, 5, true).unwrap();
    let header = Batch::read(&stored).unwrap().header;
    assert_eq!((header.base_offset, header.leader_epoch), (2, 7));
    assert_eq!(stored[16..], sent[16..]);
    assert_eq!(log.synced_end(), 5);
}

#[test]
fn a_read_begins_with_the_batch_that_contains_the_offset() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    append(&mut log, &["a", "b", "c"]);
    append(&mut log, &["d"]);
    for from in 0..3 {
        let bytes = log.read(from, 1, 4, true).unwrap();
        assert_eq!(records(&bytes).len(), 3, "from {from}");
    }
    assert_eq!(records(&log.read(3, 1, 4, true).unwrap()), [(3, "d".to_owned())]);
}

#[test]
fn a_read_keeps_to_its_bytes_and_its_end() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    fill(&mut log, 100);
    let one = batch(&["v10"]).len();
    assert!(log.read(10, one - 1, 100, false).unwrap().is_empty());
    assert_eq!(records(&log.read(10, one - 1, 100, true).unwrap()), numbered(10..11));
    assert_eq!(records(&log.read(10, 3 * one + 5, 100, true).unwrap()), numbered(10..13));
    assert_eq!(records(&log.read(10, usize::MAX, 100, true).unwrap()), numbered(10..100));
    assert_eq!(records(&log.read(10, usize::MAX, 57, true).unwrap()), numbered(10..57));
    assert!(log.read(10, usize::MAX, 10, true).unwrap().is_empty());
    append(&mut log, &["a", "b"]);
    assert!(log.read(100, usize::MAX, 101, true).unwrap().is_empty(), "half a batch is not shown");
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    fill(&mut log, 20);
    log.set_log_start_offset(5).unwrap();
    for offset in [-1, 0, 4, 21] {
        let error = log.read(offset, 1, 20, true).unwrap_err();
        assert!(matches!(error, ReadError::OutOfRange { start: 5, end: 20, .. }), "{error}");
    }
    assert!(log.read(20, 1, 20, true).unwrap().is_empty());
}

#[test]
fn what_a_producer_must_not_send_is_refused_and_changes_nothing() {
    let dir = scratch();
    let config = LogConfig { max_message_bytes: 200, ..LogConfig::default() };
    let mut log = open(dir.path(), config, Recovery::Tail);
    let good = batch(&["a"]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    let mut refuse = |bytes: &[u8]| log.append(bytes, 0, NOW).unwrap_err();
    assert!(matches!(refuse(&[]), AppendError::Corrupt(BatchError::Incomplete { .. })));
    assert!(matches!(refuse(&good[..65]), AppendError::Corrupt(BatchError::Incomplete { .. })));
    assert!(matches!(refuse(&with(16, 1)), AppendError::Corrupt(BatchError::Magic(1))));
    assert!(matches!(refuse(&with(65, 9)), AppendError::Corrupt(BatchError::Crc { .. })));
    assert!(matches!(refuse(&with(26, 5)), AppendError::Corrupt(BatchError::Count { .. })));
    assert!(matches!(refuse(&with(22, 0x20)), AppendError::Control));
    assert!(matches!(refuse(&with(22, 0x10)), AppendError::Transactional));
    let two = [good.as_ref(), good.as_ref()].concat();
    assert!(matches!(refuse(&two), AppendError::NotOneBatch(n) if n == good.len()));
    let large = batch(&["x".repeat(200).as_str()]);
    assert!(matches!(refuse(&large), AppendError::TooLarge { max: 200, .. }));
    assert_eq!(log.log_end_offset(), 0);
    assert_eq!(append(&mut log, &["a"]), 0);
}

#[test]
fn log_append_time_stamps_the_batch_and_keeps_its_checksum_true() {
    let dir = scratch();
    let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
    let mut log = open(dir.path(), config, Recovery::Tail);
    let appended = log.append(&timed_batch(&[(5, "a"), (6, "b")]), 0, NOW).unwrap();
    assert_eq!(appended.log_append_time, Some(NOW));
    let bytes = log.read(0, 1000, 2, true).unwrap();
    let batch = Batch::read(&bytes).unwrap();
    batch.check_crc().unwrap();
    assert!(batch.records().unwrap().all(|record| record.unwrap().timestamp == NOW));
}

#[test]
fn segments_roll_by_size_by_age_and_when_the_index_is_full() {
    let count = |dir: &std::path::Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|ext| ext == "log")).count()
    };
    let size = batch(&["v0"]).len() as u32;

    let dir = scratch();
    let config = LogConfig { segment_bytes: 2 * size, ..LogConfig::default() };
    fill(&mut open(dir.path(), config, Recovery::Tail), 6);
    assert_eq!(count(dir.path()), 3);

    let dir = scratch();
    let config = LogConfig { segment_ms: 10, ..LogConfig::default() };
    let mut log = open(dir.path(), config, Recovery::Tail);
    for now in [NOW, NOW + 9, NOW + 10, NOW + 20] {
        log.append(&batch(&["v"]), 0, now).unwrap();
    }
    assert_eq!(count(dir.path()), 3);

    let dir = scratch();
    let config =
        LogConfig { index_interval_bytes: 0, segment_index_bytes: 24, ..LogConfig::default() };
    fill(&mut open(dir.path(), config, Recovery::Tail), 20);
    assert!(count(dir.path()) > 4);
}

#[test]
fn a_closed_log_opens_as_it_was_with_and_without_trust() {
    for recovery in [Recovery::Trust, Recovery::Tail, Recovery::All] {
        let dir = scratch();
        let mut log = open(dir.path(), tiny(), Recovery::Tail);
        fill(&mut log, 50);
        log.close().unwrap();
        let mut log = open(dir.path(), tiny(), recovery);
        assert_eq!(log.recovered().damage, None);
        assert_eq!((log.log_end_offset(), log.synced_end()), (50, 50));
        fill(&mut log, 60);
        assert_eq!(all(&log), numbered(0..60), "{recovery:?}");
    }
}

#[test]
fn indexes_that_were_deleted_or_cut_are_rebuilt() {
    for recovery in [Recovery::Trust, Recovery::Tail] {
        let dir = scratch();
        let mut log = open(dir.path(), tiny(), Recovery::Tail);
        fill(&mut log, 50);
        log.close().unwrap();
        for (number, entry) in fs::read_dir(dir.path()).unwrap().enumerate() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ext| ext == "index" || ext == "timeindex") {
                if number % 2 == 0 { fs::remove_file(path) } else { fs::write(path, "odd") }
                    .unwrap();
            }
        }
        let log = open(dir.path(), tiny(), recovery);
        for from in 0..50 {
            let bytes = log.read(from, 1, 50, true).unwrap();
            assert_eq!(records(&bytes), numbered(from..from + 1));
        }
        assert_eq!(log.offset_for_time(NOW).unwrap().map(|found| found.offset), Some(0));
    }
}

#[test]
fn time_finds_the_first_record_that_is_late_enough() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    for batch in 0..20 {
        let base = batch * 30;
        let records = [(base + 10, "a"), (base, "b"), (base + 20, "c")];
        log.append(&timed_batch(&records), 0, NOW).unwrap();
    }
    let at = |offset, timestamp| Some(TimedOffset { offset, timestamp });
    assert_eq!(log.offset_for_time(-1).unwrap(), at(0, 10));
    assert_eq!(log.offset_for_time(10).unwrap(), at(0, 10));
    assert_eq!(log.offset_for_time(11).unwrap(), at(2, 20));
    for batch in 1..20 {
        assert_eq!(log.offset_for_time(batch * 30).unwrap(), at(3 * batch, batch * 30 + 10));
        assert_eq!(
            log.offset_for_time(batch * 30 + 15).unwrap(),
            at(3 * batch + 2, batch * 30 + 20)
        );
    }
    assert_eq!(log.offset_for_time(591).unwrap(), None);
    log.set_log_start_offset(5).unwrap();
    assert_eq!(log.offset_for_time(0).unwrap(), at(5, 50));
}

#[test]
fn an_epoch_ends_where_the_next_one_began() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    for (epoch, value) in [(2, "a"), (2, "b"), (5, "c"), (9, "d")] {
        log.append(&batch(&[value]), epoch, NOW).unwrap();
    }
    let check = |log: &forebay_log::PartitionLog| {
        let end = |epoch, end_offset| Some(EpochEnd { epoch, end_offset });
        assert_eq!(log.epoch_end_offset(1), None);
        assert_eq!(log.epoch_end_offset(2), end(2, 2));
        assert_eq!(log.epoch_end_offset(4), end(2, 2));
        assert_eq!(log.epoch_end_offset(5), end(5, 3));
        assert_eq!(log.epoch_end_offset(9), end(9, 4));
        assert_eq!(log.epoch_end_offset(10), None);
    };
    check(&log);
    drop(log);
    check(&open(dir.path(), tiny(), Recovery::Tail));
    fs::remove_file(dir.path().join("leader-epoch-checkpoint")).unwrap();
    check(&open(dir.path(), LogConfig::default(), Recovery::All));
}

#[test]
fn an_epoch_that_was_cut_off_was_never_there() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    for (epoch, value) in [(2, "a"), (2, "b"), (5, "c")] {
        log.append(&batch(&[value]), epoch, NOW).unwrap();
    }
    log.truncate(2, NOW).unwrap();
    assert_eq!(log.epoch_end_offset(5), None);
    assert_eq!(log.epoch_end_offset(2), Some(EpochEnd { epoch: 2, end_offset: 2 }));
    drop(log);
    let log = open(dir.path(), tiny(), Recovery::Tail);
    assert_eq!(log.epoch_end_offset(5), None);
}

#[test]
fn the_log_start_survives_a_crash_and_frees_whole_segments() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    fill(&mut log, 50);
    let before = log.size();
    assert_eq!(log.set_log_start_offset(33).unwrap(), 33);
    assert_eq!(log.set_log_start_offset(20).unwrap(), 33, "never goes back");
    assert!(log.size() < before / 2);
    assert_eq!(all(&log), numbered(33..50));
    drop(log);
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    assert_eq!(all(&log), numbered(33..50));
    assert_eq!(log.set_log_start_offset(99).unwrap(), 50, "never passes the end");
    assert_eq!(all(&log), []);
    drop(log);
    let mut log = open(dir.path(), tiny(), Recovery::Trust);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (50, 50));
    assert_eq!(append(&mut log, &["v50"]), 50);
}

#[test]
fn truncating_removes_the_batch_that_contains_the_offset_and_all_behind() {
    for offset in 0..50 {
        let dir = scratch();
        let mut log = open(dir.path(), tiny(), Recovery::Tail);
        fill(&mut log, 50);
        log.truncate(offset, NOW).unwrap();
        assert_eq!((log.log_end_offset(), log.synced_end()), (offset, offset));
        assert_eq!(all(&log), numbered(0..offset));
        fill(&mut log, 55);
        drop(log);
        assert_eq!(all(&open(dir.path(), tiny(), Recovery::All)), numbered(0..55));
    }
}
