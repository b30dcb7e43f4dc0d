//! One world: processes around the real core, Kafka, a service and their troubles, on virtual time.
//!
//! First comes the storm, which the plan wrote down; then calm, in which nothing fails any more
//! and everything has to be delivered, committed and quiet after a while. Each step tells the
//! model and the checkers; the first promise that breaks ends the world. With a trace, each step
//! is also written down, byte for byte the same for the same seed (P10).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::AddAssign;
use std::time::Duration;

use forebay_core::{
    Answer, CommitPoint, CommitState, DeliveryId, EndpointId, Guarantee, Input, Instant, Offset,
    ParkPlace, PartitionId, Past, Planted, RevisionId, Subscription, TargetFault, Tenure, Verdict,
};

use crate::agenda::{Agenda, Micros};
use crate::checkers::{Broken, Checkers, Fact};
use crate::kafka::Kafka;
use crate::model::{Model, Office, TermId};
use crate::rng::Rng;
use crate::service::Service;
use crate::swarm::{LONGEST_WAIT, Mood, Plan, SECOND, Trouble};

mod delivery;
mod group;
mod letters;
mod operator;
mod park;
mod shell;
mod trouble;

/// More events than any sane world has: something spins.
const EVENTS_MAX: u64 = 2_000_000;
/// Of worlds in which sessions end at all.
const LONGEST_SESSION: Duration = Duration::from_secs(20);

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
    /// How all endpoints fail, and until when.
    outage: Option<(Mood, Micros)>,
    /// Which share of the records fails, how, and until when.
    release: Option<(u64, Verdict, Micros)>,
    letters_from: Micros,
    /// Fetches that wait at the end of a partition of the park topic.
    at_park_end: Vec<Fetch>,
    calm: bool,
    /// When all has to be delivered, once it is calm.
    end: Micros,
    /// The first promise that was broken.
    broken: Option<Broken>,
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
    /// An operator is on the way, in the calm.
    called: bool,
    /// It is about to ask how far the park topic is committed.
    asking: bool,
    /// It stands still until then.
    frozen_until: Micros,
}

/// What a world saw, for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub events: u64,
    pub deliveries: u64,
    pub accepted: u64,
    pub inert: u64,
    pub crashes: u64,
    pub breaks: u64,
    pub terms: u64,
    pub charged: u64,
    pub dead_letters: u64,
    pub parked: u64,
    pub dropped: u64,
    pub skipped: u64,
    pub abandoned: u64,
    pub holds: u64,
    pub overdrawn: u64,
    pub virtual_micros: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.accepted += other.accepted;
        self.inert += other.inert;
        self.crashes += other.crashes;
        self.breaks += other.breaks;
        self.terms += other.terms;
        self.charged += other.charged;
        self.dead_letters += other.dead_letters;
        self.parked += other.parked;
        self.dropped += other.dropped;
        self.skipped += other.skipped;
        self.abandoned += other.abandoned;
        self.holds += other.holds;
        self.overdrawn += other.overdrawn;
        self.virtual_micros += other.virtual_micros;
    }
}

impl Tally {
    /// What a process did in a life of its own.
    fn book(&mut self, office: &Office) {
        self.inert += office.inert;
        self.dead_letters += office.ends.dead_lettered;
        self.parked += office.ends.parked;
        self.dropped += office.ends.dropped;
        self.skipped += office.ends.skipped;
        self.abandoned += office.ends.abandoned;
        let heard = office.journal.heard.windows(2);
        self.holds += heard.filter(|two| !two[0].held && two[1].held).count() as u64;
    }
}

