//! One consumer of a subscription at run time: a loop that carries values between intake, core and slots.
//!
//! It holds no rule. What happened goes into the core as an input, what the core wants is done;
//! whatever looks like a decision here is a translation of names.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::{
    CommitPoint, Input, Instant, Offset, Output, PartitionId, Record, RevisionId, Rewinds,
    Subscription, Tenure,
};
use forebay_kafka::{Intake, IntakeEvent, PartitionQueue, Record as KafkaRecord, TopicPartition};
use forebay_push::{Connections, Origin};
use forebay_wire::commit_metadata;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock::Clock;
use crate::discovery::Names;
use crate::gateway::StartError;
use crate::handle::{Command, Ended, Farewell, Fellows};
use crate::leaving::Leaving;
use crate::plan::Plan;
use crate::rebalances::{Rebalances, Transit};
use crate::slot::Slots;
use crate::snapshot::{CapShares, Hold};
use crate::standing::{self, Standing};

/// What a consumer says in the log, with its number where there are several.
macro_rules! say {
    ($runner:expr, $level:ident, $($what:tt)*) => {
        tracing::$level!(subscription = $runner.name, consumer = $runner.consumer.get(), $($what)*)
    };
}

mod command;
mod commits;
mod deliver;
mod endpoints;
mod failures;
mod leaving;
mod metadata;
mod notices;
mod park;
mod partitions;
mod rebalance;
mod snapshot;
mod unwritten;

use deliver::slot;
use park::Payload;
use unwritten::Unwritten;

type Delivery = forebay_core::Delivery<Payload>;

/// How long leaving the group may take once everything is drained.
const CLOSE: Duration = Duration::from_secs(5);
/// How often rates are taken and idle connections closed.
const TICK: Duration = Duration::from_secs(1);

/// Everything of one subscription, shared by its tasks on one thread.
pub(crate) struct Runner {
    name: String,
    group: String,
    /// Its number, where there are several; for the log.
    consumer: Cell<Option<usize>>,
    /// As it was last changed.
    plan: RefCell<Plan>,
    clock: Clock,
    core: RefCell<Subscription<Payload>>,
    intake: Arc<Intake>,
    seats: RefCell<Vec<Seat>>,
    /// By [`EndpointId`]; an address keeps its number for as long as the process lives.
    endpoints: RefCell<Vec<Rc<Connections>>>,
    names: Names,
    slots: Slots<Delivery>,
    letters: Option<Leaving>,
    /// Why the last dead letter was not written, until one is.
    letters_fail: RefCell<Unwritten>,
    park: Option<Leaving>,
    /// Why the last record was not parked, until one is.
    park_fails: RefCell<Unwritten>,
    /// Kafka is asked how far the park topic is committed.
    asking: Cell<bool>,
    admin: RefCell<Option<Arc<forebay_kafka::Admin>>>,
    news: Arc<Notify>,
    /// Told when answers have gone into the core.
    answered: Notify,
    /// Told when the timer must ring earlier than it is set.
    sooner: Notify,
    armed: Cell<Option<Instant>>,
    kafka: RefCell<Standing>,
    /// Whether all that the group gave it at first has been read from.
    reading: Cell<bool>,
    assignments: Cell<u64>,
    rebalances: RefCell<Rebalances>,
    transit: Transit,
    /// Members of the group that are no gateways, in words.
    foreign: RefCell<Vec<String>>,
    /// How long the broker takes a silent member for alive, where it has the say and told.
    session: Cell<Option<Duration>>,
    /// Where it is told who is in the group.
    fellows: Fellows,
    rate: Cell<Rate>,
    stopping: RefCell<Option<(Farewell, oneshot::Sender<Ended>)>>,
    caps: RefCell<CapShares>,
    noticed: RefCell<notices::Noticed>,
    failures: RefCell<failures::Failures>,
    /// Bytes that the broker takes beside an offset, as far as is known.
    metadata_limit: Cell<usize>,
    /// Partitions that drain in order to be read from elsewhere.
    seeking: RefCell<Vec<Seeking>>,
}

/// A partition by its place in the core's numbering; it keeps it over all tenures.
struct Seat {
    partition: TopicPartition,
    assigned: Option<Seated>,
}

struct Seated {
    queue: Arc<PartitionQueue>,
    topic_id: Option<Arc<str>>,
    wanted: Option<Wanted>,
    /// The commit that is out.
    committing: Option<(Tenure, CommitPoint)>,
    /// Why the last commit failed, until one does not.
    commit_fails: Option<String>,
    origin: Option<(Tenure, Rc<Origin>)>,
    /// The keys that are parked, by the last commit that was wanted.
    parked: Vec<forebay_core::ParkedKey>,
    hold: Option<Hold>,
}

