//! All subscriptions of a process, their consumers spread over as many worker threads as there are
//! processors.

use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use forebay_kafka::KafkaError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

use crate::handle::{ChangeError, Command, Farewell, Fellows, Gone, Handle};
use crate::plan::Plan;
use crate::rebalances::Transit;
use crate::runner;

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

/// Why a running subscription is not as a changed plan wants it.
#[derive(Debug, thiserror::Error)]
pub enum ReplanError {
    #[error(transparent)]
    Refused(#[from] ChangeError),
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error("its new consumers did not all start: {0}")]
    Consumers(#[from] StartError),
}

/// The running subscriptions of this process.
pub struct Gateway {
    handles: Handles,
    workers: Vec<Worker>,
    /// The worker that gets the next consumer.
    next: usize,
    /// All that were there from the start have begun.
    begun: bool,
}

/// The subscriptions that run, as they come and go.
#[derive(Clone, Default)]
pub struct Handles(Arc<RwLock<Vec<Handle>>>);

/// A thread, and where it takes new consumers from.
struct Worker {
    thread: JoinHandle<()>,
    inbox: mpsc::Sender<New>,
}

/// A consumer for a worker to start.
struct New {
    plan: Plan,
    commands: mpsc::Receiver<Command>,
    fellows: Fellows,
    transit: Transit,
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
        let handle = Handle::new(&plan);
        if let Err(error) = self.grow(&handle, &plan).await {
            handle.stop(0, Farewell::ToReturn).await;
            return Err(error);
        }
        self.handles.lock_mut().push(handle);
        Ok(())
    }

    /// Has a running subscription take a changed plan. Of its consumers, those that stay flow on.
    pub async fn change(&mut self, handle: &Handle, plan: &Plan) -> Result<(), ReplanError> {
        let (before, after) = (handle.count(), plan.consumers);
        // Before others come, or after others have gone: all parts together stay within the bounds.
        handle.change(plan, before.max(after)).await??;
        self.grow(handle, plan).await?;
        if after < before {
            handle.stop(after, Farewell::ForGood).await;
            handle.change(plan, after).await??;
        }
        Ok(())
    }

    /// Starts those consumers that are missing.
    async fn grow(&mut self, handle: &Handle, plan: &Plan) -> Result<(), StartError> {
        for number in handle.count() + 1..=plan.consumers {
            let part = plan.part(number, plan.consumers);
            let started = self.start_consumer(part, handle).await;
            if started.is_err() {
                handle.stop(number - 1, Farewell::ToReturn).await;
                return started;
            }
        }
        Ok(())
    }

    async fn start_consumer(&mut self, plan: Plan, handle: &Handle) -> Result<(), StartError> {
        let (commands, fellows) = (handle.enlist(), handle.told_fellows());
        let transit = handle.transit();
        let (started, told) = oneshot::channel();
        let worker = &self.workers[self.next % self.workers.len()];
        self.next += 1;
        let gone = || StartError::Gone { name: handle.name().to_owned() };
        let new = New { plan, commands, fellows, transit, added: self.begun, started };
        worker.inbox.send(new).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Drains a subscription and leaves its group for good: others get at once what it had.
    pub async fn remove(&mut self, name: &str) {
        let Some(handle) = self.handles.find(name) else { return };
        handle.stop(0, Farewell::ForGood).await;
        self.handles.lock_mut().retain(|handle| handle.name() != name);
    }

    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Drains and leaves everywhere.
    pub async fn stop(self) {
        let mut stops = JoinSet::new();
        for handle in self.handles.all() {
            stops.spawn(handle.stop(0, Farewell::ToReturn));
        }
        stops.join_all().await;
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
        self.all().into_iter().find(|handle| handle.name() == name)
    }

    fn lock_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Handle>> {
        self.0.write().expect("nothing that holds the lock panics")
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

/// The consumers of one thread, until no more come and all have stopped.
async fn work(mut inbox: mpsc::Receiver<New>) {
    let mut running = JoinSet::new();
    let mut open = true;
    while open || !running.is_empty() {
        tokio::select! {
            new = inbox.recv(), if open => match new {
                Some(New { plan, commands, fellows, transit, added, started }) => {
                    let outcome = runner::start(plan, added, commands, fellows, transit).map(|run| {
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
