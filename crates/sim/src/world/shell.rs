//! The shell around a core: what it tells it, how it polls it, and what it does for it.

use forebay_core::{Command, Input, Instant, Offset, Output, PartitionId, Stuck};

use super::{Event, Fetch, World};
use crate::agenda::Micros;
use crate::checkers::{Broken, Fact};
use crate::model::{Fate, Judgement, TermId};

impl World {
    /// Tells a process's core what the world did, and has it polled soon.
    pub(super) fn tell(&mut self, process: usize, input: Input<usize>) {
        self.note(|| format!("process {process} hears {input:?}"));
        let now = Instant::from_micros(self.now);
        self.model.expire(process);
        if let Some(core) = &mut self.processes[process].core {
            core.handle(input, now);
            self.observe(process);
            self.poll_soon(process, 0);
        }
    }

    pub(super) fn poll_soon(&mut self, process: usize, least: Micros) {
        let it = &mut self.processes[process];
        if !it.poll_due {
            it.poll_due = true;
            let life = it.life;
            let at = self.now + least + self.rng.below(self.plan.pace.shell + 1);
            self.agenda.enter(at, Event::Poll { process, life });
        }
    }

    /// Looks at what the core has made of the records that failed; says whether anything is new.
    /// What was given up comes before what was not for want of budget.
    pub(super) fn observe(&mut self, process: usize) -> bool {
        let troubled: Vec<_> = self.model.offices[process].troubled.iter().copied().collect();
        let mut news = false;
        let mut denied = Vec::new();
        for record in troubled {
            let Some(judgement) = self.judgement(process, record) else { continue };
            news = true;
            match judgement.fate {
                Some(Fate::Stuck(Stuck::Budget)) => denied.push(judgement),
                _ => self.judged(process, &judgement),
            }
        }
        denied.iter().for_each(|judgement| self.judged(process, judgement));
        self.tally.overdrawn += u64::from(!denied.is_empty());
        let office = &mut self.model.offices[process];
        office.known = office.journal.heard.len();
        news
    }

    fn judgement(&self, process: usize, record: (TermId, usize)) -> Option<Judgement> {
        let core = self.processes[process].core.as_ref()?;
        let term = &self.model.terms[record.0];
        let offset = Offset(term.entries[record.1].offset);
        let account = core.trouble(term.partition, offset);
        self.model.judge(process, record, account, core.counts())
    }

    fn judged(&mut self, process: usize, judgement: &Judgement) {
        let Judgement { term, index, charged, fate, .. } = *judgement;
        if charged.is_some() || fate.is_some() {
            let term = &self.model.terms[term];
            let (partition, offset) = (term.partition.0, term.entries[index].offset);
            self.note(|| {
                format!(
                    "process {process} judges partition {partition} offset {offset}: charged \
                     {charged:?}, {fate:?}"
                )
            });
        }
        self.tally.charged += u64::from(charged.is_some());
        let fact = Fact::Judged { process, judgement };
        if let Err(broken) = self.checkers.look(&fact, &self.model) {
            self.broken.get_or_insert(broken);
        }
        self.model.judged(process, judgement);
    }

    /// Lets a core see what time it is, so that what time alone brings about is seen by itself: an
    /// order that can't be obeyed does nothing else.
    pub(super) fn let_time_pass(&mut self, process: usize) -> bool {
        let ended = self.model.expire(process) > 0;
        let now = Instant::from_micros(self.now);
        if let Some(core) = &mut self.processes[process].core {
            let (partition, offset) = (PartitionId(u32::MAX), Offset(0));
            let nothing = core.command(Command::Skip { partition, offset }, now);
            assert!(nothing.is_err(), "there is no such partition");
        }
        self.observe(process) || ended
    }

    /// Polls until there is nothing more, or as much as the shell takes at once. `woken`: when the
    /// core asked to be, where it was.
    pub(super) fn poll(&mut self, process: usize, woken: Option<Instant>) -> Result<(), Broken> {
        let now = Instant::from_micros(self.now);
        let due = std::mem::take(&mut self.processes[process].poll_due);
        let woken = woken.filter(|_| !due);
        let mut moved = self.let_time_pass(process);
        for _ in 0..self.plan.pace.polls {
            let Some(core) = &mut self.processes[process].core else { return Ok(()) };
            let output = core.poll(now);
            let view = core.view();
            if !matches!(output, Some(Output::Released { .. })) {
                moved |= self.observe(process);
            }
            let Some(output) = output else {
                let Some(core) = &self.processes[process].core else { return Ok(()) };
                let wakeup = core.next_wakeup(now);
                if self.asserts {
                    core.check();
                }
                let fact = Fact::Idle { process, wakeup, woken, moved, view: &view };
                if woken.is_some() && !moved {
                    self.note(|| format!("process {process} was woken for nothing"));
                }
                self.note(|| format!("process {process} sleeps until {wakeup:?}"));
                self.checkers.look(&fact, &self.model)?;
                self.call_operator(process, &view);
                self.ask_soon(process, &view);
                self.wake_at(process, wakeup);
                return Ok(());
            };
            moved = true;
            self.note(|| format!("process {process} wants {output:?}"));
            let fact = Fact::Wants { process, output: &output, view: &view };
            self.checkers.look(&fact, &self.model)?;
            self.perform(process, output);
        }
        self.poll_soon(process, 1);
        Ok(())
    }

    fn wake_at(&mut self, process: usize, wakeup: Option<Instant>) {
        let it = &mut self.processes[process];
        it.alarm += 1;
        let (life, alarm) = (it.life, it.alarm);
        if let Some(at) = wakeup {
            let late = at.as_micros().saturating_add(self.rng.below(self.plan.pace.shell + 1));
            self.agenda.enter(late, Event::Wake { process, life, alarm, at });
        }
    }

    fn perform(&mut self, process: usize, output: Output<usize>) {
        match output {
            Output::Commit { partition, point, state } => {
                self.commit(process, partition, point, state);
            }
            Output::Fetch { partition, tenure, records, bytes } => {
                let life = self.processes[process].life;
                let Some(term) = self.model.term_mut(process, partition) else { return };
                term.fetches += 1;
                let (term, number) = (term.id, term.fetches);
                let fetch = Fetch { process, life, term, tenure, number, records, bytes };
                let takes = self.rng.below(self.plan.pace.fetch + 1);
                self.agenda.enter(self.now + takes, Event::Hand(fetch));
            }
            Output::Deliver(delivery) => self.send(process, &delivery),
            Output::DeadLetter(letter) => self.post(process, &letter),
            Output::Park(park) => self.park(process, &park),
            Output::Check { endpoint } => {
                let (life, asked) = (self.processes[process].life, Instant::from_micros(self.now));
                let at = self.now + self.network();
                self.agenda.enter(at, Event::Check { process, life, endpoint, asked });
            }
            Output::Released { partition, .. } => self.released(process, partition),
        }
    }
}
