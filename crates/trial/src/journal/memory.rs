//! The journal of services in this process: read at any time, and waited on without sleeping.
//!
//! It holds every delivery, so it is for trials of some hundred thousand; longer ones use files.
//! Of whole requests only the last [`REQUESTS`] are kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::delivery::{Answered, Arrival, Delivery, Ended};
use crate::fence::Fence;

/// Whole requests that are kept.
const REQUESTS: usize = 64;
/// How long anything that will happen may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A condition is looked at no more often than this, for it may look at all deliveries.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    /// Up to the empty line.
    pub head: String,
    /// Names as they came, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = &mut self.headers.iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What all services that write into it saw. Clones are the same journal.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    fence: Fence,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    instances: usize,
    deliveries: Vec<Delivery>,
    requests: VecDeque<Request>,
    strays: usize,
}

impl Journal {
    /// The number of one more instance.
    pub(crate) fn enlist(&self) -> usize {
        let mut kept = self.kept();
        kept.instances += 1;
        kept.instances - 1
    }

    /// One for all its instances, as if they kept their state in one place.
    pub(crate) fn fence(&self) -> &Fence {
        &self.0.fence
    }

    pub(crate) fn begun(&self, instance: usize, what: Arrival) -> usize {
        self.change(|kept| {
            let started = clock::now();
            kept.deliveries.push(Delivery { instance, what, started, ended: None });
            kept.deliveries.len() - 1
        })
    }

    pub(crate) fn ended(&self, delivery: usize, answered: Answered) {
        self.change(|kept| {
            let ended = Ended { at: clock::now(), answered, told: true };
            kept.deliveries[delivery].ended = Some(ended);
        });
    }

    pub(crate) fn untold(&self, delivery: usize) {
        self.change(|kept| {
            if let Some(ended) = &mut kept.deliveries[delivery].ended {
                ended.told = false;
            }
        });
    }

    pub(crate) fn stray(&self) {
        self.change(|kept| kept.strays += 1);
    }

    pub(crate) fn keep(&self, request: Request) {
        let mut kept = self.kept();
        if kept.requests.len() == REQUESTS {
            kept.requests.pop_front();
        }
        kept.requests.push_back(request);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A test whose condition panicked must not take the services down with it.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let done = change(&mut self.kept());
        self.0.changed.notify_all();
        done
    }

    /// All deliveries so far, in the order in which they began.
    pub fn read(&self) -> Vec<Delivery> {
        self.kept().deliveries.clone()
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.kept().requests.iter().cloned().collect()
    }

    /// Requests so far that were no deliveries.
    pub fn strays(&self) -> usize {
        self.kept().strays
    }

    /// Deliveries that have begun.
    pub fn len(&self) -> usize {
        self.kept().deliveries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Partition and offset of all records that were accepted at least once.
    pub fn accepted(&self) -> BTreeSet<(i32, i64)> {
        let kept = self.kept();
        let accepted = kept.deliveries.iter().filter(|delivery| delivery.accepted().is_some());
        accepted.map(|delivery| (delivery.what.partition, delivery.what.offset)).collect()
    }

    /// Highest offset that was delivered, by partition.
    pub fn highest(&self) -> BTreeMap<i32, i64> {
        let mut highest = BTreeMap::new();
        for Delivery { what, .. } in &self.kept().deliveries {
            let entry = highest.entry(what.partition).or_insert(what.offset);
            *entry = what.offset.max(*entry);
        }
        highest
    }

    /// Waits until `ask` has an answer, at most a minute; then the test has failed.
    pub fn wait<T>(&self, what: &str, ask: impl FnMut(&[Delivery]) -> Option<T>) -> T {
        self.wait_for(PATIENCE, what, ask)
    }

    /// As [`Journal::wait`], within a time of the caller's.
    pub fn wait_for<T>(
        &self,
        time: Duration,
        what: &str,
        mut ask: impl FnMut(&[Delivery]) -> Option<T>,
    ) -> T {
        let end = Instant::now() + time;
        let mut kept = self.kept();
        loop {
            let asked = Instant::now();
            if let Some(answer) = ask(&kept.deliveries) {
                return answer;
            }
            let (again, expired) = self.changed_until(kept, end);
            assert!(!expired, "{what}: not within {time:?}");
            kept = again;
            while Instant::now() < asked + LOOK_AGAIN {
                kept = self.changed_until(kept, asked + LOOK_AGAIN).0;
            }
        }
    }

    /// Lets the services write until one has, or until `end`; then with true.
    fn changed_until<'a>(
        &self,
        kept: MutexGuard<'a, Kept>,
        end: Instant,
    ) -> (MutexGuard<'a, Kept>, bool) {
        let left = end.saturating_duration_since(Instant::now());
        let waited = self.0.changed.wait_timeout(kept, left);
        let (kept, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        (kept, waited.timed_out())
    }
}
