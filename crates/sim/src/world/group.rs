//! The group's side: who has which partition, what is fetched from it and committed to it.

use std::collections::BTreeSet;

use forebay_core::{CommitPoint, CommitState, Input, PartitionId};

use super::{Commit, Event, Fetch, World};
use crate::checkers::{Broken, Fact};
use crate::model::{Opening, Term, TermId};
use crate::swarm::{MILLI, SECOND};

impl World {
    /// Gives a partition that nobody has to a process that can take it.
    pub(super) fn assign(&mut self, partition: PartitionId) {
        if self.kafka.of(partition).owner.is_some() {
            return;
        }
        let takers: Vec<_> = (0..self.processes.len())
            .filter(|process| self.processes[*process].core.is_some())
            .filter(|process| self.model.term(*process, partition).is_none())
            .collect();
        if takers.is_empty() {
            self.agenda.enter(self.now + 50 * MILLI, Event::Assign { partition });
            return;
        }
        let process = *self.rng.pick(&takers);
        let wall_ms = self.wall_ms + (self.now / MILLI) as i64;
        let stored = self.kafka.of_mut(partition);
        stored.owner = Some(process);
        stored.generation += 1;
        let (start, generation, state) = (stored.start(), stored.generation, stored.state.clone());
        let position = stored.index(start);
        let opening = Opening { start, stored: state.clone(), wall_ms };
        let term = Term::new(process, partition, generation, opening, position, self.now);
        let parks = self.model.park(partition).is_none();
        self.model.assign(process, term);
        let stored = state;
        self.tell(process, Input::Assigned { partition, start, stored, parks, wall_ms });
    }

    /// The partition is free again, for anyone.
    pub(super) fn freed(&mut self, partition: PartitionId) {
        self.kafka.of_mut(partition).owner = None;
        let pause = self.pause(SECOND / 2);
        self.agenda.enter(self.now + pause, Event::Assign { partition });
    }

    pub(super) fn released(&mut self, process: usize, partition: PartitionId) {
        let Some(term) = self.model.term(process, partition) else { return };
        let generation = term.generation;
        self.model.end_term(process, partition);
        let stored = self.kafka.of(partition);
        if stored.owner == Some(process) && stored.generation == generation {
            self.freed(partition);
        }
    }

    pub(super) fn tell_lost(&mut self, term: TermId, life: u32) {
        let (process, partition) =
            (self.model.terms[term].process, self.model.terms[term].partition);
        if self.lives(process, life) && !self.model.terms[term].over {
            self.let_time_pass(process);
            self.model.end_term(process, partition);
            self.tell(process, Input::Lost { partition });
        }
    }

    /// Answers a fetch, also one of a term that is over: queues of the shell may lag behind.
    pub(super) fn hand(&mut self, fetch: Fetch) {
        let Fetch { process, life, term, tenure, number, records, bytes } = fetch;
        let of = &self.model.terms[term];
        if !self.lives(process, life) || number != of.fetches {
            return;
        }
        let partition = of.partition;
        let position = of.position;
        let records =
            if self.rng.odds(300) { 1 + self.rng.below(records as u64) as usize } else { records };
        let of = &self.model.terms[term];
        let taken = self.kafka.of(partition).fetch(position, records, bytes, self.now);
        match taken {
            Err(None) if self.model.park(partition).is_some() => self.at_park_end.push(fetch),
            Err(None) => {}
            Err(Some(at)) => self.agenda.enter(at, Event::Hand(fetch)),
            Ok(records) => {
                if !of.over && of.revoked_at.is_none() {
                    self.model.hand_over(term, &records);
                }
                self.tell(process, Input::Fetched { partition, tenure, records });
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        process: usize,
        partition: PartitionId,
        point: CommitPoint,
        state: CommitState,
    ) {
        let Some(term) = self.model.term_mut(process, partition) else { return };
        term.commits.out = Some(point);
        term.commits.news = false;
        let term = term.id;
        let life = self.processes[process].life;
        let takes = self.rng.below(self.plan.pace.commit + 1);
        let commit = Commit { process, life, term, point, state };
        self.agenda.enter(self.now + takes, Event::Apply(commit));
    }

    /// The commit reaches the coordinator, which fences what is not of its generation.
    pub(super) fn apply(&mut self, commit: Commit) -> Result<(), Broken> {
        let term = &self.model.terms[commit.term];
        let (partition, generation) = (term.partition, term.generation);
        let odds = &self.plan.odds;
        let (fails, ack_lost) = (odds.commit_fails, odds.commit_ack_lost);
        let fails = !self.calm && self.rng.odds(fails);
        let ack_lost = !self.calm && self.rng.odds(ack_lost);
        let stored = self.kafka.of_mut(partition);
        let applied = !fails && stored.generation == generation;
        if applied {
            stored.store(commit.point, commit.state.clone());
            let records_below = stored.index(commit.point);
            let settled_beyond = stored.settled_beyond();
            let fact = Fact::Stored { partition, records_below, settled_beyond: &settled_beyond };
            self.checkers.look(&fact, &self.model)?;
        }
        self.note(|| format!("partition {} stores {commit:?}: {applied}", partition.0));
        let takes = self.rng.below(self.plan.pace.commit + 1);
        let reply = Event::Reply { commit, stored: applied && !ack_lost };
        self.agenda.enter(self.now + takes, reply);
        Ok(())
    }

    pub(super) fn reply(&mut self, commit: Commit, stored: bool) {
        let Commit { process, life, term, point, state } = commit;
        if !self.lives(process, life) {
            return;
        }
        let rules = &self.plan.rules;
        let pause = if stored { rules.commit_interval } else { rules.commit_retry };
        let of = &mut self.model.terms[term];
        let partition = of.partition;
        if !of.over {
            of.commits.out = None;
            of.commits.free_at = self.now + pause.as_micros() as u64;
            if stored {
                of.claimed = true;
                of.commits.acknowledged = point;
                of.named = state.parked.iter().map(|row| (row.key, row.last)).collect();
            } else {
                of.commits.news = true;
            }
        }
        let tenure = state.tenure;
        let input = match stored {
            true => Input::Committed { partition, tenure, point },
            false => Input::CommitFailed { partition, tenure },
        };
        self.tell(process, input);
    }

    /// The partitions that a process has, by the coordinator's books.
    pub(super) fn owned_by(&self, process: usize) -> BTreeSet<PartitionId> {
        let all = (0..self.kafka.partitions.len() as u32).map(PartitionId);
        all.filter(|partition| self.kafka.of(*partition).owner == Some(process)).collect()
    }
}
