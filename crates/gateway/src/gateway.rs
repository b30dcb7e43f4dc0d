//! All subscriptions of a process, on as many worker threads as there are processors.

use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use forebay_kafka::{Fellow, KafkaError, Properties, TopicPartition};
use forebay_push::Endpoint;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};

use crate::plan::Plan;
use crate::rebalances::RebalanceSnapshot;
use crate::runner;
use crate::snapshot::Snapshot;

/// Commands that may wait for a worker; a sender waits beyond that.
const COMMANDS_MAX: usize = 64;

/// What can be asked of a running subscription.
pub enum Command {
    Snapshot(oneshot::Sender<Snapshot>),
    /// The rebalances that are kept, newest first.
    Rebalances(oneshot::Sender<Vec<RebalanceSnapshot>>),
    /// Replaces the target's endpoints.
    Endpoints(Vec<Endpoint>, oneshot::Sender<()>),
    /// Takes a changed plan: all but the group, its topics, order and guarantee.
    Change(Box<Plan>, oneshot::Sender<Result<(), ChangeError>>),
    Operate(Order, oneshot::Sender<Result<(), OperatorError>>),
    /// Reads partitions from elsewhere: drains each, commits the new place, and goes on there.
    Seek(Vec<Place>, oneshot::Sender<Result<(), OperatorError>>),
    /// Drains all partitions, commits, and leaves. Answered when it is done.
    Stop(oneshot::Sender<()>),
}

/// An operator's word to a running subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Pause,
    Resume,
    /// Delivers a record that waits now, and forgives its failures.
    Retry(Place),
    /// Settles a record that waits as if it had been accepted.
    Skip(Place),
    /// Sends a record that waits to the dead letter topic.
    DeadLetter(Place),
}

/// An offset by the names that people know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub partition: TopicPartition,
    pub offset: i64,
}

/// Why an operator's word can't be obeyed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    #[error("this process does not have partition {0}")]
    NotAssigned(TopicPartition),
    #[error("offset {0} is settled, or was not fetched yet")]
    NotHeld(i64),
    #[error("a service is at work on offset {0}, or may be; wait for its deadline and the grace")]
    InFlight(i64),
    #[error(
        "offset {0} has not failed: it waits for its turn, or behind an earlier record of its key"
    )]
    Behind(i64),
    #[error("offset {0} is on its way to the dead letter topic, or to the park topic")]
    Leaving(i64),
    #[error("the subscription has no [subscription.dead_letter]")]
    NoDeadLetters,
    #[error("partition {0} is not being read at the moment: it is claimed, drained or held")]
    NotActive(TopicPartition),
}

/// What can't be changed in a running subscription: it needs a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} can't be changed while the subscription runs; restart the process for that")]
pub struct ChangeError {
    pub what: &'static str,
}

/// A running subscription, seen from outside.
#[derive(Clone)]
pub struct Handle {
    name: Arc<str>,
    commands: mpsc::Sender<Command>,
    properties: Arc<Properties>,
    group: Arc<str>,
    instance_id: Arc<str>,
    fellows: watch::Receiver<Option<Arc<[Fellow]>>>,
}

/// The subscription has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription has stopped")]
pub struct Gone;

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("subscription `{name}`: {error}")]
    Intake { name: String, error: KafkaError },
    #[error("cannot start a worker: {0}")]
    Worker(std::io::Error),
    #[error("subscription `{name}`: its worker has ended")]
    Gone { name: String },
}

/// The running subscriptions of this process.
pub struct Gateway {
    handles: Handles,
    workers: Vec<Worker>,
    /// The worker that gets the next subscription.
    next: usize,
    /// All that were there from the start have begun.
    begun: bool,
}

/// The subscriptions that run, as they come and go.
#[derive(Clone, Default)]
pub struct Handles(Arc<RwLock<Vec<Handle>>>);

/// A thread, and where it takes new subscriptions from.
struct Worker {
    thread: JoinHandle<()>,
    inbox: mpsc::Sender<New>,
}

/// A subscription for a worker to start.
struct New {
    plan: Plan,
    commands: mpsc::Receiver<Command>,
    fellows: watch::Sender<Option<Arc<[Fellow]>>>,
    /// To a process that runs already.
    added: bool,
    started: oneshot::Sender<Result<(), StartError>>,
}