/// Where a partition goes on once it is drained.
struct Seeking {
    partition: PartitionId,
    to: CommitPoint,
    rewinds: Rewinds,
}

/// An open [`Output::Fetch`].
#[derive(Clone, Copy)]
struct Wanted {
    tenure: Tenure,
    records: usize,
    bytes: usize,
}

#[derive(Clone, Copy, Default)]
struct Rate {
    settled: u64,
    per_second: u64,
}

/// Starts the intake. The future runs the subscription until it is stopped. `added`: to a process
/// that runs already.
pub(crate) fn start(
    plan: Plan,
    added: bool,
    inbox: mpsc::Receiver<Command>,
    fellows: Fellows,
    transit: Transit,
) -> Result<impl Future<Output = ()>, StartError> {
    let news = Arc::new(Notify::new());
    let waker = news.clone();
    let intake = Intake::start(plan.intake.clone(), Arc::new(move || waker.notify_one()))
        .map_err(|error| StartError::Intake { name: plan.name.clone(), error })?;
    let fails = |error| StartError::Intake { name: plan.name.clone(), error };
    let letters = plan.letters.as_ref().map(|letters| {
        Leaving::start(&letters.properties, &letters.topic, "dead letters", news.clone())
    });
    let letters = letters.transpose().map_err(fails)?;
    let park = plan
        .park
        .as_ref()
        .map(|park| Leaving::start(&park.properties, &park.topic, "parked records", news.clone()));
    let park = park.transpose().map_err(fails)?;
    let seed = seed(&plan);
    let runner = Runner {
        clock: Clock::new(),
        name: plan.name.clone(),
        group: plan.intake.group.clone(),
        consumer: Cell::new(plan.number()),
        core: RefCell::new(Subscription::new(plan.rules.clone(), RevisionId(0), seed)),
        intake: Arc::new(intake),
        seats: RefCell::default(),
        endpoints: RefCell::default(),
        names: Names::new(&plan.name, &plan.endpoints, plan.discovery),
        slots: Slots::new(),
        letters,
        letters_fail: RefCell::default(),
        park,
        park_fails: RefCell::default(),
        asking: Cell::new(false),
        admin: RefCell::default(),
        news,
        answered: Notify::new(),
        sooner: Notify::new(),
        armed: Cell::new(None),
        kafka: RefCell::default(),
        reading: Cell::new(false),
        assignments: Cell::new(0),
        rebalances: RefCell::new(Rebalances::new(added, transit.clone())),
        transit,
        foreign: RefCell::default(),
        session: Cell::new(None),
        fellows,
        metadata_limit: Cell::new(commit_metadata::MAX_LEN),
        rate: Cell::default(),
        stopping: RefCell::default(),
        caps: RefCell::default(),
        noticed: RefCell::default(),
        failures: RefCell::default(),
        seeking: RefCell::default(),
        plan: RefCell::new(plan),
    };
    Ok(run(Rc::new(runner), inbox))
}

/// Another one for each consumer, so that they do not choose alike.
fn seed(plan: &Plan) -> u64 {
    let mut hasher = DefaultHasher::new();
    (Clock::wall_ms(), &plan.intake.instance_id).hash(&mut hasher);
    hasher.finish()
}

