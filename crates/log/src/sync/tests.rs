//! What a failed sync and a cut log do to acknowledgements.

use std::os::fd::OwnedFd;
use std::sync::mpsc;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn group(on_failure: impl FnOnce(&io::Error) + Send + 'static) -> Syncer {
    Syncer::start(Durability::Group { window: Duration::from_millis(2) }, on_failure).unwrap()
}

/// A file that can't be synced, and the end that keeps it open.
fn unsyncable() -> (Arc<File>, io::PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    (Arc::new(File::from(OwnedFd::from(writer))), reader)
}

#[test]
fn a_failed_sync_is_told_once_and_nothing_is_acknowledged_any_more() {
    let (told, failures) = mpsc::sync_channel(1);
    let syncer = group(move |error| told.send(error.kind()).unwrap());
    let bad = syncer.partition(|end| panic!("{end} was not synced"));
    let good = syncer.partition(|end| panic!("{end} comes after the failure"));
    let (file, _open) = unsyncable();
    bad.appended(&file, 5);
    failures.recv_timeout(PATIENCE).expect("the failure is told");
    assert!(bad.has_failed() && good.has_failed() && !good.takes_appends());
    good.appended(&Arc::new(tempfile::tempfile().unwrap()), 7);
    drop(syncer);
    assert_eq!((bad.synced_end(), good.synced_end()), (0, 0));
    assert!(failures.recv().is_err(), "told once");
}

/// A partition whose syncer's thread never runs.
fn stalled() -> SyncHandle {
    let shared = Shared::new(Durability::Group { window: Duration::ZERO }, None);
    SyncHandle::new(Arc::new(shared), Box::new(|_| {}))
}

#[test]
fn a_sync_that_was_begun_before_a_cut_moves_nothing() {
    let handle = stalled();
    let file = Arc::new(tempfile::tempfile().unwrap());
    handle.appended(&file, 20);
    let begun = handle.point.take().expect("dirty");
    handle.reset(5);
    handle.point.publish(&begun);
    assert_eq!(handle.synced_end(), 5);
    handle.appended(&file, 20);
    handle.reset(5);
    assert!(handle.point.take().is_none());
    handle.appended(&file, 8);
    handle.point.publish(&handle.point.take().expect("dirty"));
    assert_eq!(handle.synced_end(), 8);
}

#[test]
fn rolling_and_closing_sync_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let handle = stalled();
    let config = crate::LogConfig::default();
    let tail = crate::Recovery::Tail;
    let mut log = crate::PartitionLog::open(dir.path(), config, tail, handle.clone(), 0).unwrap();
    let batch = forebay_wire::BatchBuilder::new().push(1, None, None).clone().build().unwrap();
    log.append(&batch, 0, 0).unwrap();
    assert_eq!(handle.synced_end(), 0);
    log.roll().unwrap();
    assert_eq!(handle.synced_end(), 1);
    log.append(&batch, 0, 0).unwrap();
    assert_eq!(handle.synced_end(), 1);
    log.close().unwrap();
    assert_eq!(handle.synced_end(), 2);
}

#[test]
fn a_partition_is_queued_once_for_each_round() {
    let handle = stalled();
    let file = Arc::new(tempfile::tempfile().unwrap());
    for end in 1..=100 {
        handle.appended(&file, end);
    }
    let dirty = handle.point.shared.gather(Duration::ZERO).expect("dirty");
    assert_eq!(dirty.len(), 1);
    assert_eq!(dirty[0].take().map(|pending| pending.end), Some(100));
}