#[derive(Debug)]
enum Event {
    Poll { process: usize, life: u32 },
    Wake { process: usize, life: u32, alarm: u64, at: Instant },
    Hand(Fetch),
    Arrive(Request),
    Finish { work: u64, request: Request },
    Answer { process: usize, life: u32, id: DeliveryId, answer: Answer },
    Check { process: usize, life: u32, endpoint: EndpointId, asked: Instant },
    Checked { process: usize, life: u32, check: Check },
    Apply(Commit),
    Reply { commit: Commit, stored: bool },
    Write(Letter),
    Written { letter: Letter, written: bool },
    WritePark(Parking),
    Parked { parking: Parking, at: Option<ParkPlace> },
    AskPark { process: usize, life: u32 },
    TellPark { process: usize, life: u32, told: Vec<ParkTold> },
    Operate { process: usize, life: u32 },
    Assign { partition: PartitionId },
    TakeAway { term: TermId },
    TellLost { term: TermId, life: u32 },
    Start { process: usize },
    Trouble(Trouble),
    EndpointBack { endpoint: EndpointId, chapter: u64 },
    Calm,
}

/// What came of a connection that was tried for its own sake.
#[derive(Clone, Copy, Debug)]
struct Check {
    endpoint: EndpointId,
    asked: Instant,
    fault: Option<TargetFault>,
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

#[derive(Clone, Debug)]
struct Commit {
    process: usize,
    life: u32,
    term: TermId,
    point: CommitPoint,
    state: CommitState,
    sent: Micros,
}

/// A record on its way to the park topic.
#[derive(Clone, Copy, Debug)]
struct Parking {
    letter: Letter,
    to: Option<i32>,
    past: Past,
}

/// What Kafka says of a partition of the park topic.
#[derive(Clone, Copy, Debug)]
struct ParkTold {
    partition: i32,
    asked: Instant,
    point: CommitPoint,
    end: CommitPoint,
}

/// A dead letter on its way to Kafka.
#[derive(Clone, Copy, Debug)]
struct Letter {
    process: usize,
    life: u32,
    partition: PartitionId,
    tenure: Tenure,
    offset: Offset,
    /// The record's index in its log.
    index: usize,
}

impl World {
    pub fn new(seed: u64, planted: Planted, traced: bool) -> Self {
        let mut plan = Plan::from_seed(seed, planted);
        let mut logs = std::mem::take(&mut plan.logs);
        let keys = logs.iter().map(|log| log.iter().map(|row| row.key).collect()).collect();
        let mut model = Model::new(plan.rules.clone(), plan.processes, keys, plan.park as usize);
        let steady = plan.breaking.as_ref().is_some_and(|breaking| breaking.steady);
        let breakers = logs.iter().flatten().filter(|row| row.breaks).count();
        model.breakers = steady.then_some(breakers as u32);
        logs.extend((0..plan.park).map(|_| Vec::new()));
        let kafka = Kafka::new(logs);
        let process = |_| Process {
            core: None,
            life: 0,
            alarm: 0,
            poll_due: false,
            called: false,
            asking: false,
            frozen_until: 0,
        };
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
            outage: None,
            release: None,
            letters_from: 0,
            at_park_end: Vec::new(),
            calm: false,
            end: Micros::MAX,
            broken: None,
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
        let terms = self.model.terms.len() as u64;
        let mut tally = Tally { terms, virtual_micros: self.now, ..self.tally };
        self.model.offices.iter().for_each(|office| tally.book(office));
        tally
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
        while let Some((at, event)) = self.agenda.next() {
            if at > self.end && self.kafka.is_done() && self.model.is_quiet() {
                // Nothing but renewals is left.
                return self.over(None);
            }
            if at > self.end || self.tally.events > EVENTS_MAX {
                let late = if self.kafka.is_done() { "not quiet" } else { "not delivered" };
                let patience = self.now.saturating_sub(self.plan.calm);
                return self.over(Some(format!("{late} {patience} µs after the storm")));
            }
            if let Some(thaws) = self.frozen(&event, at) {
                self.agenda.enter(thaws, event);
                continue;
            }
            self.now = at;
            self.model.now = at;
            self.tally.events += 1;
            self.happens(event)?;
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
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
            rules.session.min(LONGEST_SESSION),
        ];
        let pauses: u128 = pauses.iter().map(Duration::as_micros).sum();
        let pace = &self.plan.pace;
        let step = 3 * pace.network + pace.work + pace.fetch + 20 * pace.shell + 10;
        // The budget of retries, the cap on all deliveries, and a commit before each.
        let rate = rules.rate_max.map_or(0, |rate| SECOND / u64::from(rate));
        let commit = match rules.guarantee {
            Guarantee::AtMostOnce => rules.commit_interval.as_micros() as u64 + 2 * pace.commit,
            Guarantee::AtLeastOnce | Guarantee::Automatic => 0,
        };
        let step = step + SECOND / 10 + rate + commit;
        let records: usize = self.kafka.partitions.iter().map(|stored| stored.log.len()).sum();
        // All of them may go by the park topic.
        let (ways, park) = match self.plan.park {
            0 => (1, 0),
            _ => (3, 20 * SECOND + 2 * records as u64 * pace.letter),
        };
        let records = ways * records;
        park + 3 * (pauses as u64 + LONGEST_WAIT + pace.commit + pace.letter)
            + 10 * SECOND
            + 2 * step * records as u64
    }

