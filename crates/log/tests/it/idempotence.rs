//! Idempotent producers: duplicates, gaps, fencing, expiry, restarts.

use forebay_log::{AppendError, LogConfig, PartitionLog, Recovery};

use crate::support::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn send(log: &mut PartitionLog, epoch: i16, sequence: i32) -> Result<(i64, bool), AppendError> {
    let appended = log.append(&produced(1, epoch, sequence, 2), 0, NOW)?;
    Ok((appended.base_offset, appended.duplicate))
}

#[test]
fn the_last_five_batches_are_known_again_and_a_sixth_is_out_of_order() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    for number in 0..6 {
        assert_eq!(send(&mut log, 0, number * 2).unwrap(), (i64::from(number) * 2, false));
    }
    for number in 1..6 {
        assert_eq!(send(&mut log, 0, number * 2).unwrap(), (i64::from(number) * 2, true));
    }
    let error = send(&mut log, 0, 0).unwrap_err();
    assert!(matches!(error, AppendError::OutOfOrderSequence { expected: 12, found: 0, .. }));
    assert_eq!(log.log_end_offset(), 12);
}

#[test]
fn the_table_of_sequences_and_epochs() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    // A producer that is not known may begin anywhere (KIP-360).
    assert_eq!(send(&mut log, 3, 10).unwrap(), (0, false));
    let gap = send(&mut log, 3, 13).unwrap_err();
    assert!(matches!(gap, AppendError::OutOfOrderSequence { expected: 12, found: 13, .. }));
    let old = send(&mut log, 2, 12).unwrap_err();
    assert!(matches!(old, AppendError::Fenced { current: 3, found: 2, .. }));
    let new = send(&mut log, 4, 12).unwrap_err();
    assert!(matches!(new, AppendError::OutOfOrderSequence { expected: 0, found: 12, .. }));
    assert_eq!(send(&mut log, 4, 0).unwrap(), (2, false));
    assert_eq!(send(&mut log, 4, 2).unwrap(), (4, false));
    // The same first sequence with another count is no duplicate.
    let other = log.append(&produced(1, 4, 2, 1), 0, NOW).unwrap_err();
    assert!(matches!(other, AppendError::OutOfOrderSequence { expected: 4, found: 2, .. }));
    for (epoch, sequence) in [(-1, 0), (0, -1)] {
        let error = log.append(&produced(9, epoch, sequence, 1), 0, NOW).unwrap_err();
        assert!(matches!(error, AppendError::NoSequence { producer_id: 9 }));
    }
}

#[test]
fn sequences_wrap_to_zero() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    assert_eq!(send(&mut log, 0, i32::MAX).unwrap(), (0, false));
    assert_eq!(send(&mut log, 0, 1).unwrap(), (2, false));
    assert_eq!(send(&mut log, 0, i32::MAX).unwrap(), (0, true));
}

#[test]
fn all_five_batches_are_known_after_a_crash_and_after_a_clean_restart() {
    for clean in [true, false] {
        for config in [tiny(), LogConfig::default()] {
            let dir = scratch();
            let mut log = open(dir.path(), config, Recovery::Tail);
            for number in 0..9 {
                send(&mut log, 0, number * 2).unwrap();
            }
            let recovery = if clean {
                log.close().unwrap();
                Recovery::Trust
            } else {
                drop(log);
                Recovery::Tail
            };
            let mut log = open(dir.path(), config, recovery);
            for number in 4..9 {
                let sent = send(&mut log, 0, number * 2).unwrap();
                assert_eq!(sent, (i64::from(number) * 2, true), "clean {clean}");
            }
            assert_eq!(send(&mut log, 0, 18).unwrap(), (18, false));
        }
    }
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_log() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    for number in 0..9 {
        send(&mut log, 0, number * 2).unwrap();
    }
    log.close().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "snapshot") {
            std::fs::write(path, b"\0\x01junk").unwrap();
        }
    }
    let mut log = open(dir.path(), tiny(), Recovery::Trust);
    assert_eq!(send(&mut log, 0, 16).unwrap(), (16, true));
}

#[test]
fn a_producer_is_forgotten_after_a_day_by_the_brokers_clock() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    send(&mut log, 5, 0).unwrap();
    let late = produced(1, 5, 7, 1);
    assert!(log.append(&late, 0, NOW + DAY - 1).is_err());
    let appended = log.append(&late, 0, NOW + DAY).unwrap();
    assert!(!appended.duplicate);
}

#[test]
fn a_truncated_batch_is_no_duplicate_any_more() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    for number in 0..9 {
        send(&mut log, 0, number * 2).unwrap();
    }
    log.truncate(16, NOW).unwrap();
    assert_eq!(send(&mut log, 0, 14).unwrap(), (14, true));
    assert_eq!(send(&mut log, 0, 16).unwrap(), (16, false));
}

#[test]
fn a_snapshot_from_beyond_a_cut_is_not_believed() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    for number in 0..9 {
        send(&mut log, 0, number * 2).unwrap();
    }
    log.close().unwrap();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Trust);
    log.truncate(10, NOW).unwrap();
    assert_eq!(send(&mut log, 0, 8).unwrap(), (8, true));
    assert_eq!(send(&mut log, 0, 10).unwrap(), (10, false));
}
