//! All subscriptions of a process, on as many worker threads as there are processors.

use std::sync::Arc;
use std::thread::JoinHandle;

use forebay_kafka::{KafkaError, TopicPartition};
use forebay_push::Endpoint;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::plan::Plan;
use crate::runner;
use crate::snapshot::Snapshot;

/// Commands that may wait for a worker; a sender waits beyond that.
const COMMANDS_MAX: usize = 64;

/// What can be asked of a running subscription.
pub enum Command {
    Snapshot(oneshot::Sender<Snapshot>),
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
    #[error("offset {0} is on its way to the dead letter topic")]
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
#[derive(Clone, Debug)]
pub struct Handle {
    name: Arc<str>,
    commands: mpsc::Sender<Command>,
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
}

/// The running subscriptions of this process.
#[derive(Debug)]
pub struct Gateway {
    handles: Vec<Handle>,
    workers: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Starts all plans. Returns once every intake has begun; Kafka need not be reachable.
    pub fn start(plans: Vec<Plan>) -> Result<Self, StartError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let count = processors.min(plans.len());
        let mut shares: Vec<Vec<(Plan, mpsc::Receiver<Command>)>> = Vec::new();
        shares.resize_with(count, Vec::new);
        let mut handles = Vec::new();
        for (index, plan) in plans.into_iter().enumerate() {
            let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
            handles.push(Handle { name: plan.name.as_str().into(), commands });
            shares[index % count].push((plan, inbox));
        }
        let mut workers = Vec::new();
        let mut started = Vec::new();
        for (index, share) in shares.into_iter().enumerate() {
            let (tell, told) = std::sync::mpsc::sync_channel(1);
            let worker = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || work(share, tell))
                .map_err(StartError::Worker)?;
            workers.push(worker);
            started.push(told);
        }
        for told in started {
            told.recv().expect("a worker tells how it started")?;
        }
        Ok(Self { handles, workers })
    }

    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Drains and leaves everywhere.
    pub async fn stop(self) {
        let stops: Vec<_> = self.handles.iter().map(|handle| handle.stop()).collect();
        for stop in stops {
            // One that has ended already needs no stopping.
            let _ = stop.await;
        }
        drop(self.handles);
        for worker in self.workers {
            let joined = tokio::task::spawn_blocking(|| worker.join());
            if let Ok(Err(panic)) = joined.await {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Handle {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn snapshot(&self) -> Result<Snapshot, Gone> {
        self.ask(Command::Snapshot).await
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

/// The thread of some subscriptions, until all of them have stopped.
fn work(
    share: Vec<(Plan, mpsc::Receiver<Command>)>,
    started: std::sync::mpsc::SyncSender<Result<(), StartError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever waits for it is gone only if the whole start was given up.
            let _ = started.send(Err(StartError::Worker(error)));
            return;
        }
    };
    let local = LocalSet::new();
    let all = local.run_until(async move {
        let mut tasks = Vec::new();
        let mut outcome = Ok(());
        for (plan, inbox) in share {
            match runner::start(plan, inbox) {
                Ok(run) => tasks.push(tokio::task::spawn_local(run)),
                Err(error) => outcome = Err(error),
            }
        }
        if outcome.is_err() {
            tasks.clear();
        }
        let _ = started.send(outcome);
        for task in tasks {
            if let Err(error) = task.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    });
    runtime.block_on(all);
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
}
