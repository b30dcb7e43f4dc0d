//! Which endpoint gets a delivery.
//!
//! The cheaper of two chosen at random ("The Power of Two Choices", Mitzenmacher 2001) among the
//! endpoints that are well and below their own limit. The cost is what a delivery can expect to
//! wait there: the endpoint's latency, which rises with a single slow answer and falls only with
//! time (peak EWMA, as in Finagle's balancer), for each that is in flight. An endpoint that is new
//! or back looks dearer for its first seconds, so that it warms up.
//!
//! An endpoint at fault gets one probe each pause and nothing else; where none is well, the probes
//! are all there is (P12). One that fails or lags where the others do not is ejected for a while,
//! at most half of them, and let in again after a trial that goes well.

use alloc::vec::Vec;
use core::time::Duration;

use crate::limiter::{Bounds, Limiter};
use crate::record::EndpointId;
use crate::rng::Rng;
use crate::time::Instant;
use crate::verdict::{TargetFault, Verdict};

mod endpoint;

pub use endpoint::Ejection;
pub(crate) use endpoint::{Endpoint, Health};

#[derive(Debug)]
pub(crate) struct Pool {
    /// In rising order of their ids.
    endpoints: Vec<Endpoint>,
    /// Indexes of the endpoints that are listed and well.
    well: Vec<usize>,
    rules: PoolRules,
    /// What a delivery to most endpoints takes, as of some answers ago.
    usual: Option<Duration>,
    /// Answers until that is looked at again, and room to do so.
    usual_in: usize,
    latencies: Vec<Duration>,
    /// Endpoints to which a connection is to be tried.
    checks: usize,
}

/// Answers between two looks at what is usual.
const USUAL_EVERY: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolRules {
    /// Pause between two probes of an endpoint at fault.
    pub(crate) probe_interval: Duration,
    /// Deliveries that one endpoint may have in flight.
    pub(crate) in_flight_max: usize,
    /// Whether endpoints are ejected. One balancer address for many instances never is.
    pub(crate) ejects: bool,
}

/// How a delivery to an endpoint ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

impl Pool {
    pub(crate) fn new(rules: PoolRules) -> Self {
        Self {
            endpoints: Vec::new(),
            well: Vec::new(),
            rules,
            usual: None,
            usual_in: 0,
            latencies: Vec::new(),
            checks: 0,
        }
    }

    /// Takes changed rules; endpoints keep what was learnt of them.
    pub(crate) fn set_rules(&mut self, rules: PoolRules) {
        self.rules = rules;
        let bounds = self.bounds();
        for endpoint in &mut self.endpoints {
            endpoint.limiter.set_bounds(bounds);
        }
    }

    /// Takes a changed list. Endpoints that stay keep their state.
    pub(crate) fn set(&mut self, listed: &[EndpointId], now: Instant) {
        for endpoint in &mut self.endpoints {
            endpoint.listed = listed.contains(&endpoint.id);
        }
        let bounds = self.bounds();
        for &id in listed {
            if let Err(at) = self.endpoints.binary_search_by_key(&id, |endpoint| endpoint.id) {
                let new = Endpoint::new(id, Limiter::new(bounds), now);
                self.endpoints.insert(at, new);
            }
        }
        self.tidy(now);
    }

    /// Chooses an endpoint, another than `avoided` where there is a choice, and counts the delivery
    /// as its own; `None` where none may be tried now.
    pub(crate) fn pick(
        &mut self,
        avoided: Option<EndpointId>,
        now: Instant,
        rng: &mut Rng,
    ) -> Option<EndpointId> {
        let chosen = self.due_probe(now).or_else(|| self.cheaper_of_two(avoided, now, rng))?;
        Some(self.take(chosen, now))
    }