impl Gateway {
    /// Starts all plans. Returns once every intake has begun; Kafka need not be reachable.
    pub async fn start(plans: Vec<Plan>) -> Result<Self, StartError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..processors).map(Worker::start).collect::<Result<_, _>>()?;
        let mut gateway = Self { handles: Handles::default(), workers, next: 0, begun: false };
        for plan in plans {
            gateway.add(plan).await?;
        }
        gateway.begun = true;
        Ok(gateway)
    }

    /// Starts one more subscription, which none of the others notices.
    pub async fn add(&mut self, plan: Plan) -> Result<(), StartError> {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let (told_fellows, fellows) = watch::channel(None);
        let handle = Handle {
            name: plan.name.as_str().into(),
            commands: sender,
            properties: Arc::new(plan.intake.properties.clone()),
            group: plan.intake.group.as_str().into(),
            instance_id: plan.intake.instance_id.as_deref().unwrap_or_default().into(),
            fellows,
        };
        let (started, told) = oneshot::channel();
        let worker = &self.workers[self.next % self.workers.len()];
        self.next += 1;
        let gone = |name: &str| StartError::Gone { name: name.to_owned() };
        let new = New { plan, commands, fellows: told_fellows, added: self.begun, started };
        worker.inbox.send(new).await.map_err(|_| gone(&handle.name))?;
        told.await.map_err(|_| gone(&handle.name))??;
        self.handles.lock_mut().push(handle);
        Ok(())
    }

    /// Drains a subscription and leaves its group.
    pub async fn remove(&mut self, name: &str) {
        let Some(handle) = self.handles.find(name) else { return };
        // One that has ended already needs no stopping.
        let _ = handle.stop().await;
        self.handles.lock_mut().retain(|handle| &*handle.name != name);
    }

    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Drains and leaves everywhere.
    pub async fn stop(self) {
        let stops: Vec<_> = self.handles.all().iter().map(Handle::stop).collect();
        for stop in stops {
            let _ = stop.await;
        }
        for Worker { thread, inbox } in self.workers {
            drop(inbox);
            let joined = tokio::task::spawn_blocking(|| thread.join());
            if let Ok(Err(panic)) = joined.await {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Handles {
    /// Those that run now.
    pub fn all(&self) -> Vec<Handle> {
        self.0.read().expect("nothing that holds the lock panics").clone()
    }

    pub fn find(&self, name: &str) -> Option<Handle> {
        self.all().into_iter().find(|handle| &*handle.name == name)
    }

    fn lock_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Handle>> {
        self.0.write().expect("nothing that holds the lock panics")
    }
}

impl Handle {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn snapshot(&self) -> Result<Snapshot, Gone> {
        self.ask(Command::Snapshot).await
    }

    /// The latest rebalances, newest first.
    pub async fn rebalances(&self) -> Result<Vec<RebalanceSnapshot>, Gone> {
        self.ask(Command::Rebalances).await
    }

    /// Replaces the target's endpoints; what is in flight to others is awaited.
    pub async fn endpoints(&self, endpoints: Vec<Endpoint>) -> Result<(), Gone> {
        self.ask(|answer| Command::Endpoints(endpoints, answer)).await
    }

    /// Takes a changed plan; what is in flight is not disturbed.
    pub async fn change(&self, plan: Plan) -> Result<Result<(), ChangeError>, Gone> {
        self.ask(|answer| Command::Change(Box::new(plan), answer)).await
    }

    pub async fn operate(&self, order: Order) -> Result<Result<(), OperatorError>, Gone> {
        self.ask(|answer| Command::Operate(order, answer)).await
    }

    /// The group's Kafka, for questions that the subscription itself is not asked.
    pub fn properties(&self) -> &Arc<Properties> {
        &self.properties
    }

    pub fn group(&self) -> &str {
        &self.group
    }

    /// This process as a member of the group; empty where it is no static one.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// Who is in the group, ourselves too, as Kafka said at most half a minute ago. None before it
    /// said anything, and where it never does: not every broker describes groups of KIP-848.
    pub fn fellows(&self) -> Option<Arc<[Fellow]>> {
        self.fellows.borrow().clone()
    }

    /// Goes on at these places; answered when draining has begun.
    pub async fn seek(&self, places: Vec<Place>) -> Result<Result<(), OperatorError>, Gone> {
        self.ask(|answer| Command::Seek(places, answer)).await
    }

    fn stop(&self) -> impl Future<Output = Result<(), Gone>> + use<> {
        let handle = self.clone();
        async move { handle.ask(Command::Stop).await }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Gone> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }
}

impl Worker {
    fn start(number: usize) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Worker)?;
        let (inbox, new) = mpsc::channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                runtime.block_on(LocalSet::new().run_until(work(new)));
                // A name that is being looked up is not waited for.
                runtime.shutdown_background();
            })
            .map_err(StartError::Worker)?;
        Ok(Self { thread, inbox })
    }
}

/// The subscriptions of one thread, until no more come and all have stopped.
async fn work(mut inbox: mpsc::Receiver<New>) {
    let mut running = JoinSet::new();
    let mut open = true;
    while open || !running.is_empty() {
        tokio::select! {
            new = inbox.recv(), if open => match new {
                Some(New { plan, commands, fellows, added, started }) => {
                    let outcome = runner::start(plan, added, commands, fellows).map(|run| {
                        running.spawn_local(run);
                    });
                    // Whoever waits for it is gone only if the whole start was given up.
                    let _ = started.send(outcome);
                }
                None => open = false,
            },
            Some(ended) = running.join_next() => {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}
