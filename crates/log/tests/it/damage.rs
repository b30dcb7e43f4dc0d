//! Crashes, as what they leave: cut, overwritten and zeroed tails, at every byte.

use std::fs;
use std::path::{Path, PathBuf};

use forebay_log::{LogConfig, Recovery};

use crate::support::*;

/// A log of `end` records in one-record batches, as a killed process leaves it.
fn killed(dir: &Path, config: LogConfig, end: i64) {
    fill(&mut open(dir, config, Recovery::Tail), end);
}

fn last_segment(dir: &Path) -> PathBuf {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ext| ext == "log")).max().unwrap()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// First offset of the last segment, from its name.
fn base(segment: &Path) -> i64 {
    segment.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_tail_cut_at_any_byte_leaves_the_whole_batches_before_it() {
    let origin = scratch();
    killed(origin.path(), tiny(), 8);
    let segment = last_segment(origin.path());
    let bytes = fs::read(&segment).unwrap();
    let size = batch(&["v0"]).len();
    assert!(bytes.len() >= 2 * size);
    for len in 0..bytes.len() {
        let dir = scratch();
        copy(origin.path(), dir.path());
        fs::write(last_segment(dir.path()), &bytes[..len]).unwrap();
        let end = base(&segment) + (len / size) as i64;
        let mut log = open(dir.path(), tiny(), Recovery::Tail);
        assert_eq!(log.recovered().truncated_bytes, (len % size) as u64);
        assert_eq!(all(&log), numbered(0..end), "cut at {len}");
        fill(&mut log, 12);
        drop(log);
        assert_eq!(all(&open(dir.path(), tiny(), Recovery::All)), numbered(0..12));
    }
}

#[test]
fn a_damaged_byte_anywhere_cuts_the_log_there() {
    let origin = scratch();
    killed(origin.path(), tiny(), 8);
    let segment = last_segment(origin.path());
    let bytes = fs::read(&segment).unwrap();
    let size = batch(&["v0"]).len();
    for at in 0..bytes.len() {
        let dir = scratch();
        copy(origin.path(), dir.path());
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        fs::write(last_segment(dir.path()), &damaged).unwrap();
        let log = open(dir.path(), tiny(), Recovery::Tail);
        let found = all(&log);
        let whole = numbered(0..base(&segment) + (at / size) as i64);
        match at % size {
            // The low half of the base offset and the leader epoch lie outside the checksum:
            // where they stay possible they can't be told from true ones.
            4..8 | 12..16 => assert!(found.starts_with(&whole), "byte {at}"),
            _ => {
                assert!(log.recovered().damage.is_some(), "byte {at}");
                assert_eq!(found, whole, "byte {at}");
            }
        }
    }
}

#[test]
fn zeros_behind_the_end_are_cut_off() {
    let dir = scratch();
    killed(dir.path(), LogConfig::default(), 10);
    let segment = last_segment(dir.path());
    let mut bytes = fs::read(&segment).unwrap();
    bytes.resize(bytes.len() + 5000, 0);
    fs::write(&segment, &bytes).unwrap();
    let log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    assert_eq!(log.recovered().truncated_bytes, 5000);
    assert_eq!(all(&log), numbered(0..10));
}

#[test]
fn damage_in_an_old_segment_drops_all_later_ones() {
    let dir = scratch();
    killed(dir.path(), tiny(), 50);
    let mut segments: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "log"))
        .collect();
    segments.sort();
    let mut bytes = fs::read(&segments[2]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&segments[2], &bytes).unwrap();
    let mut log = open(dir.path(), tiny(), Recovery::All);
    let end = base(&segments[3]) - 1;
    assert_eq!(all(&log), numbered(0..end));
    fill(&mut log, end + 10);
    log.close().unwrap();
    assert_eq!(all(&open(dir.path(), tiny(), Recovery::Trust)), numbered(0..end + 10));
}

#[test]
fn a_crash_right_after_a_new_segment_was_begun_loses_nothing() {
    let dir = scratch();
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    fill(&mut log, 10);
    log.roll().unwrap();
    drop(log);
    assert_eq!(fs::metadata(last_segment(dir.path())).unwrap().len(), 0);
    let mut log = open(dir.path(), tiny(), Recovery::Tail);
    fill(&mut log, 15);
    assert_eq!(all(&log), numbered(0..15));
}

#[test]
fn a_clean_mark_on_a_log_that_was_cut_does_not_hide_the_damage() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    fill(&mut log, 10);
    log.close().unwrap();
    let segment = last_segment(dir.path());
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 3]).unwrap();
    let log = open(dir.path(), LogConfig::default(), Recovery::Trust);
    assert!(log.recovered().damage.is_some());
    assert_eq!(all(&log), numbered(0..9));
}

#[test]
fn a_log_that_lost_all_above_its_start_goes_on_at_its_start() {
    let dir = scratch();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    fill(&mut log, 10);
    log.set_log_start_offset(8).unwrap();
    drop(log);
    fs::write(last_segment(dir.path()), b"").unwrap();
    let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (8, 8));
    fill(&mut log, 10);
    assert_eq!(all(&log), numbered(8..10));
}

#[test]
fn a_cut_takes_the_recovery_point_back_with_it() {
    let cut_by_truncating = |dir: &Path| {
        open(dir, LogConfig::default(), Recovery::Trust).truncate(5, NOW).unwrap();
    };
    let cut_by_recovering = |dir: &Path| {
        let bytes = fs::read(last_segment(dir)).unwrap();
        fs::write(last_segment(dir), &bytes[..bytes.len() / 2]).unwrap();
        drop(open(dir, LogConfig::default(), Recovery::Tail));
    };
    for cut in [&cut_by_truncating as &dyn Fn(&Path), &cut_by_recovering] {
        let dir = scratch();
        let mut log = open(dir.path(), LogConfig::default(), Recovery::Tail);
        fill(&mut log, 10);
        log.close().unwrap();
        cut(dir.path());
        killed(dir.path(), LogConfig::default(), 10);
        let mut bytes = fs::read(last_segment(dir.path())).unwrap();
        let size = bytes.len() / 10;
        bytes[8 * size - 1] ^= 1;
        fs::write(last_segment(dir.path()), bytes).unwrap();
        assert_eq!(all(&open(dir.path(), LogConfig::default(), Recovery::Tail)), numbered(0..7));
    }
}

#[test]
fn arbitrary_small_files_are_an_error_or_ignored_but_never_a_panic() {
    for name in ["partition-checkpoint", "leader-epoch-checkpoint"] {
        for junk in [&b""[..], b"\xff\xfe", b"0\n9999999999\n", b"version 1\nlog-start x\n"] {
            let dir = scratch();
            killed(dir.path(), LogConfig::default(), 3);
            fs::write(dir.path().join(name), junk).unwrap();
            let sync = forebay_log::SyncHandle::immediate();
            let opened = forebay_log::PartitionLog::open(
                dir.path(),
                LogConfig::default(),
                Recovery::Tail,
                sync,
                NOW,
            );
            assert!(opened.is_err(), "{name} {junk:?}");
        }
    }
}
