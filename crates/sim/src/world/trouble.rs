//! What goes wrong in a world, and the calm after it.

use forebay_core::{EndpointId, Input, PartitionId, Rules, Tenure};

use super::{Event, World};
use crate::agenda::Micros;
use crate::model::{Office, TermId};
use crate::swarm::{Mood, NO_SESSION, SECOND, Trouble};

impl World {
    pub(super) fn strike(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Crash { process } => self.crash(process),
            Trouble::Revoke { partition } => self.revoke(partition),
            Trouble::Lose { partition } => self.lose(partition),
            Trouble::Freeze { process, lasts } => self.freeze(process, lasts),
            Trouble::EndpointDies { endpoint, silently, back_after } => {
                if self.service.of(endpoint).up {
                    self.stop(endpoint, silently, back_after);
                }
            }
            Trouble::EndpointLeaves { endpoint, back_after } => {
                if self.service.of(endpoint).listed {
                    self.service.of_mut(endpoint).listed = false;
                    self.stop(endpoint, false, back_after);
                    self.tell_all_endpoints();
                }
            }
            Trouble::EndpointMood { endpoint, mood, lasts } => {
                let it = self.service.of_mut(endpoint);
                if it.up && it.listed {
                    it.mood = mood;
                    it.chapter += 1;
                    let chapter = it.chapter;
                    let back = Event::EndpointBack { endpoint, chapter };
                    self.agenda.enter(self.now + lasts, back);
                }
            }
            Trouble::KeyFails { key, lasts } => {
                self.failing.insert(key, self.now + lasts);
            }
            Trouble::TargetFails { mood, lasts } => self.outage = Some((mood, self.now + lasts)),
            Trouble::TargetDies { silently, back_after } => {
                for endpoint in (0..self.plan.endpoints).map(EndpointId) {
                    if self.service.of(endpoint).up {
                        self.stop(endpoint, silently, back_after);
                    }
                }
            }
            Trouble::Release { share, verdict, lasts } => {
                self.release = Some((share, verdict, self.now + lasts));
            }
            Trouble::NoLetters { lasts } => self.letters_from = self.now + lasts,
            Trouble::Operator { process, act } => self.operate(process, act),
            Trouble::RulesChange { rules } => self.change_rules(*rules),
            Trouble::TenureForgotten { partition } => {
                self.model.waits_in_vain = true;
                let stored = self.kafka.of_mut(partition);
                match &mut stored.state {
                    // Without the names of parked keys no order is left between the topics.
                    Some(state) if self.plan.park > 0 => state.tenure = Tenure(i64::MIN),
                    _ => stored.state = None,
                }
            }
            Trouble::GroupForgotten => {
                self.model.waits_in_vain = true;
                for stored in &mut self.kafka.partitions {
                    stored.point = None;
                    stored.state = None;
                }
            }
            Trouble::WallClock { millis } => self.wall_ms += millis,
        }
    }

    fn crash(&mut self, process: usize) {
        if self.processes[process].core.take().is_none() {
            return;
        }
        self.tally.crashes += 1;
        self.processes[process].life += 1;
        self.processes[process].frozen_until = 0;
        let partitions = self.kafka.partitions.len();
        for partition in (0..partitions as u32).map(PartitionId) {
            self.model.end_term(process, partition);
        }
        self.tally.book(&self.model.offices[process]);
        self.model.offices[process] = Office::new(partitions);
        for partition in self.owned_by(process) {
            self.freed(partition);
        }
        let back = self.pause(2 * SECOND);
        self.agenda.enter(self.now + back, Event::Start { process });
    }

    fn revoke(&mut self, partition: PartitionId) {
        let Some(process) = self.kafka.of(partition).owner else { return };
        let now = self.now;
        let Some(term) = self.model.term_mut(process, partition) else { return };
        if term.revoked_at.is_none() && now >= self.processes[process].frozen_until {
            term.revoked_at = Some(now);
            term.commits.free_at = now;
            self.tell(process, Input::Revoked { partition });
        }
    }

    /// Nothing that a process says of the partition reaches Kafka any more.
    fn lose(&mut self, partition: PartitionId) {
        let Some(process) = self.kafka.of(partition).owner else { return };
        let Some(term) = self.model.term_mut(process, partition) else { return };
        if self.plan.rules.session < NO_SESSION && !std::mem::replace(&mut term.cut_off, true) {
            let term = term.id;
            let session = self.plan.rules.session.as_micros() as u64;
            self.agenda.enter(self.now + session, Event::TakeAway { term });
        }
    }

    fn freeze(&mut self, process: usize, lasts: Micros) {
        // What it is told meanwhile waits for the thaw, which calm brings at the latest.
        let thaws = (self.now + lasts).min(self.plan.calm);
        let it = &mut self.processes[process];
        let no_session = self.plan.rules.session >= NO_SESSION;
        if it.core.is_none() || it.frozen_until > self.now || no_session {
            return;
        }
        it.frozen_until = thaws;
        if lasts >= self.plan.rules.session.as_micros() as u64 {
            for partition in self.owned_by(process) {
                self.lose(partition);
            }
        }
    }

    /// The session is over: the partition is another's before its owner hears of it.
    pub(super) fn take_away(&mut self, term: TermId) {
        let (process, partition) =
            (self.model.terms[term].process, self.model.terms[term].partition);
        let stored = self.kafka.of(partition);
        let is_its = self.model.terms[term].generation == stored.generation;
        if stored.owner != Some(process) || !is_its {
            return;
        }
        let life = self.processes[process].life;
        self.kafka.of_mut(partition).generation += 1;
        self.model.terms[term].lost = true;
        let told = self.pause(2 * SECOND);
        self.agenda.enter(self.now + told, Event::TellLost { term, life });
        self.freed(partition);
    }

    /// Ends an endpoint's process; another takes its place later.
    fn stop(&mut self, endpoint: EndpointId, silently: bool, back_after: Micros) {
        let mood = *self.rng.pick(&[Some(Mood::Well), Some(Mood::Drops), None]);
        let it = self.service.of_mut(endpoint);
        // What takes its place is well, not ready yet, or as ill as before.
        it.mood = mood.unwrap_or(it.mood);
        self.halt(endpoint, silently, back_after);
    }

    /// The same, and what takes its place is as it was.
    pub(super) fn halt(&mut self, endpoint: EndpointId, silently: bool, back_after: Micros) {
        let it = self.service.of_mut(endpoint);
        it.up = false;
        it.silent = silently;
        it.chapter += 1;
        let chapter = it.chapter;
        self.cut_off(endpoint, silently);
        self.agenda.enter(self.now + back_after, Event::EndpointBack { endpoint, chapter });
    }

    pub(super) fn endpoint_back(&mut self, endpoint: EndpointId, chapter: u64) {
        let it = self.service.of_mut(endpoint);
        if it.chapter != chapter {
            return;
        }
        let listed = std::mem::replace(&mut it.listed, true);
        let was_up = std::mem::replace(&mut it.up, true);
        if was_up || self.calm {
            it.mood = Mood::Well;
        }
        let mood = it.mood;
        self.note(|| format!("endpoint {} is back: {mood:?}", endpoint.0));
        if mood != Mood::Well {
            let more = self.pause(2 * SECOND);
            self.agenda.enter(self.now + more, Event::EndpointBack { endpoint, chapter });
        }
        if !listed {
            self.tell_all_endpoints();
        }
    }

    fn change_rules(&mut self, rules: Rules) {
        self.plan.rules = rules.clone();
        for process in 0..self.processes.len() {
            self.tell(process, Input::Rules(rules.clone()));
        }
        self.model.rules_change(&rules);
    }

    fn tell_all_endpoints(&mut self) {
        for process in 0..self.processes.len() {
            if self.processes[process].core.is_some() {
                self.tell_endpoints(process);
            }
        }
    }

    pub(super) fn calm_down(&mut self) {
        self.note(|| "calm".to_owned());
        self.calm = true;
        self.outage = None;
        self.release = None;
        self.letters_from = 0;
        for endpoint in (0..self.plan.endpoints).map(EndpointId) {
            let chapter = self.service.of(endpoint).chapter;
            self.endpoint_back(endpoint, chapter);
        }
        for process in 0..self.processes.len() {
            self.processes[process].frozen_until = 0;
            self.poll_soon(process, 0);
        }
    }
}