async fn run(runner: Rc<Runner>, mut inbox: mpsc::Receiver<Command>) {
    runner.set_endpoints(runner.names.endpoints());
    let names = tokio::task::spawn_local(endpoints::follow_names(runner.clone()));
    let answers = tokio::task::spawn_local(deliver::follow_answers(runner.clone()));
    let mut tick = tokio::time::interval(TICK);
    loop {
        let wakeup = runner.armed.get().map(|instant| runner.clock.at(instant));
        let timer = async {
            match wakeup {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = runner.news.notified() => {}
            () = timer => runner.armed.set(None),
            () = runner.sooner.notified() => continue,
            _ = tick.tick() => {
                runner.tick();
                runner.ask_park();
            }
            command = inbox.recv() => match command {
                Some(command) => runner.obey(command),
                None => break,
            },
        }
        runner.take_events();
        runner.take_letters();
        runner.take_parked();
        let now = runner.clock.now();
        runner.answer_fetches(now);
        runner.drive(now);
        runner.note_reading();
        if runner.is_drained() {
            break;
        }
    }
    names.abort();
    answers.abort();
    let mut left = pin!(runner.clone().leave());
    loop {
        tokio::select! {
            () = &mut left => break,
            Some(command) = inbox.recv() => runner.obey(command),
        }
    }
}

impl Runner {
    /// Does what the core wants, and gives every delivery that may go to a slot.
    fn drive(self: &Rc<Self>, now: Instant) {
        loop {
            let output = self.core.borrow_mut().poll(now);
            match output {
                Some(Output::Deliver(delivery)) => {
                    if let Err(delivery) = self.slots.give(delivery) {
                        tokio::task::spawn_local(slot(self.clone(), delivery));
                    }
                }
                Some(Output::Commit { partition, point, state }) => {
                    self.commit(partition, point, state);
                }
                Some(Output::Fetch { partition, tenure, records, bytes }) => {
                    self.ready(partition);
                    let mut seats = self.seats.borrow_mut();
                    if let Some(seated) = &mut seats[partition.0 as usize].assigned {
                        seated.wanted = Some(Wanted { tenure, records, bytes });
                    }
                    drop(seats);
                    self.answer_fetch(partition, now);
                }
                Some(Output::Check { endpoint }) => {
                    tokio::task::spawn_local(endpoints::check(self.clone(), endpoint));
                }
                Some(Output::DeadLetter(letter)) => self.dead_letter(letter),
                Some(Output::Park(park)) => self.park(&park),
                Some(Output::Released { partition, unsent }) => self.released(partition, unsent),
                None => break,
            }
        }
        self.arm(now);
    }

    /// Sets the timer to the core's next wake-up, if that is sooner than it is set.
    fn arm(&self, now: Instant) {
        let wakeup = self.core.borrow().next_wakeup(now);
        let sooner = match (wakeup, self.armed.get()) {
            (Some(wakeup), Some(armed)) => wakeup < armed,
            (wakeup, None) => wakeup.is_some(),
            (None, Some(_)) => false,
        };
        if sooner {
            self.armed.set(wakeup);
            self.sooner.notify_one();
        }
    }

    fn handle(&self, input: Input<Payload>) {
        self.handle_at(input, self.clock.now());
    }

    fn handle_at(&self, input: Input<Payload>, now: Instant) {
        self.core.borrow_mut().handle(input, now);
    }

    fn take_events(self: &Rc<Self>) {
        while let Some(event) = self.intake.next_event() {
            match event {
                IntakeEvent::Assigned(assigned) => self.assigned(assigned),
                IntakeEvent::Revoked(partitions) => self.revoked(&partitions),
                IntakeEvent::Lost(partitions, why) => self.lost(&partitions, why),
                IntakeEvent::Committed { partition, offset } => {
                    self.commit_answered(&partition, offset, true);
                }
                IntakeEvent::Forgotten { partition, offset } => {
                    self.commit_answered(&partition, offset, false);
                }
                IntakeEvent::CommitFailed { partition, offset, error, .. } => {
                    self.say_commit_fails(&partition, offset, &error);
                    if error.is_metadata_too_large() {
                        self.say_less();
                    }
                    self.commit_answered(&partition, offset, false);
                }
                IntakeEvent::OutOfRange { partition, offset, log_start, log_end } => {
                    let hold = Hold::OutOfRange { offset, log_start, log_end };
                    say!(self, error, "{partition} stands still: {hold}");
                    self.hold(&partition, hold);
                }
                IntakeEvent::Unavailable { topic, missing, error } => {
                    let hint = match missing {
                        true => format!("; `forebay topics create {topic}` makes it"),
                        false => String::new(),
                    };
                    let reason = format!("topic `{topic}`: {error}{hint}");
                    say!(self, error, "{reason}");
                    self.kafka.borrow_mut().unavailable(topic, reason);
                }
                IntakeEvent::Available { topic } => {
                    say!(self, info, "topic `{topic}` can be read");
                    self.kafka.borrow_mut().available(&topic);
                }
                IntakeEvent::StartsUnknown { reason } => {
                    say!(self, warn, "not all is read yet: {reason}");
                    self.kafka.borrow_mut().starts_unknown(reason);
                }
                IntakeEvent::StartsKnown => {
                    say!(self, info, "all starts are known");
                    self.kafka.borrow_mut().starts_known();
                }
                IntakeEvent::Rebalanced(step) => self.rebalanced(step),
                IntakeEvent::Session(session) => self.take_session(session),
                IntakeEvent::SessionUnknown { reason } => {
                    let session = self.rules().session.as_millis();
                    say!(
                        self,
                        warn,
                        "it is not known how long the group's session is, and what it acknowledged is \
                         believed for {session} ms; where that is too long, a process that was frozen may \
                         go on for too long: {reason}"
                    );
                }
                IntakeEvent::Foreign(members) => self.foreign_members(members),
                IntakeEvent::Members(fellows) => self.take_fellows(fellows),
                IntakeEvent::WaitsForId { instance_id, taken_by, reason } => {
                    let reason = standing::refused_id(&instance_id, taken_by, &reason);
                    say!(self, warn, "{reason}");
                    self.kafka.borrow_mut().waits(reason);
                }
                IntakeEvent::Unreachable { reason } => {
                    say!(self, error, "Kafka is out of reach: {reason}");
                    self.kafka.borrow_mut().unreachable(reason);
                }
                IntakeEvent::Reachable => {
                    say!(self, info, "Kafka answers");
                    self.kafka.borrow_mut().reachable();
                }
                IntakeEvent::Fatal(error) => {
                    say!(self, error, "the group member ended: {error}");
                    self.kafka.borrow_mut().failed(error.to_string());
                }
            }
        }
    }

    /// Answers every open fetch whose queue has records.
    fn answer_fetches(&self, now: Instant) {
        let seats = self.seats.borrow().len();
        for index in 0..seats {
            self.answer_fetch(PartitionId(index as u32), now);
        }
    }

    fn answer_fetch(&self, id: PartitionId, now: Instant) {
        let mut seats = self.seats.borrow_mut();
        let Some(seated) = &mut seats[id.0 as usize].assigned else { return };
        let Some(Wanted { tenure, records, bytes }) = seated.wanted else { return };
        let mut taken = Vec::new();
        if seated.queue.take(records, bytes, &mut taken) == 0 {
            return;
        }
        seated.wanted = None;
        let is_park = self.is_park(&seats[id.0 as usize].partition);
        drop(seats);
        let records = taken.into_iter().map(|record| core_record(record, is_park)).collect();
        self.handle_at(Input::Fetched { partition: id, tenure, records }, now);
    }

    fn obey(&self, command: Command) {
        match command {
            Command::Snapshot(answer) => {
                // Nobody waits for the answer any more: nothing is lost.
                let _ = answer.send(self.snapshot());
            }
            Command::Endpoints(endpoints, answer) => {
                self.names.relist(&endpoints, self.plan.borrow().discovery);
                self.set_endpoints(self.names.endpoints());
                let _ = answer.send(());
            }
            Command::Change(plan, answer) => {
                let _ = answer.send(self.change(*plan));
            }
            Command::Operate(order, answer) => {
                let _ = answer.send(self.operate(&order));
            }
            Command::MaySeek(places, answer) => {
                let _ = answer.send(self.may_seek(&places).map(|_| ()));
            }
            Command::Seek(places, answer) => {
                let _ = answer.send(self.seek(&places));
            }
            Command::Rebalances(answer) => {
                let _ = answer.send(self.rebalances.borrow().kept());
            }
            Command::Stop(farewell, answer) => self.stop(farewell, answer),
        }
    }

    /// Drains everything, as if all partitions were revoked.
    fn stop(&self, farewell: Farewell, answer: oneshot::Sender<Ended>) {
        *self.stopping.borrow_mut() = Some((farewell, answer));
        self.stops();
        let seats = self.seats.borrow().len();
        for index in 0..seats {
            let id = PartitionId(index as u32);
            let assigned = self.seats.borrow()[index].assigned.is_some();
            if self.is_held_back(id) {
                self.seats.borrow_mut()[index].assigned = None;
            } else if assigned {
                self.drain(id);
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.stopping.borrow().is_some()
            && self.seats.borrow().iter().all(|seat| seat.assigned.is_none())
    }

    async fn leave(self: Rc<Self>) {
        let intake = self.intake.clone();
        let for_good = matches!(&*self.stopping.borrow(), Some((Farewell::ForGood, _)));
        let close = move || if for_good { intake.resign(CLOSE) } else { intake.close(CLOSE) };
        // Before the group hears of it, and gives what came in the meantime to another.
        self.rebalances.borrow_mut().leave(self.transit.now());
        // Other consumers of this thread go on meanwhile; if it fails, dropping it closes it.
        let _ = tokio::task::spawn_blocking(close).await;
        if let Some((_, answer)) = self.stopping.take() {
            let (snapshot, rebalances) = (self.snapshot(), self.rebalances.borrow().kept());
            // Nobody waits for it where the process ends at once.
            let _ = answer.send(Ended { snapshot, rebalances });
        }
    }

    fn tick(&self) {
        let settled = self.core.borrow().counts().settled;
        let per_second = settled - self.rate.get().settled;
        self.rate.set(Rate { settled, per_second });
        let times = self.core.borrow().cap_times(self.clock.now());
        self.caps.borrow_mut().take(times);
        self.notice(self.clock.now());
        for connections in self.endpoints.borrow().iter() {
            connections.prune();
        }
    }
}

/// `is_park`: whether it was read from the park topic.
fn core_record(record: KafkaRecord, is_park: bool) -> Record<Payload> {
    let key = record.key().map(park::hash);
    let (offset, bytes) = (Offset(record.offset), record.size());
    let payload = Payload::new(record, is_park);
    Record { offset, key, bytes, past: payload.past(), payload }
}
