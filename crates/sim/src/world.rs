//! One world: processes around the real core, Kafka, a service and their troubles, on virtual time.
//!
//! First comes the storm, which the plan wrote down; then calm, in which nothing fails any more
//! and everything has to be delivered, committed and quiet after a while. Each step tells the
//! model and the checkers; the first promise that breaks ends the world. With a trace, each step
//! is also written down, byte for byte the same for the same seed (P10).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::AddAssign;

use forebay_core::{
    Answer, CommitPoint, DeliveryId, EndpointId, Input, Instant, Output, PartitionId, Planted,
    RevisionId, Subscription, Tenure,
};

use crate::agenda::{Agenda, Micros};
use crate::checkers::{Broken, Checkers, Fact};
use crate::kafka::Kafka;
use crate::model::{Model, TermId};
use crate::rng::Rng;
use crate::service::Service;
use crate::swarm::{LONGEST_WAIT, Plan, SECOND, Trouble};

mod delivery;
mod group;
mod trouble;

/// More events than any sane world has: something spins.
const EVENTS_MAX: u64 = 2_000_000;

pub struct World {
    plan: Plan,
    /// The core's own asserts are left out where a fault is planted, for the checkers to find it.
    asserts: bool,
    now: Micros,
    rng: Rng,
    agenda: Agenda<Event>,
    kafka: Kafka,
    service: Service,
    processes: Vec<Process>,
    model: Model,
    checkers: Checkers,
    wall_ms: i64,
    /// Until when all records of a key fail.
    failing: BTreeMap<u64, Micros>,
    calm: bool,
    trace: Option<String>,
    tally: Tally,
}

/// A gateway's process: the core, and the shell that drives it.
struct Process {
    core: Option<Subscription<usize>>,
    /// Counts starts; what was meant for an earlier life is void.
    life: u32,
    /// Counts wake-ups asked for; only the last one counts.
    alarm: u64,
    poll_due: bool,
}

/// What a world saw, for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub events: u64,
    pub deliveries: u64,
    pub accepted: u64,
    pub inert: u64,
    pub crashes: u64,
    pub terms: u64,
    pub virtual_micros: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.accepted += other.accepted;
        self.inert += other.inert;
        self.crashes += other.crashes;
        self.terms += other.terms;
        self.virtual_micros += other.virtual_micros;
    }
}

#[derive(Debug)]
enum Event {
    Poll { process: usize, life: u32 },
    Wake { process: usize, life: u32, alarm: u64 },
    Hand(Fetch),
    Arrive(Request),
    Finish { work: u64, request: Request },
    Answer { process: usize, life: u32, id: DeliveryId, answer: Answer },
    Apply(Commit),
    Reply { commit: Commit, stored: bool },
    Assign { partition: PartitionId },
    TellLost { term: TermId, life: u32 },
    Start { process: usize },
    Trouble(Trouble),
    EndpointBack { endpoint: EndpointId, chapter: u64 },
    Calm,
}

#[derive(Debug)]
struct Fetch {
    process: usize,
    life: u32,
    term: TermId,
    tenure: Tenure,
    number: u64,
    records: usize,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    process: usize,
    life: u32,
    term: TermId,
    id: DeliveryId,
    endpoint: EndpointId,
    deadline: Micros,
    /// The record's index in its log.
    index: usize,
}

#[derive(Clone, Copy, Debug)]
struct Commit {
    process: usize,
    life: u32,
    term: TermId,
    tenure: Tenure,
    point: CommitPoint,
}

