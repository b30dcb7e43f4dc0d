//! What the core makes of records that failed, read off its own account of each of them after
//! every step: charged, given up, gone. The checkers say whether that is right.

use forebay_core::{
    Blocked, BlockedState, Command, Counts, GiveUp, Offset, PartitionId, Stuck, Verdict,
};

use super::{Entry, Fate, Model, TermId};

/// What is new about a record that failed.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub term: TermId,
    pub index: usize,
    /// Charged so often, once more than before.
    pub charged: Option<u32>,
    /// What the rules make of the charge.
    pub due: Option<GiveUp>,
    /// What has become of it; `None` is nothing new.
    pub fate: Option<Fate>,
    /// What the core says of it; `None` where it knows it no more.
    pub account: Option<Blocked>,
}

impl Model {
    /// Compares the core's account of a record with the books.
    pub(crate) fn judge(
        &self,
        process: usize,
        (term, index): (TermId, usize),
        account: Option<Blocked>,
        counts: Counts,
    ) -> Option<Judgement> {
        let entry = &self.terms[term].entries[index];
        let ends = self.offices[process].ends;
        let gone = account.is_none() && entry.flight.is_none();
        let unknown =
            entry.trips.last().is_some_and(|trip| matches!(trip.verdict, Verdict::Unknown(_)));
        let abandoned = gone && unknown && counts.abandoned > ends.abandoned;
        let charged = match &account {
            Some(account) if account.charged != entry.charged => Some(account.charged),
            // A charge that was the last one takes the record with it.
            None if gone && !abandoned => Some(entry.charged + 1),
            _ => None,
        };
        let due = charged.and_then(|charged| self.due(term, index, charged));
        let state = account.as_ref().map(|account| account.state);
        let fate = match state {
            None if abandoned => Some(Fate::Abandoned),
            None if gone && counts.dropped > ends.dropped => Some(Fate::Dropped),
            Some(BlockedState::DeadLetter) => Some(Fate::Letter),
            Some(BlockedState::Park) => Some(Fate::Parked),
            Some(BlockedState::Operator(stuck)) => Some(Fate::Stuck(stuck)),
            _ => None,
        };
        let fate = fate.filter(|fate| entry.fate != Some(*fate));
        let news = charged.is_some() || fate.is_some() || gone || entry.seen != state;
        news.then_some(Judgement { term, index, charged, due, fate, account })
    }

    /// What the rules make of a record charged so often.
    fn due(&self, term: TermId, index: usize, charged: u32) -> Option<GiveUp> {
        match self.terms[term].entries[index].trips.last()?.verdict {
            Verdict::Reject { .. } => Some(self.rules.on_reject),
            _ if charged >= self.rules.attempts => Some(self.rules.on_exhausted),
            _ => None,
        }
    }

    /// Books what the core made of a record.
    pub(crate) fn judged(&mut self, process: usize, judgement: &Judgement) {
        let now = self.now;
        let Judgement { term, index, .. } = *judgement;
        let entry = &mut self.terms[term].entries[index];
        entry.seen = judgement.account.as_ref().map(|account| account.state);
        if let Some(charged) = judgement.charged {
            (entry.charged, entry.judged) = (charged, entry.trips.len());
        }
        let given_up = matches!(judgement.fate, Some(Fate::Letter | Fate::Dropped));
        if judgement.fate.is_some() {
            entry.fate = judgement.fate;
        }
        if given_up {
            self.offices[process].given_up.push(now);
        }
        if judgement.fate == Some(Fate::Stuck(Stuck::Budget)) {
            self.offices[process].overdrawn = true;
        }
        if judgement.fate == Some(Fate::Abandoned) {
            self.offices[process].ends.abandoned += 1;
            self.settled(process, term, index);
        } else if judgement.fate == Some(Fate::Dropped) {
            self.offices[process].ends.dropped += 1;
            let entry = &self.terms[term].entries[index];
            self.is_done(self.terms[term].partition, entry.record);
            self.settled(process, term, index);
        } else if judgement.account.is_none() {
            // Others say what is wrong with that.
            self.offices[process].troubled.remove(&(term, index));
        }
    }

    /// Books an operator's command that the core obeyed.
    pub(crate) fn obeyed(&mut self, process: usize, command: Command) {
        let office = &mut self.offices[process];
        match command {
            Command::Pause => office.paused = true,
            Command::Resume => {
                let renewed = office.overdrawn;
                (office.paused, office.overdrawn) = (false, false);
                office.given_up.clear();
                for (term, index) in office.troubled.iter().copied() {
                    let entry = &mut self.terms[term].entries[index];
                    entry.fate = entry.fate.filter(|fate| *fate != Fate::Stuck(Stuck::Budget));
                    if renewed {
                        entry.renewed = entry.trips.len();
                    }
                }
            }
            Command::Retry { partition, offset } => {
                if let Some((_, entry)) = self.entry_mut(process, partition, offset) {
                    (entry.charged, entry.judged) = (0, entry.trips.len());
                    entry.forgiven = entry.trips.len();
                    entry.fate = None;
                }
            }
            Command::Skip { partition, offset } => {
                if let Some(((term, index), entry)) = self.entry_mut(process, partition, offset) {
                    let record = entry.record;
                    self.is_done(partition, record);
                    self.offices[process].ends.skipped += 1;
                    self.settled(process, term, index);
                }
            }
            Command::DeadLetter { partition, offset } => {
                if let Some((_, entry)) = self.entry_mut(process, partition, offset) {
                    entry.fate = Some(Fate::Letter);
                }
            }
        }
    }

    fn entry_mut(
        &mut self,
        process: usize,
        partition: PartitionId,
        offset: Offset,
    ) -> Option<((TermId, usize), &mut Entry)> {
        let term = self.term_mut(process, partition)?;
        let index = term.index(offset.0)?;
        Some(((term.id, index), &mut term.entries[index]))
    }
}
