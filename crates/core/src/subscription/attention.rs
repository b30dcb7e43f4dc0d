//! Partitions that may want to commit, to fetch or to be released: one after another is looked at
//! until it wants nothing, and comes back when something has changed for it.
//!
//! A partition waits here once, however much has changed. What it wants is for itself to say
//! (`partition.rs`); what it may hold is a share of what all may.

use alloc::vec::Vec;

use crate::credit::{Credit, Load};
use crate::partition::Step;
use crate::record::{PartitionId, Record, Tenure};
use crate::time::Instant;

use super::{Output, Subscription};

impl<P: Clone> Subscription<P> {
    pub(super) fn poll_attention(&mut self, now: Instant) -> Option<Output<P>> {
        while let Some(&id) = self.attention.front() {
            let credit = self.credit();
            let Self { seats, rules, .. } = self;
            let partition = seats[id.0 as usize].partition.as_mut().expect("attention has one");
            let tenure = partition.tenure;
            match partition.next_step(now, credit, rules) {
                Some(Step::Commit(point)) => {
                    let state = partition.commit_sent(point, now, rules);
                    return Some(Output::Commit { partition: id, point, state });
                }
                Some(Step::Fetch(room)) => {
                    let open = partition.fetching.replace(room).unwrap_or_default();
                    self.taken = self.taken.minus(open).plus(room);
                    let (records, bytes) = (room.records, room.bytes);
                    return Some(Output::Fetch { partition: id, tenure, records, bytes });
                }
                Some(Step::Release) => {
                    let unsent = partition.unsent(rules);
                    self.remove(id, now);
                    return Some(Output::Released { partition: id, unsent });
                }
                None => {
                    let look = partition.next_look(now, rules);
                    if partition.is_short(credit) {
                        self.short.insert(id);
                    }
                    partition.attended = false;
                    self.attention.pop_front();
                    // Nearly every settled record asks for the look that is set already.
                    if look != partition.look {
                        let former = core::mem::replace(&mut partition.look, look);
                        former.map(|former| self.looks.remove(&(former, id)));
                        self.looks.extend(look.map(|look| (look, id)));
                    }
                }
            }
        }
        None
    }

    pub(super) fn fetched(&mut self, id: PartitionId, tenure: Tenure, records: Vec<Record<P>>) {
        assert!(!records.is_empty(), "a fetch is answered when there are records");
        let Some((partition, rules)) = self.tenured(id, tenure) else { return };
        let (before, held) = (partition.taken(), partition.load.records);
        partition.fetched(rules);
        let parked = match partition.is_draining() {
            true => Vec::new(),
            false => partition.take(records, rules),
        };
        let (after, now_held) = (partition.taken(), partition.load.records);
        self.held += now_held - held;
        self.taken = self.taken.minus(before).plus(after);
        self.park_heads(id, parked);
        self.queue_turn(id);
        self.consider(id);
        self.consider_short();
    }

    /// What a partition may hold.
    pub(super) fn credit(&self) -> Credit {
        let most = Load { records: self.rules.records_max, bytes: self.rules.bytes_max };
        Credit::share(most, self.assigned, self.taken, self.limiter.limit())
    }

    pub(super) fn consider_all(&mut self) {
        for index in 0..self.seats.len() {
            self.consider(PartitionId(index as u32));
        }
    }

    /// Some credit came back: for those that had none to take.
    pub(super) fn consider_short(&mut self) {
        while let Some(id) = self.short.pop_first() {
            self.consider(id);
        }
    }

    pub(super) fn consider(&mut self, id: PartitionId) {
        let Self { seats, attention, .. } = self;
        if let Some(partition) = &mut seats[id.0 as usize].partition
            && !partition.attended
        {
            partition.attended = true;
            attention.push_back(id);
        }
    }
}
