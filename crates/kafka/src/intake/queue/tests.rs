use std::sync::atomic::AtomicUsize;

use super::*;

const HIGH: Mark = Mark { records: 4, bytes: usize::MAX };

fn queue() -> (PartitionQueue, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let counter = told.clone();
    let room = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (PartitionQueue::new(TopicPartition::new("t", 0), room), told)
}

fn records(offsets: std::ops::Range<i64>) -> Vec<Record> {
    offsets.map(|offset| Record::new(offset, 0, None, Some(b"v"), std::iter::empty())).collect()
}

fn take(queue: &PartitionQueue, max_records: usize, max_bytes: usize) -> Vec<i64> {
    let mut taken = Vec::new();
    assert_eq!(queue.take(max_records, max_bytes, &mut taken), taken.len());
    taken.iter().map(|record| record.offset).collect()
}

#[test]
fn records_come_out_in_the_order_they_went_in() {
    let (queue, _) = queue();
    queue.fill(&mut records(0..3), HIGH);
    queue.fill(&mut records(3..5), HIGH);
    assert_eq!(take(&queue, 2, usize::MAX), [0, 1]);
    assert_eq!(take(&queue, 9, usize::MAX), [2, 3, 4]);
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
}

#[test]
fn bytes_bound_what_is_taken_but_one_large_record_goes_alone() {
    let (queue, _) = queue();
    let size = records(0..1)[0].size();
    queue.fill(&mut records(0..4), HIGH);
    assert_eq!(take(&queue, 9, 2 * size), [0, 1]);
    assert_eq!(take(&queue, 9, 1), [2]);
    assert_eq!(take(&queue, 0, usize::MAX), [] as [i64; 0]);
}

#[test]
fn the_worker_is_woken_once_for_each_time_it_found_nothing() {
    let (queue, _) = queue();
    assert!(queue.fill(&mut records(0..2), HIGH).wake);
    assert!(!queue.fill(&mut records(2..3), HIGH).wake);
    take(&queue, 1, usize::MAX);
    assert!(!queue.fill(&mut records(3..4), HIGH).wake, "something was left behind");
    take(&queue, 9, usize::MAX);
    assert!(!queue.fill(&mut records(4..5), HIGH).wake, "what was taken lasts for a while");
    take(&queue, 9, usize::MAX);
    take(&queue, 9, usize::MAX);
    assert!(queue.is_wanted() && queue.fill(&mut records(5..6), HIGH).wake);
    assert!(!queue.is_wanted());
}

#[test]
fn the_poll_thread_is_told_once_that_there_is_room() {
    let (queue, told) = queue();
    assert!(!queue.fill(&mut records(0..3), HIGH).full);
    assert!(queue.fill(&mut records(3..4), HIGH).full);
    assert!(queue.choke(Mark { records: 2, bytes: usize::MAX }));
    take(&queue, 1, usize::MAX);
    assert_eq!(told.load(Ordering::Relaxed), 0);
    take(&queue, 1, usize::MAX);
    take(&queue, 1, usize::MAX);
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn choking_a_queue_that_was_emptied_meanwhile_says_so() {
    let (queue, _) = queue();
    queue.fill(&mut records(0..4), HIGH);
    take(&queue, 4, usize::MAX);
    assert!(!queue.choke(Mark { records: 2, bytes: usize::MAX }));
}

#[test]
fn a_closed_queue_gives_and_takes_nothing() {
    let (queue, _) = queue();
    queue.fill(&mut records(0..4), HIGH);
    queue.close();
    assert_eq!(queue.fill(&mut records(4..5), HIGH), Filled { wake: false, full: false });
    assert_eq!(take(&queue, 9, usize::MAX), [] as [i64; 0]);
    assert!(queue.is_closed() && queue.is_empty());
}