    /// The same for a probe of the whole target. Endpoints at fault are due at each of those, and
    /// would take them all, so those that look well get half; and beyond their own limits, for what
    /// fills them may hang.
    pub(crate) fn pick_probe(&mut self, now: Instant, rng: &mut Rng) -> Option<EndpointId> {
        let chosen = match rng.below(2) {
            0 => self.cheaper_of_two(None, now, rng).or_else(|| self.due_probe(now)),
            _ => self.due_probe(now).or_else(|| self.cheaper_of_two(None, now, rng)),
        };
        let chosen = match (chosen, self.well.len()) {
            (None, 0) => return None,
            (None, count) => self.well[rng.below(count)],
            (Some(chosen), _) => chosen,
        };
        Some(self.take(chosen, now))
    }

    fn take(&mut self, chosen: usize, now: Instant) -> EndpointId {
        let probe_at = now + self.rules.probe_interval;
        let endpoint = &mut self.endpoints[chosen];
        endpoint.in_flight += 1;
        endpoint.probed(probe_at);
        endpoint.id
    }

    /// From when on an endpoint can be picked: at any time where one is well and below its limit,
    /// else when the next probe falls due; `None` where only an answer or another list can help.
    pub(crate) fn next_pick(&self) -> Option<Instant> {
        match self.well.iter().any(|at| self.endpoints[*at].has_room()) {
            true => Some(Instant::ZERO),
            false => self.next_probe(),
        }
    }

    /// The same for [`Self::pick_probe`].
    pub(crate) fn next_probe_pick(&self) -> Option<Instant> {
        if self.has_well() { Some(Instant::ZERO) } else { self.next_probe() }
    }

    /// The target is well again: so are the limits of its endpoints, as far as it may go.
    pub(crate) fn slow_start(&mut self, now: Instant) {
        for endpoint in &mut self.endpoints {
            endpoint.limiter.slow_start(endpoint.in_flight, now);
        }
    }

    /// Whether any endpoint is well.
    pub(crate) fn has_well(&self) -> bool {
        !self.well.is_empty()
    }

    pub(crate) fn is_well(&self, id: EndpointId) -> bool {
        self.well.iter().any(|at| self.endpoints[*at].id == id)
    }

    pub(crate) fn next_probe(&self) -> Option<Instant> {
        self.endpoints.iter().filter_map(Endpoint::probe_at).min()
    }

    /// A delivery ended.
    pub(crate) fn ended(&mut self, id: EndpointId, ending: Ending, now: Instant) {
        let at = self.index(id).expect("an endpoint stays while it has deliveries in flight");
        self.look_at_usual();
        let usual = self.usual;
        let probe_at = now + self.rules.probe_interval;
        let endpoint = &mut self.endpoints[at];
        let (before, checked) = (endpoint.health, endpoint.check_at().is_some());
        endpoint.ended(ending, usual, probe_at, now);
        self.checks += usize::from(!checked && endpoint.check_at().is_some());
        if self.rules.ejects
            && let Some(why) = self.stands_out(at)
        {
            self.endpoints[at].eject(why, now);
        }
        if self.endpoints[at].health != before || !self.endpoints[at].listed {
            self.tidy(now);
        }
    }

    /// An endpoint to which a connection is to be tried, for it lost the ones it had.
    pub(crate) fn next_check(&mut self, now: Instant) -> Option<EndpointId> {
        if self.checks == 0 {
            return None;
        }
        let due = |endpoint: &&mut Endpoint| endpoint.check_at().is_some_and(|at| at <= now);
        let endpoint = self.endpoints.iter_mut().find(due)?;
        endpoint.checking();
        self.checks -= 1;
        Some(endpoint.id)
    }

    pub(crate) fn next_check_at(&self) -> Option<Instant> {
        if self.checks == 0 {
            return None;
        }
        self.endpoints.iter().filter_map(Endpoint::check_at).min()
    }

    pub(crate) fn checked(&mut self, id: EndpointId, fault: Option<TargetFault>, now: Instant) {
        let probe_at = now + self.rules.probe_interval;
        if let Some(at) = self.index(id) {
            self.endpoints[at].checked(fault, probe_at);
            self.tidy(now);
        }
    }

