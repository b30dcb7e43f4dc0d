//! The way of one delivery: over the network, through the service, and back, or not.

use std::time::Duration;

use forebay_core::{
    Answer, Delivery, DeliveryId, EndpointId, Input, Instant, TargetFault, UnknownCause, Verdict,
};

use super::{Check, Event, Request, World};
use crate::agenda::Micros;
use crate::checkers::{Broken, Fact};
use crate::service::Work;
use crate::swarm::{self, Mood, Odds, Row};

const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);

impl World {
    pub(super) fn send(&mut self, process: usize, delivery: &Delivery<usize>) {
        self.tally.deliveries += 1;
        let id = delivery.id;
        let term = self.model.term(process, id.partition).map(|term| term.id);
        self.model.sent(process, id, delivery.endpoint);
        let Some(term) = term else { return };
        let request = Request {
            process,
            life: self.processes[process].life,
            term,
            id,
            endpoint: delivery.endpoint,
            deadline: delivery.deadline.as_micros(),
            index: delivery.payload,
        };
        let takes = self.network();
        self.agenda.enter(self.now + takes, Event::Arrive(request));
    }

    /// The request reaches the endpoint's address.
    pub(super) fn arrive(&mut self, request: Request) -> Result<(), Broken> {
        let endpoint = self.service.of(request.endpoint).clone();
        if self.now >= request.deadline {
            return Ok(());
        }
        if !endpoint.up {
            if !endpoint.silent {
                let deadline = self.deadline();
                let takes = match self.plan.pace.refuses_late {
                    true => self.rng.between(deadline / 4, deadline),
                    false => self.rng.spread(1, deadline),
                };
                let at = self.now + takes;
                self.answers_at(at, request, Verdict::TargetFault(TargetFault::Refused));
            }
            return Ok(());
        }
        if self.strikes(|odds| odds.lost_before) {
            self.answers(request, Verdict::TargetFault(TargetFault::Connect));
            return Ok(());
        }
        if self.strikes(|odds| odds.lost_on_the_way) {
            if self.rng.odds(700) {
                self.answers(request, LOST);
            }
            return Ok(());
        }
        if let Mood::Answers(Verdict::TargetFault(fault)) = self.mood_of(request.endpoint) {
            self.answers(request, Verdict::TargetFault(fault));
            return Ok(());
        }
        self.work_begins(request)
    }

    fn work_begins(&mut self, request: Request) -> Result<(), Broken> {
        let latest = request.deadline + self.plan.rules.grace.as_micros() as u64;
        let drops = self.mood_of(request.endpoint) == Mood::Drops;
        let most = match drops || self.strikes(|odds| odds.slow) {
            true => latest - self.now,
            false if self.calm => self.plan.pace.work.min(self.deadline() / 4),
            false => self.plan.pace.work,
        };
        let ends = (self.now + 1 + self.rng.below(most)).min(latest);
        let term = &self.model.terms[request.term];
        let lane = term.index(request.id.offset.0).and_then(|index| term.entries[index].lane);
        let (endpoint, id, term) = (request.endpoint, request.id, request.term);
        let record = request.index;
        let work = Work { number: 0, endpoint, id, term, record, lane, ends, cut: false };
        self.note(|| format!("endpoint {} works on {id} until {ends} µs", endpoint.0));
        let going_on = &self.service.works;
        self.checkers.look(&Fact::WorkBegins { work: &work, going_on }, &self.model)?;
        self.service.forget_ended(self.now);
        let number = self.service.begin(work);
        self.agenda.enter(ends, Event::Finish { work: number, request });
        if drops {
            self.answers(request, LOST);
        } else if self.strikes(|odds| odds.lost_during) {
            let at = self.now + self.rng.below(ends - self.now);
            self.answers_at(at, request, LOST);
        }
        self.breaks(&request)
    }

    /// The service breaks where it got what breaks it.
    fn breaks(&mut self, request: &Request) -> Result<(), Broken> {
        let (partition, record) = (request.id.partition, request.index);
        let breaking = self.plan.breaking.clone().filter(|_| !self.calm);
        let Some(breaking) = breaking.filter(|_| self.kafka.of(partition).log[record].breaks)
        else {
            return Ok(());
        };
        self.tally.breaks += 1;
        self.note(|| format!("{} breaks endpoint {}", request.id, request.endpoint.0));
        self.checkers.look(&Fact::Breaks { term: request.term, id: request.id }, &self.model)?;
        let lasts = self.rng.between(breaking.lasts / 2, breaking.lasts);
        for endpoint in (0..self.plan.endpoints).map(EndpointId) {
            let goes = breaking.whole || endpoint == request.endpoint;
            if goes && self.service.of(endpoint).up {
                self.halt(endpoint, false, lasts);
            }
        }
        Ok(())
    }

    /// The service is done with a request, and says so.
    pub(super) fn finish(&mut self, work: u64, request: Request) {
        if self.service.finish(work).is_none() {
            return;
        }
        let mood = self.mood_of(request.endpoint);
        let verdict = self.verdict(&request, mood);
        if verdict == Verdict::Accept {
            self.model.is_done(request.id.partition, request.index);
            self.tally.accepted += 1;
        }
        if matches!(mood, Mood::Mute | Mood::Drops) || self.strikes(|odds| odds.never_answered) {
            return;
        }
        let late = self.strikes(|odds| odds.answered_late);
        let at = match late {
            true => request.deadline.max(self.now) + self.rng.below(2 * self.deadline()),
            false => self.now + self.network(),
        };
        self.answers_at(at, request, verdict);
        if self.strikes(|odds| odds.answered_twice) {
            let other = if self.rng.odds(500) { Verdict::Accept } else { verdict };
            let again = at + self.rng.below(2 * self.deadline());
            self.answers_at(again, request, other);
        }
    }

