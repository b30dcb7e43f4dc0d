//! Groups on this broker: carries requests to each [`Group`], keeps its clock and its storage.
//!
//! Everything of a group stands behind one lock: the machine, the committed offsets, who waits.
//! Whatever must survive is appended to `__consumer_offsets` under that lock, so the log has the
//! order of the changes; an answer that tells of a change leaves only once the log is durable up
//! to it. A group with members has one task that watches over its timers.

mod admin;
mod rewrite;
mod store;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_protocol::error::ResponseError;
use tokio::sync::{Notify, oneshot};

use crate::clock::{Clock, now_ms};
use crate::groups::{
    Group, Join, JoinRefused, Joined, Leave, Output, Settings, Snapshot, Sync, Synced, Ticket,
};
use crate::topics::Topics;
pub(crate) use admin::Described;
use store::{Change, Place, Store};

/// `offset.metadata.max.bytes`
pub(crate) const MAX_METADATA_BYTES: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// -1 where the committer did not say.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// Ms since the epoch.
    pub(crate) time: i64,
}

pub(crate) type Offsets = BTreeMap<String, BTreeMap<i32, Committed>>;

/// Who commits: a member of a generation, or a simple consumer (generation -1, no member).
#[derive(Clone, Debug)]
pub(crate) struct Committer {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: i32,
}

enum Waiter {
    Join(oneshot::Sender<(Result<Joined, JoinRefused>, Option<Place>)>),
    Sync(oneshot::Sender<(Result<Synced, ResponseError>, Option<Place>)>),
}

struct Inner {
    group: Group,
    offsets: Offsets,
    /// Appended and not yet durable, oldest first; visible once they are.
    unsettled: VecDeque<(Place, Vec<Change>)>,
    waiting: HashMap<Ticket, Waiter>,
    /// Where the group's last stored state lies.
    stored: Option<Place>,
    /// That state: what a restart would find, which the machine may be ahead of.
    stored_state: Option<Snapshot>,
    watched: bool,
}

struct Cell {
    id: String,
    inner: Mutex<Inner>,
    /// Rung when the next wake-up may have come nearer.
    bell: Notify,
}

impl Inner {
    fn new(group: Group) -> Self {
        Self {
            group,
            offsets: Offsets::new(),
            unsettled: VecDeque::new(),
            waiting: HashMap::new(),
            stored: None,
            stored_state: None,
            watched: false,
        }
    }
}