    /// A delivery was given up: nobody will hear its answer.
    pub(crate) fn gave_up(&mut self, id: EndpointId, now: Instant) {
        let at = self.index(id).expect("an endpoint stays while it has deliveries in flight");
        self.endpoints[at].in_flight -= 1;
        if !self.endpoints[at].listed {
            self.tidy(now);
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

    fn bounds(&self) -> Bounds {
        Bounds { first: self.rules.in_flight_max, most: self.rules.in_flight_max }
    }

    fn due_probe(&self, now: Instant) -> Option<usize> {
        if self.well.len() == self.endpoints.len() {
            return None;
        }
        let due = |endpoint: &Endpoint| endpoint.probe_at().is_some_and(|probe| probe <= now);
        self.endpoints.iter().position(due)
    }

    fn cheaper_of_two(
        &self,
        avoided: Option<EndpointId>,
        now: Instant,
        rng: &mut Rng,
    ) -> Option<usize> {
        let count = self.well.len();
        if count <= 1 {
            return self.well.first().copied().filter(|at| self.endpoints[*at].has_room());
        }
        let one = rng.below(count);
        let other = (one + 1 + rng.below(count - 1)) % count;
        let (one, other) = (self.well[one], self.well[other]);
        let cost = |at: usize| {
            let endpoint = &self.endpoints[at];
            (!endpoint.has_room(), Some(endpoint.id) == avoided, endpoint.cost(now))
        };
        let cheaper = if cost(one) <= cost(other) { one } else { other };
        if self.endpoints[cheaper].has_room() {
            return Some(cheaper);
        }
        self.well.iter().copied().find(|at| self.endpoints[*at].has_room())
    }

    /// The lower median of the endpoints that are well: with two, that of the better one.
    fn look_at_usual(&mut self) {
        if self.usual_in > 0 {
            self.usual_in -= 1;
            return;
        }
        self.usual_in = USUAL_EVERY;
        self.latencies.clear();
        if self.endpoints.len() > 1 {
            let well = self.well.iter().map(|at| &self.endpoints[*at]);
            self.latencies.extend(well.filter_map(Endpoint::usual_latency));
        }
        self.latencies.sort_unstable();
        self.usual = self.latencies.get(self.latencies.len().saturating_sub(1) / 2).copied();
    }

    /// Whether an endpoint that was well is much worse than the others.
    fn stands_out(&self, at: usize) -> Option<Ejection> {
        let endpoint = &self.endpoints[at];
        if !endpoint.lags() && !endpoint.answers_badly() {
            return None;
        }
        let ejected = self.endpoints.iter().filter(|one| one.listed && one.is_ejected()).count();
        let listed = self.endpoints.iter().filter(|one| one.listed).count();
        let may = endpoint.listed && endpoint.health == Health::Well && 2 * (ejected + 1) <= listed;
        if !may {
            return None;
        }
        let others = self.well.iter().filter(|other| **other != at);
        let others_do = others.map(|other| &self.endpoints[*other]).any(Endpoint::answers_well);
        if others_do && endpoint.answers_badly() {
            return Some(Ejection::Failing);
        }
        endpoint.lags().then_some(Ejection::Slow)
    }

    fn tidy(&mut self, now: Instant) {
        self.endpoints.retain(|endpoint| endpoint.listed || endpoint.in_flight > 0);
        let well = |one: &&mut Endpoint| one.listed && one.health == Health::Well;
        if self.endpoints.iter_mut().find(well).is_none() {
            // Better one that fails now and then than none.
            self.endpoints.iter_mut().for_each(|endpoint| endpoint.pardon(now));
        }
        self.checks = self.endpoints.iter().filter_map(Endpoint::check_at).count();
        self.usual_in = 0;
        self.well.clear();
        let well = self.endpoints.iter().enumerate();
        let well = well.filter(|(_, endpoint)| endpoint.listed && endpoint.health == Health::Well);
        self.well.extend(well.map(|(at, _)| at));
    }
}

#[cfg(test)]
mod tests;
