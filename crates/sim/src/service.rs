//! The service as a world sees it: endpoints with moods, and the work that goes on in them.
//!
//! The journal of work is the service's own: it knows nothing of what the core believes. Work
//! goes on after its connection was lost, and ends by the deadline and the grace, as the delivery
//! contract asks; when a process dies or leaves, its work ends within the grace.

use forebay_core::{DeliveryId, EndpointId};

use crate::agenda::Micros;
use crate::model::TermId;
use crate::rng::Rng;
use crate::swarm::Mood;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) endpoints: Vec<Endpoint>,
    /// Work that may still be going on, oldest first.
    pub(crate) works: Vec<Work>,
    begun: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) listed: bool,
    pub(crate) up: bool,
    /// While it is down its host drops packets instead of refusing connections.
    pub(crate) silent: bool,
    pub(crate) mood: Mood,
    /// Counts deaths and moods, so that the end of an earlier one changes nothing.
    pub(crate) chapter: u64,
}

/// One request that reached a working process.
#[derive(Clone, Debug)]
pub struct Work {
    pub(crate) number: u64,
    pub(crate) endpoint: EndpointId,
    pub id: DeliveryId,
    pub term: TermId,
    /// The record's index in its log.
    pub record: usize,
    pub lane: Option<u64>,
    pub ends: u64,
    /// Its process died under it: nothing comes of it.
    pub(crate) cut: bool,
}

impl Service {
    pub(crate) fn new(endpoints: u32) -> Self {
        let endpoint =
            Endpoint { listed: true, up: true, silent: false, mood: Mood::Well, chapter: 0 };
        Self { endpoints: vec![endpoint; endpoints as usize], works: Vec::new(), begun: 0 }
    }

    pub(crate) fn listed(&self) -> Vec<EndpointId> {
        let ids = (0..self.endpoints.len() as u32).map(EndpointId);
        ids.filter(|id| self.of(*id).listed).collect()
    }

    pub(crate) fn of(&self, id: EndpointId) -> &Endpoint {
        &self.endpoints[id.0 as usize]
    }

    pub(crate) fn of_mut(&mut self, id: EndpointId) -> &mut Endpoint {
        &mut self.endpoints[id.0 as usize]
    }

    /// Begins work; returns its number.
    pub(crate) fn begin(&mut self, mut work: Work) -> u64 {
        self.begun += 1;
        work.number = self.begun;
        self.works.push(work);
        self.begun
    }

    /// What ends this very moment may still have its answer to give.
    pub(crate) fn forget_ended(&mut self, now: Micros) {
        self.works.retain(|work| work.ends >= now);
    }

    /// Takes the work out when its time has come; `None` where its process died before.
    pub(crate) fn finish(&mut self, number: u64) -> Option<Work> {
        let at = self.works.iter().position(|work| work.number == number)?;
        (!self.works[at].cut).then(|| self.works.remove(at))
    }

    /// Ends an endpoint's process: its work stops somewhere within the grace. Returns what it had.
    pub(crate) fn stop(
        &mut self,
        id: EndpointId,
        now: Micros,
        grace: Micros,
        rng: &mut Rng,
    ) -> Vec<Work> {
        let mut stopped = Vec::new();
        for work in &mut self.works {
            if work.endpoint == id && !work.cut && work.ends > now {
                work.cut = true;
                work.ends = work.ends.min(now + rng.between(0, grace));
                stopped.push(work.clone());
            }
        }
        stopped
    }
}
