//! The books of one process since it was started: what it has, and what it knows of endpoints.

use std::collections::{BTreeMap, BTreeSet};

use forebay_core::{EndpointId, Tenure, Verdict};

use super::{Journal, TermId};

#[derive(Debug)]
pub struct Office {
    /// The term over each partition, where there is one.
    pub terms: Vec<Option<TermId>>,
    pub last_tenure: Vec<Option<Tenure>>,
    /// Deliveries that are out.
    pub flights: usize,
    /// Deadline, number in the journal, term, entry and number of each delivery.
    pub deadlines: BTreeSet<(u64, usize, TermId, usize, u32)>,
    pub ends: Ends,
    /// Answers that changed nothing.
    pub inert: u64,
    pub endpoints: BTreeMap<EndpointId, Health>,
    pub journal: Journal,
    /// How much of the journal the core knew when it was looked at last.
    pub known: usize,
    /// Records that failed and are not settled.
    pub troubled: BTreeSet<(TermId, usize)>,
    /// When records were accepted.
    pub accepts: Vec<u64>,
    /// When records were given up by rule, since an operator last forgave it.
    pub given_up: Vec<u64>,
    /// When deliveries were sent, since the cap on them changed last.
    pub sends: Vec<u64>,
    pub paused: bool,
    pub overdrawn: bool,
    /// When a target at fault was sent something last, or was found at fault.
    pub probed_at: u64,
}

/// Records that reached their end, by how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub accepted: u64,
    pub dead_lettered: u64,
    pub parked: u64,
    pub dropped: u64,
    pub skipped: u64,
    pub abandoned: u64,
}

/// What a process heard of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// The last time that it was found at fault, with nothing good heard since.
    pub fault_at: Option<u64>,
    pub sent_at: Option<u64>,
}

impl Office {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            terms: vec![None; partitions],
            last_tenure: vec![None; partitions],
            flights: 0,
            deadlines: BTreeSet::new(),
            ends: Ends::default(),
            inert: 0,
            endpoints: BTreeMap::new(),
            journal: Journal::default(),
            known: 0,
            troubled: BTreeSet::new(),
            accepts: Vec::new(),
            given_up: Vec::new(),
            sends: Vec::new(),
            paused: false,
            overdrawn: false,
            probed_at: 0,
        }
    }

    pub(crate) fn listed(&mut self, endpoints: &[EndpointId]) {
        self.endpoints.retain(|id, _| endpoints.contains(id));
        for id in endpoints {
            self.endpoints.entry(*id).or_default();
        }
    }

    pub(crate) fn sent_to(&mut self, endpoint: EndpointId, now: u64) {
        if let Some(health) = self.endpoints.get_mut(&endpoint) {
            health.sent_at = Some(now);
        }
    }

    pub(crate) fn heard(&mut self, endpoint: EndpointId, verdict: Verdict, now: u64) {
        let Some(health) = self.endpoints.get_mut(&endpoint) else { return };
        match verdict {
            Verdict::TargetFault(_) => health.fault_at = Some(now),
            Verdict::Unknown(_) => {}
            Verdict::Accept
            | Verdict::Retry { .. }
            | Verdict::Reject { .. }
            | Verdict::BackPressure { .. } => health.fault_at = None,
        }
    }
}
