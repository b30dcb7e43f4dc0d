//! The side that the gateway's worker has: it is woken, takes events and records, and waits for
//! nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_kafka::{
    Assigned, Commit, Intake, IntakeConfig, IntakeEvent, PartitionQueue, Record, StartPolicy,
    TopicPartition,
};

use crate::cluster::{PATIENCE, properties_with, servers};

pub(crate) fn config(topic: &str, group: &str) -> IntakeConfig {
    IntakeConfig {
        // A member hears of a rebalance by its heartbeat.
        properties: properties_with(servers(), &[("heartbeat.interval.ms", "200")]),
        topics: vec![topic.to_owned()],
        group: group.to_owned(),
        instance_id: None,
        from_beginning: Vec::new(),
        start: StartPolicy::Earliest,
        records_max: 20_000,
        bytes_max: 64 << 20,
        drain: Duration::from_secs(10),
        keeps_book: true,
        committed_for: None,
        kin: None,
    }
}

pub(crate) struct Worker {
    pub(crate) intake: Intake,
    woken: Receiver<()>,
    pub(crate) owned: BTreeMap<i32, Owned>,
    /// Events that nobody asked for yet.
    pub(crate) events: VecDeque<IntakeEvent>,
}

/// A partition that the worker has, with what it took of it.
pub(crate) struct Owned {
    pub(crate) assigned: Assigned,
    pub(crate) taken: Vec<Record>,
}

impl Owned {
    pub(crate) fn queue(&self) -> &Arc<PartitionQueue> {
        &self.assigned.queue
    }

    pub(crate) fn offsets(&self) -> Vec<i64> {
        self.taken.iter().map(|record| record.offset).collect()
    }
}

impl Worker {
    pub(crate) fn start(config: IntakeConfig) -> Self {
        let (wake, woken) = sync_channel(1);
        let wake = Mutex::new(wake);
        let waker = Arc::new(move || {
            // One call that waits is enough; and the test may be over.
            let _ = wake.lock().expect("no panics in here").try_send(());
        });
        let intake = Intake::start(config, waker).expect("an intake");
        Self { intake, woken, owned: BTreeMap::new(), events: VecDeque::new() }
    }

    /// Waits to be woken, then keeps book of assignments; other events are kept in order.
    pub(crate) fn step(&mut self, wait: Duration) {
        if self.woken.recv_timeout(wait).is_err() {
            return;
        }
        while self.woken.try_recv().is_ok() {}
        while let Some(event) = self.intake.next_event() {
            match event {
                IntakeEvent::Assigned(assigned) => {
                    let number = assigned.partition.partition;
                    self.owned.insert(number, Owned { assigned, taken: Vec::new() });
                }
                other => self.events.push_back(other),
            }
        }
    }

    /// Steps until something holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "not so in time: {what}; events {:?}", self.events);
            self.step(Duration::from_millis(100));
        }
    }

    /// Gives a partition back.
    pub(crate) fn release(&mut self, partition: TopicPartition) {
        self.owned.remove(&partition.partition);
        self.intake.release(partition);
    }

    pub(crate) fn until_assigned(&mut self, partitions: usize) {
        self.until(&format!("{partitions} partitions are assigned"), |worker| {
            worker.owned.len() >= partitions
        });
    }

    /// Takes all there is of a partition, without waiting: until there is nothing, for only then
    /// does the queue wake for more.
    pub(crate) fn take(&mut self, partition: i32) -> usize {
        let Some(owned) = self.owned.get_mut(&partition) else { return 0 };
        let before = owned.taken.len();
        while owned.assigned.queue.take(usize::MAX, usize::MAX, &mut owned.taken) > 0 {}
        owned.taken.len() - before
    }

    /// Takes until so many records of a partition were taken in all.
    pub(crate) fn until_taken(&mut self, partition: i32, records: usize) {
        self.until(&format!("{records} records of partition {partition}"), |worker| {
            worker.take(partition);
            worker.owned.get(&partition).is_some_and(|owned| owned.taken.len() >= records)
        });
    }

    /// The first kept event that is wanted, or the next that comes.
    pub(crate) fn until_event<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&IntakeEvent) -> Option<T>,
    ) -> T {
        let mut found = None;
        self.until(what, |worker| {
            let at = worker.events.iter().position(|event| {
                found = wanted(event);
                found.is_some()
            });
            if let Some(at) = at {
                worker.events.remove(at);
            }
            at.is_some()
        });
        found.expect("until() ends when it was found")
    }

    pub(crate) fn named(&self, partition: i32) -> TopicPartition {
        self.owned[&partition].assigned.partition.clone()
    }

    pub(crate) fn commit(&self, partition: i32, offset: i64, metadata: &str) {
        let partition = self.named(partition);
        self.intake.commit([Commit { partition, offset, metadata: metadata.to_owned() }]);
    }

    pub(crate) fn until_committed(&mut self, partition: i32, offset: i64) {
        self.until_event(&format!("offset {offset} of {partition} is committed"), |event| {
            match event {
                IntakeEvent::Committed { partition: of, offset: at } => {
                    (of.partition == partition && *at == offset).then_some(())
                }
                IntakeEvent::CommitFailed { error, .. } => panic!("{error}"),
                _ => None,
            }
        });
    }

    pub(crate) fn close(self) {
        assert!(self.intake.close(PATIENCE), "the intake closes in time");
    }
}
