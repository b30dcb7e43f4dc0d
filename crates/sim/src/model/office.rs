//! The books of one process since it was started: what it has, and what it knows of endpoints.

use std::collections::{BTreeMap, VecDeque};

use forebay_core::{EndpointId, Tenure, Verdict};

use super::TermId;

#[derive(Debug)]
pub struct Office {
    /// The term over each partition, where there is one.
    pub terms: Vec<Option<TermId>>,
    pub last_tenure: Vec<Option<Tenure>>,
    /// Deliveries that are out.
    pub flights: usize,
    /// Deadline, term, entry and number of each delivery, in the order of deadlines.
    pub deadlines: VecDeque<(u64, TermId, usize, u32)>,
    pub settled: u64,
    /// Answers that changed nothing.
    pub inert: u64,
    pub endpoints: BTreeMap<EndpointId, Health>,
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
            deadlines: VecDeque::new(),
            settled: 0,
            inert: 0,
            endpoints: BTreeMap::new(),
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