    fn verdict(&mut self, request: &Request, mood: Mood) -> Verdict {
        let row: &Row = &self.kafka.of(request.id.partition).log[request.index];
        let (key, fails, failure) = (row.key, row.fails, row.failure);
        let failing = key.and_then(|key| self.failing.get(&key)).is_some_and(|at| *at > self.now);
        match mood {
            _ if self.calm => Verdict::Accept,
            Mood::Answers(verdict) => verdict,
            _ if failing || request.id.number <= fails => failure,
            _ if self.is_released_from(request) => self.release.expect("it fails records").1,
            Mood::Well | Mood::Mute | Mood::Drops => self.by_chance(),
        }
    }

    /// How an endpoint behaves, by itself or as all do.
    fn mood_of(&self, endpoint: EndpointId) -> Mood {
        match self.outage {
            Some((mood, until)) if self.now < until => mood,
            _ => self.service.of(endpoint).mood,
        }
    }

    /// Whether the release of the day fails this record.
    fn is_released_from(&self, request: &Request) -> bool {
        let drawn = (request.index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.release.is_some_and(|(share, _, until)| self.now < until && drawn % 1_000 < share)
    }

    fn by_chance(&mut self) -> Verdict {
        if self.strikes(|odds| odds.retry) {
            return Verdict::Retry { said: false, after: swarm::wait(&mut self.rng) };
        }
        if self.strikes(|odds| odds.reject_said) {
            return Verdict::Reject { said: true };
        }
        if self.strikes(|odds| odds.reject) {
            return Verdict::Reject { said: false };
        }
        if self.strikes(|odds| odds.back_pressure) {
            return Verdict::BackPressure { after: swarm::wait(&mut self.rng) };
        }
        if self.strikes(|odds| odds.unreadable) {
            return Verdict::Unknown(UnknownCause::Unreadable);
        }
        if self.strikes(|odds| odds.fault_status) {
            return Verdict::TargetFault(TargetFault::Status);
        }
        Verdict::Accept
    }

    /// An answer reaches the process that sent the request.
    pub(super) fn answer(
        &mut self,
        process: usize,
        id: DeliveryId,
        answer: Answer,
    ) -> Result<(), Broken> {
        self.model.expire(process);
        let reading = self.model.answered(process, id, &answer);
        self.tell(process, Input::Answered { id, answer: answer.clone() });
        let Some(core) = &self.processes[process].core else { return Ok(()) };
        let view = &core.view();
        let fact = Fact::Answered { process, id, answer: &answer, reading, view };
        self.checkers.look(&fact, &self.model)
    }

    /// A connection that is to carry nothing reaches the endpoint's address.
    pub(super) fn check(
        &mut self,
        process: usize,
        life: u32,
        endpoint: EndpointId,
        asked: Instant,
    ) {
        let it = self.service.of(endpoint);
        let fault = match (it.up, it.silent) {
            (true, _) => None,
            (false, true) => Some(TargetFault::Connect),
            (false, false) => Some(TargetFault::Refused),
        };
        let takes = self.rng.spread(1, self.deadline());
        let check = Check { endpoint, asked, fault };
        self.agenda.enter(self.now + takes, Event::Checked { process, life, check });
    }

    pub(super) fn checked(&mut self, process: usize, check: Check) {
        let Check { endpoint, asked, fault } = check;
        if let Some(fault) = fault {
            let office = &mut self.model.offices[process];
            office.heard(endpoint, Verdict::TargetFault(fault), self.now);
        }
        self.tell(process, Input::Checked { endpoint, asked, fault });
    }

    /// A process died under its requests; whoever waits for them may hear of it.
    pub(super) fn cut_off(&mut self, endpoint: EndpointId, silently: bool) {
        let grace = self.plan.rules.grace.as_micros() as u64;
        for work in self.service.stop(endpoint, self.now, grace, &mut self.rng) {
            let process = self.model.terms[work.term].process;
            let life = self.processes[process].life;
            if !silently && !self.model.terms[work.term].over {
                let answer = answer(LOST);
                let at = self.now + self.network();
                self.agenda.enter(at, Event::Answer { process, life, id: work.id, answer });
            }
        }
    }

    fn answers(&mut self, request: Request, verdict: Verdict) {
        let at = self.now + self.network();
        self.answers_at(at, request, verdict);
    }

    fn answers_at(&mut self, at: Micros, request: Request, verdict: Verdict) {
        let Request { process, life, id, .. } = request;
        self.agenda.enter(at, Event::Answer { process, life, id, answer: answer(verdict) });
    }

    pub(super) fn strikes(&mut self, odds: impl Fn(&Odds) -> u64) -> bool {
        let odds = odds(&self.plan.odds);
        !self.calm && odds > 0 && self.rng.odds(odds)
    }

    pub(super) fn network(&mut self) -> Micros {
        let most = match self.calm {
            true => self.plan.pace.network.min(self.deadline() / 8),
            false => self.plan.pace.network,
        };
        self.rng.below(most + 1)
    }

    fn deadline(&self) -> Micros {
        let deadline: Duration = self.plan.rules.deadline;
        deadline.as_micros() as u64
    }
}

fn answer(verdict: Verdict) -> Answer {
    Answer { verdict, status: None, reason: None }
}
