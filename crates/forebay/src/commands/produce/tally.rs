//! What became of the records that were sent. Counted on the producer's thread, read on ours.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use forebay_kafka::{Delivery, KafkaError};

#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    /// Of keys and values that were acknowledged.
    bytes: AtomicU64,
    failed: AtomicU64,
    /// With the line of its record.
    first_failure: Mutex<Option<(u64, KafkaError)>>,
}

impl Tally {
    /// What the producer is to call for the record of this line.
    pub(super) fn delivery(tally: &Arc<Self>, line: u64, bytes: u64) -> Delivery {
        let tally = tally.clone();
        Box::new(move |result| match result {
            Ok(_) => {
                tally.bytes.fetch_add(bytes, Ordering::Relaxed);
                tally.acknowledged.fetch_add(1, Ordering::Release);
            }
            Err(error) => {
                let mut first =
                    tally.first_failure.lock().expect("nothing that holds the lock panics");
                if first.as_ref().is_none_or(|(earlier, _)| line < *earlier) {
                    *first = Some((line, error));
                }
                drop(first);
                tally.failed.fetch_add(1, Ordering::Release);
            }
        })
    }

    /// Counts a record that the producer took.
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Acquire)
    }

    /// Of those that failed, the one that was first in the input.
    pub(super) fn first_failure(&self) -> Option<(u64, KafkaError)> {
        self.first_failure.lock().expect("nothing that holds the lock panics").clone()
    }

    pub(super) fn unanswered(&self) -> u64 {
        let answered = self.acknowledged() + self.failed();
        self.sent.load(Ordering::Relaxed).saturating_sub(answered)
    }
}