impl Cell {
    fn new(id: String, inner: Inner) -> Self {
        Self { id, inner: Mutex::new(inner), bell: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Coordinator {
    groups: Mutex<HashMap<String, Arc<Cell>>>,
    settings: Settings,
    clock: Clock,
    tickets: AtomicU64,
    store: Store,
}

impl Coordinator {
    /// Reads all groups back from `__consumer_offsets`. Blocks on IO.
    pub(crate) fn open(
        topics: Arc<Topics>,
        settings: Settings,
    ) -> Result<Arc<Self>, store::Replay> {
        let clock = Clock::start();
        let mut coordinator = Self {
            groups: Mutex::default(),
            settings,
            clock,
            tickets: AtomicU64::new(0),
            store: Store::new(topics),
        };
        let groups = store::replay(&coordinator.store)?;
        let cells = coordinator.groups.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (id, stored) in groups {
            let settings = coordinator.settings.clone();
            let group = match stored.group.clone() {
                Some(snapshot) => Group::restore(settings, snapshot, clock.now()),
                None => Group::new(settings),
            };
            let mut inner = Inner::new(group);
            inner.offsets = stored.offsets;
            inner.stored_state = stored.group;
            cells.insert(id.clone(), Arc::new(Cell::new(id, inner)));
        }
        Ok(Arc::new(coordinator))
    }

    /// Starts the timers of the groups that came back with members; needs the async runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        let cells: Vec<_> = self.cells().values().cloned().collect();
        for cell in cells {
            let mut inner = cell.lock();
            self.watch(&cell, &mut inner);
        }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<String, Arc<Cell>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &str) -> Option<Arc<Cell>> {
        self.cells().get(id).cloned()
    }

    fn get_or_create(&self, id: &str) -> Arc<Cell> {
        let mut cells = self.cells();
        let inner = || Inner::new(Group::new(self.settings.clone()));
        let make = || Arc::new(Cell::new(id.to_owned(), inner()));
        Arc::clone(cells.entry(id.to_owned()).or_insert_with(make))
    }

    /// Makes sure that `__consumer_offsets` exists. Blocks on IO the first time.
    pub(crate) fn prepare(&self) -> Result<(), ResponseError> {
        self.store.topic().map(|_| ())
    }

    pub(crate) async fn join(
        self: &Arc<Self>,
        group: &str,
        join: Join,
    ) -> Result<Joined, JoinRefused> {
        let member_id = join.member_id.clone();
        let refused = |error| JoinRefused { error, member_id: member_id.clone() };
        if group.is_empty() {
            return Err(refused(ResponseError::InvalidGroupId));
        }
        // An id that nobody has is no reason to bring a group into being.
        let cell = if join.member_id.is_empty() {
            self.get_or_create(group)
        } else {
            self.get(group).ok_or_else(|| refused(ResponseError::UnknownMemberId))?
        };
        let (sender, answer) = oneshot::channel();
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        self.drive(&cell, |inner| {
            inner.waiting.insert(ticket, Waiter::Join(sender));
            inner.group.join(join, ticket, self.clock.now());
        });
        let (joined, place) =
            answer.await.map_err(|_| refused(ResponseError::CoordinatorNotAvailable))?;
        settle(place).await.map_err(refused)?;
        joined
    }

    pub(crate) async fn sync(
        self: &Arc<Self>,
        group: &str,
        sync: Sync,
    ) -> Result<Synced, ResponseError> {
        let cell = self.get(group).ok_or(ResponseError::UnknownMemberId)?;
        let (sender, answer) = oneshot::channel();
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        self.drive(&cell, |inner| {
            inner.waiting.insert(ticket, Waiter::Sync(sender));
            inner.group.sync(sync, ticket, self.clock.now());
        });
        let (synced, place) = answer.await.map_err(|_| ResponseError::CoordinatorNotAvailable)?;
        settle(place).await?;
        synced
    }

    pub(crate) fn heartbeat(
        self: &Arc<Self>,
        group: &str,
        who: &Committer,
    ) -> Result<(), ResponseError> {
        let cell = self.get(group).ok_or(ResponseError::UnknownMemberId)?;
        let mut inner = cell.lock();
        let now = self.clock.now();
        inner.group.heartbeat(&who.member_id, who.instance.as_deref(), who.generation, now)
    }

    pub(crate) fn leave(
        self: &Arc<Self>,
        group: &str,
        members: &[Leave],
    ) -> Vec<Result<(), ResponseError>> {
        let Some(cell) = self.get(group) else {
            return vec![Err(ResponseError::UnknownMemberId); members.len()];
        };
        self.drive(&cell, |inner| {
            members.iter().map(|leave| inner.group.leave(leave, self.clock.now())).collect()
        })
    }

    /// Commits offsets; done once they are durable. The append itself happens before the first
    /// await. Topics are not checked: that is the caller's.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        group: &str,
        who: &Committer,
        offsets: Vec<(String, i32, Committed)>,
    ) -> Result<(), ResponseError> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let cell = match self.get(group) {
            Some(cell) => cell,
            None if who.generation < 0 => self.get_or_create(group),
            None => return Err(ResponseError::IllegalGeneration),
        };
        let place = {
            let mut inner = cell.lock();
            let now = self.clock.now();
            let (member, instance) = (&who.member_id, who.instance.as_deref());
            inner.group.may_commit(member, instance, who.generation, now)?;
            let set = |(topic, partition, committed)| Change {
                topic,
                partition,
                committed: Some(committed),
            };
            self.record(&cell.id, &mut inner, offsets.into_iter().map(set).collect())?
        };
        self.settle_changes(&cell, place).await?;
        if let Some(partition) = self.store.rewrite_due(group) {
            tokio::spawn(Arc::clone(self).rewrite(partition));
        }
        Ok(())
    }

