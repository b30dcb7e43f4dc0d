//! The reference: plain books of what was handed over, sent, answered and stored.
//!
//! It follows the delivery contract by the simplest means: an answer counts if it is the first to
//! the delivery that is out and comes before its deadline; an accept settles, and so do a dead
//! letter that Kafka has, a drop by rule, an operator's word, and at most once any answer after
//! which the record may have been processed. It knows lanes and offsets and no machine of the core.

use std::collections::{BTreeMap, VecDeque};

use forebay_core::{
    Answer, CommitPoint, CommitState, DeliveryId, EndpointId, Offset, Order, PartitionId, Past,
    Record, Rewinds, Rules, Tenure, UnknownCause, Verdict,
};

pub mod journal;
pub mod judgement;
pub mod office;
pub mod term;

pub use journal::Journal;
pub use judgement::Judgement;
pub use office::{Ends, Office};
pub use term::{Entry, Fate, Flight, Term, Trip};

/// Names a term for ever.
pub type TermId = usize;

/// The books of one world.
#[derive(Debug)]
pub struct Model {
    pub rules: Rules,
    /// Virtual time in microseconds.
    pub now: u64,
    pub terms: Vec<Term>,
    /// The books of each process since it was started last.
    pub offices: Vec<Office>,
    /// The loosest of the bounds on records and bytes that were ever in force.
    pub held_max: (usize, usize),
    /// For each partition and record: whether a service ever finished it with an accept, Kafka
    /// ever had its dead letter, or it was dropped or skipped.
    pub done: Vec<Vec<bool>>,
    /// Of each partition of the park topic, which are numbered after the others: where each record
    /// is from.
    pub parks: Vec<Vec<Copied>>,
    /// For each partition and record: whether Kafka ever had a copy of it in the park topic.
    pub copied: Vec<Vec<bool>>,
    /// For each partition that can be parked and record: the one before it of the same key.
    pub before: Vec<Vec<Option<usize>>>,
    /// What a new owner knows of the last one was lost, or its deadlines are not the last one's.
    pub waits_in_vain: bool,
    /// How many records break their service, where nothing else happens to it and there is always
    /// something new to send.
    pub breakers: Option<u32>,
    /// For each partition and record: whether it was ever sent, and not certainly in vain.
    pub chance_taken: Vec<Vec<bool>>,
}

/// A record of the park topic: which one it is a copy of, and who wrote it when.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    pub partition: PartitionId,
    pub record: usize,
    pub tenure: Tenure,
    pub at: u64,
}

fn before(keys: &[Option<u64>], order: Order) -> Vec<Option<usize>> {
    let mut last = BTreeMap::new();
    let keys = keys.iter().enumerate();
    let before = keys.map(|(record, key)| {
        let key = key.filter(|_| order == Order::Key)?;
        last.insert(key, record)
    });
    before.collect()
}

/// How the contract reads an answer that has just come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It changes nothing.
    Inert,
    Counts,
}

impl Model {
    /// `keys`: of the records of each partition; `park`: partitions of the park topic.
    pub(crate) fn new(
        rules: Rules,
        processes: usize,
        keys: Vec<Vec<Option<u64>>>,
        park: usize,
    ) -> Self {
        let offices = (0..processes).map(|_| Office::new(keys.len() + park)).collect();
        let mut none: Vec<_> = keys.iter().map(|records| vec![false; records.len()]).collect();
        none.extend((0..park).map(|_| Vec::new()));
        let held_max = (rules.records_max, rules.bytes_max);
        let before = keys.iter().map(|keys| before(keys, rules.order)).collect();
        Self {
            rules,
            now: 0,
            terms: Vec::new(),
            offices,
            held_max,
            done: none.clone(),
            parks: vec![Vec::new(); park],
            copied: none.clone(),
            before,
            waits_in_vain: false,
            breakers: None,
            chance_taken: none,
        }
    }

    /// What is in a partition, where it is one of the park topic.
    pub fn park(&self, partition: PartitionId) -> Option<&[Copied]> {
        let sources = self.copied.len() - self.parks.len();
        let index = (partition.0 as usize).checked_sub(sources)?;
        Some(&self.parks[index])
    }

    /// Whether nothing is open: not at work, not on its way, not to be committed.
    pub fn is_quiet(&self) -> bool {
        let mut terms = self.offices.iter().flat_map(|office| office.terms.iter().flatten());
        terms.all(|term| {
            let term = &self.terms[*term];
            let point = term.due_point(self.rules.guarantee);
            term.held == 0 && term.claimed && point <= term.commits.acknowledged
        })
    }

