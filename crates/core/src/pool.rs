//! Which endpoint gets a delivery.
//!
//! The less loaded of two chosen at random ("The Power of Two Choices", Mitzenmacher 2001), among
//! the endpoints that are well. An endpoint at fault is left alone but for one probe at a time,
//! each a pause after the last; where no endpoint is well, the probes are all there is (P12).

use alloc::vec::Vec;
use core::time::Duration;

use crate::record::EndpointId;
use crate::rng::Rng;
use crate::time::Instant;
use crate::verdict::{TargetFault, Verdict};

#[derive(Debug)]
pub(crate) struct Pool {
    /// In rising order of their ids.
    endpoints: Vec<Endpoint>,
    /// Indexes of the endpoints that are listed and well.
    well: Vec<usize>,
    probe_interval: Duration,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) in_flight: usize,
    pub(crate) health: Health,
    /// False once the target's list no longer names it; it stays until its answers are in.
    pub(crate) listed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    AtFault { fault: TargetFault, probe_at: Instant, probing: bool },
}

impl Pool {
    pub(crate) fn new(probe_interval: Duration) -> Self {
        Self { endpoints: Vec::new(), well: Vec::new(), probe_interval }
    }

    /// Takes a changed list. Endpoints that stay keep their state.
    pub(crate) fn set(&mut self, listed: &[EndpointId]) {
        for endpoint in &mut self.endpoints {
            endpoint.listed = listed.contains(&endpoint.id);
        }
        for &id in listed {
            if let Err(at) = self.endpoints.binary_search_by_key(&id, |endpoint| endpoint.id) {
                let new = Endpoint { id, in_flight: 0, health: Health::Well, listed: true };
                self.endpoints.insert(at, new);
            }
        }
        self.tidy();
    }

    /// Chooses an endpoint and counts the delivery as its own; `None` where none may be tried now.
    pub(crate) fn pick(&mut self, now: Instant, rng: &mut Rng) -> Option<EndpointId> {
        let chosen = self.due_probe(now).or_else(|| self.lighter_of_two(rng))?;
        let endpoint = &mut self.endpoints[chosen];
        endpoint.in_flight += 1;
        if let Health::AtFault { probing, .. } = &mut endpoint.health {
            *probing = true;
        }
        Some(endpoint.id)
    }

    /// From when on an endpoint can be picked: at any time where one is well, else when the next
    /// probe falls due; `None` where only an answer or another list can help.
    pub(crate) fn next_pick(&self) -> Option<Instant> {
        if self.well.is_empty() { self.next_probe() } else { Some(Instant::ZERO) }
    }

    pub(crate) fn next_probe(&self) -> Option<Instant> {
        let probes = self.endpoints.iter().filter_map(|endpoint| match endpoint.health {
            Health::AtFault { probe_at, probing: false, .. } if endpoint.listed => Some(probe_at),
            Health::AtFault { .. } | Health::Well => None,
        });
        probes.min()
    }

    /// A delivery ended.
    pub(crate) fn ended(&mut self, id: EndpointId, verdict: Verdict, now: Instant) {
        let at = self.index(id).expect("an endpoint stays while it has deliveries in flight");
        let probe_at = now + self.probe_interval;
        let endpoint = &mut self.endpoints[at];
        endpoint.in_flight -= 1;
        let before = endpoint.health;
        endpoint.health = match (verdict, before) {
            (Verdict::TargetFault(fault), _) => Health::AtFault { fault, probe_at, probing: false },
            (Verdict::Unknown(_), Health::AtFault { fault, .. }) => {
                Health::AtFault { fault, probe_at, probing: false }
            }
            (Verdict::Unknown(_), Health::Well) => Health::Well,
            (
                Verdict::Accept
                | Verdict::Retry { .. }
                | Verdict::Reject { .. }
                | Verdict::BackPressure { .. },
                _,
            ) => Health::Well,
        };
        if endpoint.health != before || !endpoint.listed {
            self.tidy();
        }
    }

    /// Whether the target's list no longer names the endpoint.
    pub(crate) fn has_left(&self, id: EndpointId) -> bool {
        self.index(id).is_none_or(|at| !self.endpoints[at].listed)
    }

    /// All endpoints, in the order of their ids.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn index(&self, id: EndpointId) -> Option<usize> {
        self.endpoints.binary_search_by_key(&id, |endpoint| endpoint.id).ok()
    }

    fn due_probe(&self, now: Instant) -> Option<usize> {
        if self.well.len() == self.endpoints.len() {
            return None;
        }
        self.endpoints.iter().position(|endpoint| match endpoint.health {
            Health::AtFault { probe_at, probing, .. } => {
                endpoint.listed && !probing && probe_at <= now
            }
            Health::Well => false,
        })
    }

    fn lighter_of_two(&self, rng: &mut Rng) -> Option<usize> {
        let count = self.well.len();
        if count <= 1 {
            return self.well.first().copied();
        }
        let one = rng.below(count);
        let other = (one + 1 + rng.below(count - 1)) % count;
        let (one, other) = (self.well[one], self.well[other]);
        let lighter = self.endpoints[one].in_flight <= self.endpoints[other].in_flight;
        Some(if lighter { one } else { other })
    }

    fn tidy(&mut self) {
        self.endpoints.retain(|endpoint| endpoint.listed || endpoint.in_flight > 0);
        self.well.clear();
        let well = self.endpoints.iter().enumerate();
        let well = well.filter(|(_, endpoint)| endpoint.listed && endpoint.health == Health::Well);
        self.well.extend(well.map(|(at, _)| at));
    }
}

#[cfg(test)]
mod tests;