impl World {
    pub fn new(seed: u64, planted: Planted, traced: bool) -> Self {
        let mut plan = Plan::from_seed(seed, planted);
        let lengths: Vec<_> = plan.logs.iter().map(Vec::len).collect();
        let model = Model::new(plan.rules.clone(), plan.processes, &lengths);
        let kafka = Kafka::new(std::mem::take(&mut plan.logs));
        let process = |_| Process { core: None, life: 0, alarm: 0, poll_due: false };
        Self {
            asserts: planted == Planted::NONE,
            now: 0,
            rng: Rng::new(seed),
            agenda: Agenda::new(),
            service: Service::new(plan.endpoints),
            processes: (0..plan.processes).map(process).collect(),
            checkers: Checkers::new(),
            wall_ms: 1_700_000_000_000,
            failing: BTreeMap::new(),
            calm: false,
            trace: traced.then(String::new),
            tally: Tally::default(),
            kafka,
            model,
            plan,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn tally(&self) -> Tally {
        let offices = self.model.offices.iter();
        let inert = self.tally.inert + offices.map(|office| office.inert).sum::<u64>();
        let terms = self.model.terms.len() as u64;
        Tally { inert, terms, virtual_micros: self.now, ..self.tally }
    }

    /// What was written down so far; empty without a trace.
    pub fn trace(&self) -> &str {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Lives the world to its end.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn run(&mut self) -> Result<(), Broken> {
        for process in 0..self.processes.len() {
            self.agenda.enter(0, Event::Start { process });
        }
        for partition in 0..self.kafka.partitions.len() as u32 {
            let at = if self.rng.odds(700) { 0 } else { self.rng.below(self.plan.calm) };
            self.agenda.enter(at, Event::Assign { partition: PartitionId(partition) });
        }
        for (at, trouble) in std::mem::take(&mut self.plan.storm) {
            self.agenda.enter(at, Event::Trouble(trouble));
        }
        self.agenda.enter(self.plan.calm, Event::Calm);
        let end = self.plan.calm + self.patience();
        while let Some((at, event)) = self.agenda.next() {
            if at > end || self.tally.events > EVENTS_MAX {
                let late = if self.kafka.is_done() { "not quiet" } else { "not delivered" };
                return self
                    .over(Some(format!("{late} {} µs after the storm", end - self.plan.calm)));
            }
            self.now = at;
            self.model.now = at;
            self.tally.events += 1;
            self.happens(event)?;
        }
        let asleep = !self.kafka.is_done();
        self.over(asleep.then(|| "asleep with records to deliver".to_owned()))
    }

    /// How long all can take once nothing fails: each pause once or twice, and the way of each
    /// record as though they went one by one.
    fn patience(&self) -> Micros {
        let rules = &self.plan.rules;
        let pauses = [
            rules.deadline,
            rules.grace,
            rules.backoff.most,
            rules.probe_interval,
            rules.commit_interval,
            rules.commit_retry,
            rules.drain,
            rules.last_commit,
        ];
        let pauses: u128 = pauses.iter().map(std::time::Duration::as_micros).sum();
        let pace = &self.plan.pace;
        let step = 3 * pace.network + pace.work + pace.fetch + 20 * pace.shell + 10;
        let records: usize = self.kafka.partitions.iter().map(|stored| stored.log.len()).sum();
        3 * (pauses as u64 + LONGEST_WAIT + pace.commit) + 10 * SECOND + 2 * step * records as u64
    }

    fn over(&mut self, undelivered: Option<String>) -> Result<(), Broken> {
        self.checkers.look(&Fact::Over { undelivered }, &self.model)
    }

    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Poll { process, life } => {
                if self.lives(process, life) {
                    self.poll(process, false)?;
                }
            }
            Event::Wake { process, life, alarm } => {
                if self.lives(process, life) && self.processes[process].alarm == alarm {
                    self.poll(process, true)?;
                }
            }
            Event::Hand(fetch) => self.hand(fetch),
            Event::Arrive(request) => self.arrive(request)?,
            Event::Finish { work, request } => self.finish(work, request),
            Event::Answer { process, life, id, answer } => {
                if self.lives(process, life) {
                    self.answer(process, id, answer)?;
                }
            }
            Event::Apply(commit) => self.apply(commit)?,
            Event::Reply { commit, stored } => self.reply(commit, stored),
            Event::Assign { partition } => self.assign(partition),
            Event::TellLost { term, life } => self.tell_lost(term, life),
            Event::Start { process } => self.start(process),
            Event::Trouble(trouble) => {
                if !self.calm {
                    self.note(|| format!("trouble: {trouble:?}"));
                    self.strike(trouble);
                }
            }
            Event::EndpointBack { endpoint, chapter } => self.endpoint_back(endpoint, chapter),
            Event::Calm => self.calm_down(),
        }
        Ok(())
    }

    fn lives(&self, process: usize, life: u32) -> bool {
        let process = &self.processes[process];
        process.core.is_some() && process.life == life
    }

    /// Tells a process's core what the world did, and has it polled soon.
    fn tell(&mut self, process: usize, input: Input<usize>) {
        self.note(|| format!("process {process} hears {input:?}"));
        let now = Instant::from_micros(self.now);
        if let Some(core) = &mut self.processes[process].core {
            core.handle(input, now);
            self.poll_soon(process, 0);
        }
    }

    fn poll_soon(&mut self, process: usize, least: Micros) {
        let it = &mut self.processes[process];
        if !it.poll_due {
            it.poll_due = true;
            let life = it.life;
            let at = self.now + least + self.rng.below(self.plan.pace.shell + 1);
            self.agenda.enter(at, Event::Poll { process, life });
        }
    }

    /// Polls until there is nothing more, or as much as the shell takes at once.
    fn poll(&mut self, process: usize, woken: bool) -> Result<(), Broken> {
        let now = Instant::from_micros(self.now);
        let due = std::mem::take(&mut self.processes[process].poll_due);
        let woken = woken && !due;
        let mut moved = false;
        for _ in 0..self.plan.pace.polls {
            moved |= self.model.expire(process) > 0;
            let Some(core) = &mut self.processes[process].core else { return Ok(()) };
            let output = core.poll(now);
            let view = core.view();
            let Some(output) = output else {
                let wakeup = core.next_wakeup(now);
                if self.asserts {
                    core.check();
                }
                let fact = Fact::Idle { process, wakeup, woken, moved, view: &view };
                self.checkers.look(&fact, &self.model)?;
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
        if let Some(wakeup) = wakeup {
            let at = wakeup.as_micros() + self.rng.below(self.plan.pace.shell + 1);
            self.agenda.enter(at, Event::Wake { process, life, alarm });
        }
    }

    fn perform(&mut self, process: usize, output: Output<usize>) {
        match output {
            Output::Commit { partition, tenure, point } => {
                self.commit(process, partition, tenure, point);
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
            Output::Released { partition } => self.released(process, partition),
        }
    }

    fn start(&mut self, process: usize) {
        let seed = self.rng.next();
        let core = Subscription::new(self.plan.rules.clone(), RevisionId(0), seed);
        let it = &mut self.processes[process];
        it.core = Some(core);
        it.poll_due = false;
        self.note(|| format!("process {process} starts"));
        self.tell_endpoints(process);
    }

    fn tell_endpoints(&mut self, process: usize) {
        let listed = self.service.listed();
        self.model.offices[process].listed(&listed);
        self.tell(process, Input::Endpoints(listed));
    }

    /// Short as often as long, for races live where one thing follows close upon another.
    fn pause(&mut self, most: Micros) -> Micros {
        self.rng.spread(1, most)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let (seconds, micros) = (self.now / SECOND, self.now % SECOND);
            writeln!(trace, "{seconds:>4}.{micros:06} {}", line()).expect("a string takes all");
        }
    }
}
