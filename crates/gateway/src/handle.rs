//! A running subscription, seen from outside: one, however many consumers it has here.
//!
//! What is asked of it goes to all of its consumers and comes back as one answer; what is about a
//! partition goes to the consumer that has it. A consumer that has ended leaves its counts, and one
//! that comes is told what the others were told before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_kafka::{Fellow, Properties, TopicPartition};
use forebay_push::Endpoint;
use tokio::sync::{mpsc, oneshot, watch};

use crate::plan::Plan;
use crate::rebalances::{self, RebalanceSnapshot, Transit};
use crate::snapshot::{Past, Snapshot, merged};

/// Commands that may wait for a worker; a sender waits beyond that.
const COMMANDS_MAX: usize = 64;

/// What can be asked of a running consumer.
pub(crate) enum Command {
    Snapshot(oneshot::Sender<Snapshot>),
    /// The rebalances that are kept, newest first.
    Rebalances(oneshot::Sender<Vec<RebalanceSnapshot>>),
    /// Replaces the target's endpoints.
    Endpoints(Vec<Endpoint>, oneshot::Sender<()>),
    /// Takes a changed plan: all but the group, its topics, order and guarantee.
    Change(Box<Plan>, oneshot::Sender<Result<(), ChangeError>>),
    Operate(Order, oneshot::Sender<Result<(), OperatorError>>),
    /// Whether partitions could be read from elsewhere now.
    MaySeek(Vec<Place>, oneshot::Sender<Result<(), OperatorError>>),
    /// Reads partitions from elsewhere: drains each, commits the new place, and goes on there.
    Seek(Vec<Place>, oneshot::Sender<Result<(), OperatorError>>),
    /// Drains all partitions, commits, and leaves. Answered when it is done.
    Stop(Farewell, oneshot::Sender<Ended>),
}

/// Whether a consumer's place in its group is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// For its next start, until the session ends.
    ToReturn,
    /// What it had goes to others at once.
    ForGood,
}

/// What a consumer leaves that has ended.
pub(crate) struct Ended {
    pub(crate) snapshot: Snapshot,
    pub(crate) rebalances: Vec<RebalanceSnapshot>,
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
    #[error(
        "partition {0} is not assigned to this process: is it one of the subscription's topics?"
    )]
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
    #[error(
        "the subscription has no [subscription.dead_letter]: add it to the file and reload, or skip \
         the record"
    )]
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

/// The subscription has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription has stopped")]
pub struct Gone;

/// A running subscription.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    name: String,
    properties: Arc<Properties>,
    group: String,
    instance_id: String,
    /// Whichever consumer saw a change last tells all.
    fellows: Fellows,
    transit: Transit,
    consumers: Mutex<Consumers>,
}

/// Where it is told who is in a group.
pub(crate) type Fellows = watch::Sender<Option<Arc<[Fellow]>>>;

/// A consumer's end of its commands.
type Consumer = mpsc::Sender<Command>;

/// The consumers that run, the first one first, and what one that comes has to know.
struct Consumers {
    running: Vec<Consumer>,
    plan: Plan,
    paused: bool,
    /// What an operator said instead of the plan's.
    endpoints: Option<Vec<Endpoint>>,
    past: Past,
}