    /// Where a record is from: its partition and its number there.
    pub fn origin(&self, partition: PartitionId, record: usize) -> (PartitionId, usize) {
        match self.park(partition) {
            Some(copies) => (copies[record].partition, copies[record].record),
            None => (partition, record),
        }
    }

    /// A record reached its end, and so did the one that it is a copy of.
    pub(crate) fn is_done(&mut self, partition: PartitionId, record: usize) {
        self.done[partition.0 as usize][record] = true;
        let (partition, record) = self.origin(partition, record);
        self.done[partition.0 as usize][record] = true;
    }

    /// Kafka has a copy in the park topic; returns the partition's number there.
    pub(crate) fn copy(&mut self, to: usize, copied: Copied) -> PartitionId {
        let sources = self.copied.len() - self.parks.len();
        self.copied[copied.partition.0 as usize][copied.record] = true;
        self.parks[to].push(copied);
        self.done[sources + to].push(false);
        self.copied[sources + to].push(false);
        self.chance_taken[sources + to].push(false);
        PartitionId((sources + to) as u32)
    }

    pub(crate) fn rules_change(&mut self, rules: &Rules) {
        let (records, bytes) = self.held_max;
        self.held_max = (records.max(rules.records_max), bytes.max(rules.bytes_max));
        self.rules = rules.clone();
        self.waits_in_vain = true;
        self.offices.iter_mut().for_each(|office| office.sends.clear());
    }

    /// The term that a process has over a partition now.
    pub fn term(&self, process: usize, partition: PartitionId) -> Option<&Term> {
        self.offices[process].terms[partition.0 as usize].map(|id| &self.terms[id])
    }

    pub fn term_mut(&mut self, process: usize, partition: PartitionId) -> Option<&mut Term> {
        self.offices[process].terms[partition.0 as usize].map(|id| &mut self.terms[id])
    }

    /// The terms that a process has now.
    pub fn terms_of(&self, process: usize) -> impl Iterator<Item = &Term> {
        self.offices[process].terms.iter().flatten().map(|id| &self.terms[*id])
    }

    pub(crate) fn assign(&mut self, process: usize, mut term: Term) -> TermId {
        let id = self.terms.len();
        let office = &mut self.offices[process];
        let partition = term.partition.0 as usize;
        assert!(office.terms[partition].is_none(), "the world assigns what is free");
        term.id = id;
        let stored = term.opening.stored.as_ref().map(|stored| stored.tenure);
        let last = office.last_tenure[partition].max(stored);
        term.tenure = term.tenure.max(last.map_or(term.tenure, |last| Tenure(last.0 + 1)));
        office.last_tenure[partition] = Some(term.tenure);
        office.terms[partition] = Some(id);
        self.terms.push(term);
        id
    }

    /// The term is over: released, lost or crashed. What it had is off the books.
    pub(crate) fn end_term(&mut self, process: usize, partition: PartitionId) {
        let Some(id) = self.offices[process].terms[partition.0 as usize].take() else { return };
        let term = &mut self.terms[id];
        term.over = true;
        let office = &mut self.offices[process];
        office.flights -= term.flights();
        office.troubled.retain(|(of, _)| *of != id);
    }

    pub(crate) fn hand_over(&mut self, term: TermId, records: &[Record<usize>]) {
        let order = self.rules.order;
        let term = &mut self.terms[term];
        for record in records {
            let lane = match order {
                Order::Key => record.key,
                Order::Partition => Some(0),
                Order::None => None,
            };
            term.enter(record, lane);
        }
    }

    pub(crate) fn sent(&mut self, process: usize, id: DeliveryId, endpoint: EndpointId) {
        let (now, deadline) = (self.now, self.now + self.rules.deadline.as_micros() as u64);
        let office = &mut self.offices[process];
        office.sent_to(endpoint, now);
        office.sends.push(now);
        office.probed_at = now;
        let Some(term) = office.terms[id.partition.0 as usize] else { return };
        let term = &mut self.terms[term];
        let Some(index) = term.index(id.offset.0) else { return };
        office.flights += 1;
        office.journal.sent.push((term.lane_of(index), now));
        let order = office.journal.sent.len();
        office.deadlines.insert((deadline, order, term.id, index, id.number));
        let entry = &mut term.entries[index];
        entry.deliveries = id.number;
        entry.flight = Some(Flight { endpoint, sent: now, deadline });
        self.chance_taken[id.partition.0 as usize][entry.record] = true;
    }

