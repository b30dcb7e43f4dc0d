//! The books of one term: one process, one partition, from its assignment to its end.

use std::collections::BTreeMap;

use forebay_core::{
    BlockedState, CommitPoint, DeliveryId, EndpointId, Guarantee, ParkedLast, PartitionId, Record,
    Stuck, Tenure, Verdict,
};

use super::journal::{Lane, declines};
use super::{Opening, Queues, TermId};

#[derive(Debug)]
pub struct Term {
    pub id: TermId,
    pub process: usize,
    pub partition: PartitionId,
    pub generation: u64,
    pub opening: Opening,
    /// What the tenure has to be: above what was stored and above the process's last one, and no
    /// less than the wall clock.
    pub tenure: Tenure,
    /// Kafka acknowledged the tenure.
    pub claimed: bool,
    pub revoked_at: Option<u64>,
    pub over: bool,
    /// It is another's, whether or not its owner knows.
    pub lost: bool,
    pub since: u64,
    /// Keys that Kafka knows as parked, and how far.
    pub named: BTreeMap<u64, ParkedLast>,
    /// What was handed over, in order.
    pub entries: Vec<Entry>,
    /// How many of them, from the first on, are settled.
    pub prefix: usize,
    /// When that grew last.
    pub prefix_since: u64,
    /// Where the next record is read from the log.
    pub position: usize,
    /// Counts fetches; only the last one is open.
    pub fetches: u64,
    /// Unsettled records by lane, oldest first.
    pub queues: Queues,
    pub held: usize,
    pub held_bytes: usize,
    pub commits: Commits,
}

/// The commits of a term.
#[derive(Debug)]
pub struct Commits {
    pub out: Option<CommitPoint>,
    pub acknowledged: CommitPoint,
    /// A record was settled, or failed, since the last one was sent.
    pub news: bool,
    /// When the next one may be sent.
    pub free_at: u64,
}

/// A record that was handed over.
#[derive(Debug)]
pub struct Entry {
    pub offset: i64,
    /// Its index in the log.
    pub record: usize,
    pub bytes: usize,
    pub lane: Option<u64>,
    pub settled: bool,
    pub flight: Option<Flight>,
    /// The number of its last delivery.
    pub deliveries: u32,
    /// The same before this tenure.
    pub past: u32,
    /// Answers to it, none of them an accept, in order.
    pub trips: Vec<Trip>,
    /// Failures that the core says it charged.
    pub charged: u32,
    /// How many trips there were at the last charge, or when an operator forgave them.
    pub judged: usize,
    /// How many trips there were when an operator last forgave them.
    pub forgiven: usize,
    /// Trips that came before an operator renewed the budget: held against nobody.
    pub renewed: usize,
    /// What it waits for, as the core said last.
    pub seen: Option<BlockedState>,
    pub fate: Option<Fate>,
    /// Its dead letter is on the way to Kafka.
    pub letter_out: bool,
    /// Its copy is on the way to the park topic.
    pub park_out: bool,
}

/// A delivery that is out.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    pub endpoint: EndpointId,
    pub sent: u64,
    pub deadline: u64,
}

/// A delivery that ended without success.
#[derive(Clone, Copy, Debug)]
pub struct Trip {
    pub endpoint: EndpointId,
    pub answered: u64,
    pub verdict: Verdict,
    /// Its number among the answers of the process.
    pub heard: usize,
}

/// What becomes of a record that goes no further by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Letter,
    /// It makes room, with its key.
    Parked,
    Dropped,
    /// It had its only chance.
    Abandoned,
    Stuck(Stuck),
}

impl Entry {
    /// Target faults and back-pressure since the last other failure, or since an operator forgave
    /// what was before.
    pub fn declined(&self) -> usize {
        let trips = self.trips[self.forgiven..].iter().rev();
        trips.take_while(|trip| declines(trip.verdict)).count()
    }

    /// Whether it failed at more than one endpoint, but for back-pressure and target faults.
    pub fn failed_at_two(&self) -> bool {
        let mut at = self.trips.iter().filter(|trip| !declines(trip.verdict));
        let first = at.next().map(|trip| trip.endpoint);
        at.any(|trip| Some(trip.endpoint) != first)
    }
}

