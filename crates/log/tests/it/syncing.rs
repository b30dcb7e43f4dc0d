//! Group commit: what is acknowledged is synced, for many partitions and writers at once.

use std::sync::mpsc;
use std::time::Duration;

use forebay_log::{Durability, LogConfig, PartitionLog, Recovery, Syncer};

use crate::support::*;

const GROUP: Durability = Durability::Group { window: Duration::from_millis(2) };
const PATIENCE: Duration = Duration::from_secs(30);

fn syncer(durability: Durability) -> Syncer {
    Syncer::start(durability, |error| panic!("sync failed: {error}")).unwrap()
}

#[test]
fn an_append_becomes_visible_once_it_is_synced_and_the_waiter_is_told() {
    let dir = scratch();
    let syncer = syncer(GROUP);
    let (told, ends) = mpsc::sync_channel(1_000);
    let handle = syncer.partition(move |end| told.send(end).unwrap());
    let mut log =
        PartitionLog::open(dir.path(), tiny(), Recovery::Tail, handle.clone(), NOW).unwrap();
    for end in 1..=20 {
        append(&mut log, &["v"]);
        while ends.recv_timeout(PATIENCE).unwrap() < end {}
        assert_eq!(handle.synced_end(), end);
        assert_eq!(log.synced_end(), end);
    }
}

#[test]
fn many_writers_all_get_their_acknowledgement() {
    let syncer = syncer(GROUP);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (told, ends) = mpsc::sync_channel(1_000);
            let handle = syncer.partition(move |end| told.send(end).unwrap());
            scope.spawn(move || {
                let dir = scratch();
                let mut log =
                    PartitionLog::open(dir.path(), tiny(), Recovery::Tail, handle, NOW).unwrap();
                fill(&mut log, 200);
                let mut last = 0;
                while last < 200 {
                    let end = ends.recv_timeout(PATIENCE).unwrap();
                    assert!(end > last, "synced ends rise");
                    last = end;
                }
                assert_eq!(all(&log), numbered(0..200));
            });
        }
    });
}

#[test]
fn without_syncing_an_append_counts_at_once() {
    let dir = scratch();
    let syncer = syncer(Durability::Os);
    let handle = syncer.partition(|_| {});
    let mut log =
        PartitionLog::open(dir.path(), LogConfig::default(), Recovery::Tail, handle, NOW).unwrap();
    append(&mut log, &["a", "b"]);
    assert_eq!(log.synced_end(), 2);
}

#[test]
fn a_log_whose_syncer_is_gone_takes_no_appends() {
    let dir = scratch();
    let syncer = syncer(GROUP);
    let handle = syncer.partition(|_| {});
    let mut log =
        PartitionLog::open(dir.path(), LogConfig::default(), Recovery::Tail, handle, NOW).unwrap();
    append(&mut log, &["a"]);
    drop(syncer);
    assert_eq!(log.synced_end(), 1, "ending the syncer syncs what is dirty");
    assert!(log.append(&batch(&["b"]), 0, NOW).is_err());
}