    fn over(&mut self, undelivered: Option<String>) -> Result<(), Broken> {
        self.checkers.look(&Fact::Over { undelivered }, &self.model)
    }

    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Poll { process, life } => {
                if self.lives(process, life) {
                    self.poll(process, None)?;
                }
            }
            Event::Wake { process, life, alarm, at } => {
                if self.lives(process, life) && self.processes[process].alarm == alarm {
                    self.poll(process, Some(at))?;
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
            Event::Check { process, life, endpoint, asked } => {
                self.check(process, life, endpoint, asked);
            }
            Event::Checked { process, life, check } => {
                if self.lives(process, life) {
                    self.checked(process, check);
                }
            }
            Event::Apply(commit) => self.apply(commit)?,
            Event::Reply { commit, stored } => self.reply(commit, stored),
            Event::Write(letter) => self.write(letter),
            Event::Written { letter, written } => self.written(letter, written),
            Event::WritePark(parking) => self.write_park(parking),
            Event::Parked { parking, at } => self.parked(parking, at),
            Event::AskPark { process, life } => {
                if self.lives(process, life) {
                    self.ask_park(process);
                }
            }
            Event::TellPark { process, life, told } => {
                if self.lives(process, life) {
                    self.tell_park(process, told);
                }
            }
            Event::Operate { process, life } => {
                if self.lives(process, life) {
                    self.clear_up(process);
                }
            }
            Event::Assign { partition } => self.assign(partition),
            Event::TakeAway { term } => self.take_away(term),
            Event::TellLost { term, life } => self.tell_lost(term, life),
            Event::Start { process } => self.start(process),
            Event::Trouble(trouble) => {
                if !self.calm {
                    self.note(|| format!("trouble: {trouble:?}"));
                    self.strike(trouble);
                }
            }
            Event::EndpointBack { endpoint, chapter } => self.endpoint_back(endpoint, chapter),
            Event::Calm => {
                self.end = self.now + self.patience();
                self.calm_down();
            }
        }
        Ok(())
    }

    /// When the process that an event goes to will take it, where that stands still.
    fn frozen(&self, event: &Event, at: Micros) -> Option<Micros> {
        let process = match event {
            Event::Poll { process, .. }
            | Event::Wake { process, .. }
            | Event::Answer { process, .. }
            | Event::Check { process, .. }
            | Event::Checked { process, .. }
            | Event::AskPark { process, .. }
            | Event::TellPark { process, .. }
            | Event::Operate { process, .. } => *process,
            Event::Hand(fetch) => fetch.process,
            Event::Reply { commit, .. } => commit.process,
            Event::Written { letter, .. } => letter.process,
            Event::Parked { parking, .. } => parking.letter.process,
            Event::TellLost { term, .. } => self.model.terms[*term].process,
            _ => return None,
        };
        let thaws = self.processes[process].frozen_until;
        (at < thaws).then_some(thaws)
    }

    fn lives(&self, process: usize, life: u32) -> bool {
        let process = &self.processes[process];
        process.core.is_some() && process.life == life
    }

    fn start(&mut self, process: usize) {
        let seed = self.rng.next();
        let core = Subscription::new(self.plan.rules.clone(), RevisionId(0), seed);
        let it = &mut self.processes[process];
        it.core = Some(core);
        it.poll_due = false;
        it.called = false;
        it.asking = false;
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