impl Handle {
    /// Without any consumer yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        let (running, past) = (Vec::new(), Past::default());
        let consumers =
            Consumers { running, plan: plan.clone(), paused: false, endpoints: None, past };
        Self(Arc::new(Inner {
            name: plan.name.clone(),
            properties: Arc::new(plan.intake.properties.clone()),
            group: plan.intake.group.clone(),
            instance_id: plan.intake.instance_id.clone().unwrap_or_default(),
            fellows: watch::Sender::new(None),
            transit: Transit::new(),
            consumers: Mutex::new(consumers),
        }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The group's Kafka, for questions that the subscription itself is not asked.
    pub fn properties(&self) -> &Arc<Properties> {
        &self.0.properties
    }

    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// This process as a member of the group, which is its first consumer; empty where it is no
    /// static one.
    pub fn instance_id(&self) -> &str {
        &self.0.instance_id
    }

    /// Who is in the group, ourselves too, as Kafka said at most half a minute ago. None before it
    /// said anything, and where it never does: not every broker describes groups of KIP-848.
    pub fn fellows(&self) -> Option<Arc<[Fellow]>> {
        self.0.fellows.borrow().clone()
    }

    pub async fn snapshot(&self) -> Result<Snapshot, Gone> {
        // What is on its way may have come to one that has answered already.
        let before = self.0.transit.count();
        let shown = ask_all(&self.running(), Command::Snapshot).await;
        let mut shown = merged(shown, &self.lock().past).ok_or(Gone)?;
        let now = self.0.transit.count();
        shown.rebalances.still_now += now;
        shown.lag_partial |= before > 0 || now > 0;
        Ok(shown)
    }

    /// The latest rebalances, newest first.
    pub async fn rebalances(&self) -> Result<Vec<RebalanceSnapshot>, Gone> {
        let mut kept = ask_all(&self.running(), Command::Rebalances).await;
        if kept.is_empty() {
            return Err(Gone);
        }
        kept.push(self.lock().past.rebalances.clone());
        Ok(rebalances::whole(kept, &self.0.transit))
    }

    /// Replaces the target's endpoints; what is in flight to others is awaited.
    pub async fn endpoints(&self, endpoints: Vec<Endpoint>) -> Result<(), Gone> {
        let running = {
            let mut consumers = self.lock();
            consumers.endpoints = Some(endpoints.clone());
            consumers.running.clone()
        };
        any(ask_all(&running, |answer| Command::Endpoints(endpoints.clone(), answer)).await)?;
        Ok(())
    }

    pub async fn operate(&self, order: Order) -> Result<Result<(), OperatorError>, Gone> {
        let paused = match order {
            Order::Pause => true,
            Order::Resume => false,
            Order::Retry(_) | Order::Skip(_) | Order::DeadLetter(_) => {
                return self.operate_one(order).await;
            }
        };
        let running = {
            let mut consumers = self.lock();
            consumers.paused = paused;
            consumers.running.clone()
        };
        let done = any(ask_all(&running, |answer| Command::Operate(order.clone(), answer)).await)?;
        Ok(done.into_iter().collect())
    }

    /// Has the consumer do it that has the record's partition.
    async fn operate_one(&self, order: Order) -> Result<Result<(), OperatorError>, Gone> {
        let mut outcome = Err(Gone);
        for consumer in self.running() {
            let done = ask(&consumer, |answer| Command::Operate(order.clone(), answer)).await;
            match done {
                Ok(Err(OperatorError::NotAssigned(_))) => outcome = done,
                Ok(_) => return done,
                Err(Gone) => {}
            }
        }
        outcome
    }

    /// Goes on at these places, all or none; answered when draining has begun.
    pub async fn seek(&self, places: Vec<Place>) -> Result<Result<(), OperatorError>, Gone> {
        let running = self.running();
        let mut shown = Vec::new();
        for consumer in &running {
            // One that has ended has nothing.
            let has = ask(consumer, Command::Snapshot).await.map(|shown| shown.partitions);
            let has = has.unwrap_or_default().into_iter().map(|held| held.partition);
            shown.push(has.collect::<Vec<_>>());
        }
        let parts = match shared_out(places, &shown) {
            Ok(parts) => parts,
            Err(nobodys) => return Ok(Err(nobodys)),
        };
        let parts: Vec<_> =
            running.iter().zip(parts).filter(|(_, places)| !places.is_empty()).collect();
        for (consumer, places) in &parts {
            if let Err(refused) =
                ask(consumer, |answer| Command::MaySeek(places.clone(), answer)).await?
            {
                return Ok(Err(refused));
            }
        }
        for (consumer, places) in parts {
            if let Err(refused) = ask(consumer, |answer| Command::Seek(places, answer)).await? {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
    }

    /// How many consumers it has.
    pub(crate) fn count(&self) -> usize {
        self.lock().running.len()
    }

    pub(crate) fn told_fellows(&self) -> Fellows {
        self.0.fellows.clone()
    }

    pub(crate) fn transit(&self) -> Transit {
        self.0.transit.clone()
    }

    /// Adds a consumer, which is to take its commands from here.
    pub(crate) fn enlist(&self) -> mpsc::Receiver<Command> {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let mut consumers = self.lock();
        let mut first = Vec::new();
        if consumers.paused {
            first.push(Command::Operate(Order::Pause, oneshot::channel().0));
        }
        if let Some(endpoints) = &consumers.endpoints {
            first.push(Command::Endpoints(endpoints.clone(), oneshot::channel().0));
        }
        for command in first {
            sender.try_send(command).expect("there is room for the first commands");
        }
        consumers.running.push(sender);
        commands
    }

    /// Has each consumer take its part of a changed plan, of which there are so many.
    pub(crate) async fn change(
        &self,
        plan: &Plan,
        of: usize,
    ) -> Result<Result<(), ChangeError>, Gone> {
        for (index, consumer) in self.running().iter().enumerate() {
            let part = Box::new(plan.part(index + 1, of));
            // All refuse the same, so that the first one that does is the first one.
            if let Err(refused) = ask(consumer, |answer| Command::Change(part, answer)).await? {
                return Ok(Err(refused));
            }
        }
        let mut consumers = self.lock();
        let before = std::mem::replace(&mut consumers.plan, plan.clone());
        if before.endpoints != plan.endpoints || before.discovery != plan.discovery {
            consumers.endpoints = None;
        }
        Ok(Ok(()))
    }

    /// Drains all consumers but the first so many, and has them leave.
    pub(crate) fn stop(&self, kept: usize, farewell: Farewell) -> impl Future<Output = ()> + use<> {
        let handle = self.clone();
        async move {
            let leaving = handle.running().split_off(kept);
            let ended = ask_all(&leaving, |answer| Command::Stop(farewell, answer)).await;
            let mut consumers = handle.lock();
            consumers.running.truncate(kept);
            for ended in ended {
                consumers.past.add(ended);
            }
        }
    }

    fn running(&self) -> Vec<Consumer> {
        self.lock().running.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Consumers> {
        self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each place to the consumer that has its partition, by what each has.
fn shared_out(
    places: Vec<Place>,
    having: &[Vec<TopicPartition>],
) -> Result<Vec<Vec<Place>>, OperatorError> {
    let mut parts = vec![Vec::new(); having.len()];
    for place in places {
        match having.iter().position(|has| has.contains(&place.partition)) {
            Some(index) => parts[index].push(place),
            None => return Err(OperatorError::NotAssigned(place.partition)),
        }
    }
    Ok(parts)
}

async fn ask<T>(
    consumer: &Consumer,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Gone> {
    let (answer, answered) = oneshot::channel();
    consumer.send(command(answer)).await.map_err(|_| Gone)?;
    answered.await.map_err(|_| Gone)
}

/// What those say that run, all asked at once.
async fn ask_all<T>(
    consumers: &[Consumer],
    command: impl Fn(oneshot::Sender<T>) -> Command,
) -> Vec<T> {
    let mut asked = Vec::new();
    for consumer in consumers {
        let (answer, answered) = oneshot::channel();
        if consumer.send(command(answer)).await.is_ok() {
            asked.push(answered);
        }
    }
    let mut said = Vec::new();
    for answered in asked {
        said.extend(answered.await);
    }
    said
}

fn any<T>(said: Vec<T>) -> Result<Vec<T>, Gone> {
    if said.is_empty() { Err(Gone) } else { Ok(said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_goes_to_the_consumer_that_has_it_and_none_where_one_is_nobodys() {
        let at = |number| TopicPartition::new("t", number);
        let place = |number| Place { partition: at(number), offset: 7 };
        let having = [vec![at(0), at(1)], vec![], vec![at(2)]];
        let parts = shared_out(vec![place(2), place(0)], &having).unwrap();
        assert_eq!(parts, [vec![place(0)], vec![], vec![place(2)]]);
        let nobodys = shared_out(vec![place(0), place(5)], &having);
        assert_eq!(nobodys, Err(OperatorError::NotAssigned(at(5))));
    }
}