impl Term {
    pub(crate) fn new(
        process: usize,
        partition: PartitionId,
        generation: u64,
        opening: Opening,
        position: usize,
        now: u64,
    ) -> Self {
        let acknowledged = opening.start;
        let named = opening.stored.iter().flat_map(|stored| &stored.parked);
        let named = named.map(|row| (row.key, row.last)).collect();
        Self {
            id: TermId::MAX,
            process,
            partition,
            generation,
            tenure: Tenure(opening.wall_ms),
            opening,
            claimed: false,
            revoked_at: None,
            over: false,
            lost: false,
            since: now,
            named,
            entries: Vec::new(),
            prefix: 0,
            prefix_since: now,
            position,
            fetches: 0,
            queues: Queues::new(),
            held: 0,
            held_bytes: 0,
            commits: Commits { out: None, acknowledged, news: false, free_at: now },
        }
    }

    /// The furthest point that passes nothing unsettled.
    pub fn furthest(&self) -> CommitPoint {
        match self.entries.get(self.prefix) {
            Some(unsettled) => CommitPoint(unsettled.offset),
            None => self.opening.open_from(self.handed_end()),
        }
    }

    /// The end of what is settled without a hole.
    pub fn settled_end(&self) -> CommitPoint {
        match self.prefix.checked_sub(1) {
            Some(last) => CommitPoint(self.entries[last].offset + 1),
            None => self.opening.start,
        }
    }

    /// Deliveries that are out.
    pub fn flights(&self) -> usize {
        self.entries.iter().filter(|entry| entry.flight.is_some()).count()
    }

    pub fn index(&self, offset: i64) -> Option<usize> {
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()
    }

    /// The entry of a delivery, where that very delivery is out.
    pub fn out(&self, id: DeliveryId) -> Option<usize> {
        let index = self.index(id.offset.0)?;
        let entry = &self.entries[index];
        (entry.flight.is_some() && entry.deliveries == id.number).then_some(index)
    }

    /// The oldest unsettled record of a lane.
    pub fn head(&self, lane: u64) -> Option<&Entry> {
        self.queues.get(&lane)?.front().map(|index| &self.entries[*index])
    }

    /// The end of what was handed over.
    pub fn handed_end(&self) -> CommitPoint {
        self.entries.last().map_or(self.opening.start, |last| CommitPoint(last.offset + 1))
    }

    /// What ought to be committed by now.
    pub fn due_point(&self, guarantee: Guarantee) -> CommitPoint {
        match guarantee {
            Guarantee::AtLeastOnce => self.settled_end(),
            Guarantee::Automatic if self.revoked_at.is_some() => self.settled_end(),
            // What is not committed when it drains is the next owner's.
            Guarantee::AtMostOnce if self.revoked_at.is_some() => self.commits.acknowledged,
            Guarantee::AtMostOnce | Guarantee::Automatic => self.handed_end(),
        }
    }

    pub fn lane_of(&self, index: usize) -> Lane {
        let entry = &self.entries[index];
        (self.partition, entry.lane.ok_or(entry.offset))
    }

    pub(super) fn enter(&mut self, record: &Record<usize>, lane: Option<u64>) {
        let index = self.entries.len();
        let settled = self.opening.is_settled(record.offset);
        if !settled {
            if let Some(lane) = lane {
                self.queues.entry(lane).or_default().push_back(index);
            }
            self.held += 1;
            self.held_bytes += record.bytes;
        }
        self.position = record.payload + 1;
        let past = self.opening.past(record.offset).most(record.past);
        self.entries.push(Entry {
            offset: record.offset.0,
            record: record.payload,
            bytes: record.bytes,
            lane,
            settled,
            flight: None,
            deliveries: past.deliveries,
            past: past.deliveries,
            trips: Vec::new(),
            charged: past.charged,
            judged: 0,
            forgiven: 0,
            renewed: 0,
            seen: None,
            fate: None,
            letter_out: false,
            park_out: false,
        });
        self.pass_settled(self.prefix_since);
    }

    fn pass_settled(&mut self, now: u64) {
        while self.entries.get(self.prefix).is_some_and(|entry| entry.settled) {
            self.prefix += 1;
            self.prefix_since = now;
        }
    }

    pub(super) fn settle(&mut self, index: usize, now: u64) {
        let entry = &mut self.entries[index];
        entry.settled = true;
        self.held -= 1;
        self.held_bytes -= entry.bytes;
        if let Some(queue) = entry.lane.and_then(|lane| self.queues.get_mut(&lane)) {
            queue.retain(|queued| *queued != index);
        }
        self.commits.news = true;
        self.pass_settled(now);
    }
}