    fn record(
        &self,
        id: &str,
        inner: &mut Inner,
        changes: Vec<Change>,
    ) -> Result<Option<Place>, ResponseError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let place = self.store.append_changes(id, &changes, now_ms())?;
        inner.unsettled.push_back((place.clone(), changes));
        Ok(Some(place))
    }

    /// Waits for `place` and makes visible what is durable by then, in the order of the log.
    async fn settle_changes(
        &self,
        cell: &Arc<Cell>,
        place: Option<Place>,
    ) -> Result<(), ResponseError> {
        let Some(place) = place else { return Ok(()) };
        settle(Some(place.clone())).await?;
        let mut inner = cell.lock();
        while inner.unsettled.front().is_some_and(|(first, _)| first.offset <= place.offset) {
            let Some((_, changes)) = inner.unsettled.pop_front() else { break };
            apply(&mut inner.offsets, changes);
        }
        Ok(())
    }

    /// Gives the machine an input and carries its outputs to where they belong.
    fn drive<T>(self: &Arc<Self>, cell: &Arc<Cell>, input: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = cell.lock();
        let result = input(&mut inner);
        self.carry_outputs(cell, &mut inner);
        self.watch(cell, &mut inner);
        result
    }

    fn carry_outputs(&self, cell: &Cell, inner: &mut Inner) {
        let outputs = inner.group.take_outputs();
        let mut failed = None;
        if outputs.contains(&Output::Store) {
            let state = inner.group.snapshot();
            match self.store.append_group(&cell.id, &state, now_ms()) {
                Ok(place) => {
                    inner.stored = Some(place);
                    inner.stored_state = Some(state);
                }
                Err(error) => failed = Some(error),
            }
        }
        for output in outputs {
            match output {
                Output::Store => {}
                Output::Joined(ticket, answer) => {
                    let answer = match (failed, answer) {
                        (Some(error), Ok(joined)) => {
                            Err(JoinRefused { error, member_id: joined.member_id })
                        }
                        (_, answer) => answer,
                    };
                    if let Some(Waiter::Join(sender)) = inner.waiting.remove(&ticket) {
                        // Nobody listens any more: the client is gone.
                        let _ = sender.send((answer, inner.stored.clone()));
                    }
                }
                Output::Synced(ticket, answer) => {
                    let answer = failed.map_or(answer, Err);
                    if let Some(Waiter::Sync(sender)) = inner.waiting.remove(&ticket) {
                        let _ = sender.send((answer, inner.stored.clone()));
                    }
                }
            }
        }
    }

    /// Makes sure that somebody watches the timers, and that they look again.
    fn watch(self: &Arc<Self>, cell: &Arc<Cell>, inner: &mut Inner) {
        if inner.group.next_wakeup().is_none() {
            return;
        }
        cell.bell.notify_one();
        if !inner.watched {
            inner.watched = true;
            // Weak, so that a broker that was dropped does not live on in its timers.
            let (coordinator, cell) = (Arc::downgrade(self), Arc::clone(cell));
            let clock = self.clock;
            tokio::spawn(async move {
                while let Some(wakeup) = next_wakeup(&cell) {
                    let until = tokio::time::Instant::from_std(clock.instant_of(wakeup));
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = cell.bell.notified() => continue,
                    }
                    let Some(coordinator) = coordinator.upgrade() else { return };
                    let mut inner = cell.lock();
                    inner.group.tick(clock.now());
                    coordinator.carry_outputs(&cell, &mut inner);
                    drop(inner);
                    coordinator.forget_if_blank(&cell);
                }
            });
        }
    }

    /// Drops a group that was asked for and never came to anything, so that made-up names cost
    /// nothing for long.
    fn forget_if_blank(&self, cell: &Cell) {
        let mut cells = self.cells();
        let mut inner = cell.lock();
        let blank = inner.group.is_unused()
            && inner.group.generation() == 0
            && inner.offsets.is_empty()
            && inner.unsettled.is_empty();
        if blank {
            // Whoever holds the cell already is told to come again.
            inner.group.kill();
            cells.remove(&cell.id);
        }
    }

    /// Lets go of all who wait and stops the timers.
    pub(crate) fn stop(&self) {
        for (_, cell) in self.cells().drain() {
            let mut inner = cell.lock();
            inner.waiting.clear();
            inner.group = Group::new(self.settings.clone());
            cell.bell.notify_one();
        }
    }
}

/// None ends the watch; decided under the lock, so that no input falls between.
fn next_wakeup(cell: &Cell) -> Option<crate::groups::Moment> {
    let mut inner = cell.lock();
    let wakeup = inner.group.next_wakeup();
    inner.watched = wakeup.is_some();
    wakeup
}

async fn settle(place: Option<Place>) -> Result<(), ResponseError> {
    match place {
        Some(place) => place.wait().await,
        None => Ok(()),
    }
}

fn apply(offsets: &mut Offsets, changes: Vec<Change>) {
    for Change { topic, partition, committed } in changes {
        match committed {
            Some(committed) => {
                offsets.entry(topic).or_default().insert(partition, committed);
            }
            None => {
                let Some(partitions) = offsets.get_mut(&topic) else { continue };
                partitions.remove(&partition);
                if partitions.is_empty() {
                    offsets.remove(&topic);
                }
            }
        }
    }
}
