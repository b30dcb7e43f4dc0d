//! The reference: plain books of what was handed over, sent, answered and stored.
//!
//! It follows the delivery contract by the simplest means: an answer counts if it is the first to
//! the delivery that is out and comes before its deadline; only an accept settles. It knows lanes
//! and offsets and no machine of the core.

use std::collections::{BTreeMap, VecDeque};

use forebay_core::{
    Answer, CommitPoint, DeliveryId, EndpointId, Order, PartitionId, Record, Rules, Tenure, Verdict,
};

pub mod office;
pub mod term;

pub use office::Office;
pub use term::{Entry, Flight, Term};

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
    /// For each partition and record: whether a service ever finished it with an accept.
    pub done: Vec<Vec<bool>>,
}

/// How the contract reads an answer that has just come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It changes nothing.
    Inert,
    Counts,
}

impl Model {
    pub(crate) fn new(rules: Rules, processes: usize, logs: &[usize]) -> Self {
        let offices = (0..processes).map(|_| Office::new(logs.len())).collect();
        let done = logs.iter().map(|records| vec![false; *records]).collect();
        Self { rules, now: 0, terms: Vec::new(), offices, done }
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
        let last = office.last_tenure[partition].max(term.opening.stored);
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
        let Some(term) = office.terms[id.partition.0 as usize] else { return };
        let Some(index) = self.terms[term].index(id.offset.0) else { return };
        office.flights += 1;
        office.deadlines.push_back((deadline, term, index, id.number));
        let entry = &mut self.terms[term].entries[index];
        entry.deliveries = id.number;
        entry.flight = Some(Flight { endpoint, deadline });
    }

    /// Reads an answer as the contract does, and books it.
    pub(crate) fn answered(&mut self, process: usize, id: DeliveryId, answer: &Answer) -> Reading {
        self.expire(process);
        let office = &mut self.offices[process];
        let term = office.terms[id.partition.0 as usize].map(|term| &mut self.terms[term]);
        let term = term.filter(|term| term.tenure == id.tenure);
        let index = term.as_ref().and_then(|term| term.out(id));
        let (Some(term), Some(index)) = (term, index) else {
            office.inert += 1;
            return Reading::Inert;
        };
        let endpoint = term.entries[index].flight.take().expect("it is out").endpoint;
        office.flights -= 1;
        office.heard(endpoint, answer.verdict, self.now);
        match answer.verdict {
            Verdict::Accept => {
                office.settled += 1;
                term.settle(index, self.now);
            }
            Verdict::Retry { .. } | Verdict::Reject { .. } => term.entries[index].failures += 1,
            _ => {}
        }
        Reading::Counts
    }

    /// Ends the deliveries whose deadline has come; returns how many.
    pub(crate) fn expire(&mut self, process: usize) -> usize {
        let office = &mut self.offices[process];
        let mut ended = 0;
        while let Some(&(deadline, term, index, number)) = office.deadlines.front() {
            if deadline > self.now {
                break;
            }
            office.deadlines.pop_front();
            let term = &mut self.terms[term];
            let entry = &mut term.entries[index];
            if !term.over && entry.deliveries == number && entry.flight.take().is_some() {
                office.flights -= 1;
                ended += 1;
            }
        }
        ended
    }
}

/// Queues of unsettled records by lane.
pub(crate) type Queues = BTreeMap<u64, VecDeque<usize>>;

/// Where the books of a tenure begin.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub start: CommitPoint,
    pub stored: Option<Tenure>,
    pub wall_ms: i64,
}