    /// Reads an answer as the contract does, and books it. Deadlines that have come are booked.
    pub(crate) fn answered(&mut self, process: usize, id: DeliveryId, answer: &Answer) -> Reading {
        let office = &mut self.offices[process];
        let term = office.terms[id.partition.0 as usize].map(|term| &mut self.terms[term]);
        let term = term.filter(|term| term.tenure == id.tenure);
        let index = term.as_ref().and_then(|term| term.out(id));
        let (Some(term), Some(index)) = (term, index) else {
            office.inert += 1;
            return Reading::Inert;
        };
        let term = term.id;
        self.ended(process, term, index, answer.verdict);
        Reading::Counts
    }

    /// Ends the deliveries whose deadline has come; returns how many.
    pub(crate) fn expire(&mut self, process: usize) -> usize {
        let mut ended = 0;
        while let Some(&due) = self.offices[process].deadlines.first() {
            let (deadline, _, term, index, number) = due;
            if deadline > self.now {
                break;
            }
            self.offices[process].deadlines.pop_first();
            let entry = &self.terms[term].entries[index];
            let out = entry.deliveries == number && entry.flight.is_some();
            if !self.terms[term].over && out {
                self.ended(process, term, index, Verdict::Unknown(UnknownCause::Deadline));
                ended += 1;
            }
        }
        ended
    }

    fn ended(&mut self, process: usize, term: TermId, index: usize, verdict: Verdict) {
        let now = self.now;
        let Self { terms, offices, rules, chance_taken, .. } = self;
        let (office, term) = (&mut offices[process], &mut terms[term]);
        let flight = term.entries[index].flight.take().expect("it is out");
        office.flights -= 1;
        let held = office.journal.held();
        office.heard(flight.endpoint, verdict, now);
        office.journal.hear(term.lane_of(index), flight.endpoint, flight.sent, now, verdict);
        if !held && office.journal.held() {
            office.probed_at = now;
        }
        let (partition, record) = (term.partition.0 as usize, term.entries[index].record);
        chance_taken[partition][record] = journal::took(verdict);
        if verdict == Verdict::Accept {
            office.ends.accepted += 1;
            office.accepts.push(now);
        } else if journal::spends(rules.guarantee, verdict) {
            office.ends.abandoned += 1;
        } else {
            let heard = office.journal.heard.len() - 1;
            let trip = Trip { endpoint: flight.endpoint, answered: now, verdict, heard };
            term.entries[index].trips.push(trip);
            term.commits.news = true;
            office.troubled.insert((term.id, index));
            return;
        }
        office.troubled.remove(&(term.id, index));
        term.settle(index, now);
    }

    /// Books the end of a record that was given up.
    pub(crate) fn settled(&mut self, process: usize, term: TermId, index: usize) {
        self.offices[process].troubled.remove(&(term, index));
        self.terms[term].settle(index, self.now);
    }
}

/// Queues of unsettled records by lane.
pub(crate) type Queues = BTreeMap<u64, VecDeque<usize>>;

/// Where the books of a tenure begin.
#[derive(Clone, Debug)]
pub struct Opening {
    pub start: CommitPoint,
    pub stored: Option<CommitState>,
    pub wall_ms: i64,
}

impl Opening {
    /// Whether a record was settled before, by what was stored.
    pub fn is_settled(&self, offset: Offset) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.completion.is_settled(offset))
    }

    /// Where that ends.
    pub fn known_end(&self) -> i64 {
        self.stored.as_ref().map_or(self.start.0, |stored| stored.completion.end)
    }

    /// The first offset from here on that was not settled, as far as is known.
    pub fn open_from(&self, read: CommitPoint) -> CommitPoint {
        let open = (read.0..self.known_end()).find(|offset| !self.is_settled(Offset(*offset)));
        CommitPoint(open.unwrap_or(self.known_end().max(read.0)))
    }

    pub fn past(&self, offset: Offset) -> Past {
        let past = self.pasts().iter().find(|past| past.0 == offset);
        past.map_or(Past::default(), |past| past.1)
    }

    pub fn rewinds(&self) -> Rewinds {
        self.stored.as_ref().map_or(Rewinds::default(), |stored| stored.rewinds)
    }

    pub fn pasts(&self) -> &[(Offset, Past)] {
        self.stored.as_ref().map_or(&[], |stored| &stored.pasts)
    }
}
