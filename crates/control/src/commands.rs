//! The commands that operators gave: remembered here, kept in `__forebay`, where they outlive the
//! process, and shown for the whole group.
//!
//! A command waits for no writing, and none fails for it. What can't be written is tried again, which
//! is said once; it is shown by this process meanwhile, of which no more than the last
//! [`REMEMBERED_MAX`] are. A process that is given no command writes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use forebay_gateway::Handle;
use forebay_kafka::{CommandRings, KafkaError, Membership, Properties};
use forebay_wire::Command;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::api::{App, Refusal, Scope, Scoped};
use crate::blocking::blocking;
use crate::peers::{lock, now_ms, whom};

/// Commands that are remembered here.
const REMEMBERED_MAX: usize = 1_000;
/// Commands that are shown at most.
const SHOWN_MAX: usize = 1_000;
/// Commands that are written at once.
const WRITTEN_MAX: usize = 100;
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long it may take to read what is kept.
const READ: Duration = Duration::from_secs(10);

/// The commands of this process, and how to find those of its groups.
#[derive(Clone, Default)]
pub struct Commands(Arc<Inner>);

#[derive(Default)]
struct Inner {
    given: Mutex<Given>,
    /// Told of each that is given.
    more: Notify,
    /// Held by the one who writes.
    rings: Mutex<CommandRings>,
    /// Held by the one who reads.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// What this process was given, the oldest first.
#[derive(Default)]
struct Given {
    all: VecDeque<Entry>,
    /// How many came before the first of them.
    forgotten: u64,
    /// How many, of all that ever came, are written or will never be.
    kept: u64,
    /// Why the others can't be written, while it is so.
    failed: Option<String>,
}

#[derive(Clone)]
struct Entry {
    command: Command,
    /// Where it is kept, and by what; none where the process is in no group.
    memberships: Vec<Membership>,
    properties: Option<Arc<Properties>>,
}

/// What a command is about.
pub(crate) enum About<'a> {
    Subscription(&'a Handle),
    Process(&'a [Handle]),
}

impl Commands {
    /// Keeps the outcome, says it in the log, and hands it on.
    pub(crate) fn keep<T>(
        &self,
        from: SocketAddr,
        about: About<'_>,
        command: String,
        outcome: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let words = match &outcome {
            Ok(_) => {
                tracing::info!("{from} commands: {command}: done");
                "done".to_owned()
            }
            Err(refusal) => {
                let refusal = one_line(&refusal.to_string());
                tracing::warn!("{from} commands: {command}: refused: {refusal}");
                format!("refused: {refusal}")
            }
        };
        lock(&self.0.given).push(Entry::new(from, about, command, words));
        self.0.more.notify_one();
        outcome
    }

    /// Writes what is given, again and again. Never ends.
    pub(crate) async fn write_forever(&self) {
        loop {
            match self.flush().await {
                true => self.0.more.notified().await,
                false => tokio::time::sleep(AFTER_FAILURE).await,
            }
        }
    }

    /// Writes what is not written yet, and says whether all of it is.
    pub async fn flush(&self) -> bool {
        loop {
            let inner = self.0.clone();
            match blocking(move || inner.write_some()).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => return false,
            }
        }
    }

    /// Those that are about one of these subscriptions, by whether they are kept; with what is
    /// missing, in words.
    async fn shown(&self, handles: &[Handle], alone: bool) -> (Vec<Value>, Option<String>) {
        let (mut all, mut missing) = (BTreeMap::new(), Vec::new());
        match if alone { Ok(BTreeSet::new()) } else { self.read(handles).await } {
            Ok(kept) => all.extend(kept.into_iter().map(|command| (command, true))),
            Err(why) => missing.push(format!(
                "what other processes were told, and this one before it began, is not shown: {why}"
            )),
        }
        let given = lock(&self.0.given);
        for (entry, is_kept) in given.about(handles) {
            *all.entry(entry.command.clone()).or_default() |= is_kept;
        }
        if let Some(why) = &given.failed {
            missing.push(format!("not all that this process was told is in __forebay: {why}"));
        }
        let row = |(command, is_kept): (Command, bool)| {
            let mut row = serde_json::to_value(command).expect("numbers and texts");
            row["kept"] = json!(is_kept);
            row
        };
        let too_many = all.len().saturating_sub(SHOWN_MAX);
        let rows = all.into_iter().skip(too_many).map(row).collect();
        (rows, (!missing.is_empty()).then(|| missing.join("; ")))
    }

    async fn read(&self, handles: &[Handle]) -> Result<BTreeSet<Command>, String> {
        let Some(first) = handles.first() else { return Ok(BTreeSet::new()) };
        let properties = first.properties().clone();
        let groups = handles.iter().map(|handle| handle.group().to_owned()).collect();
        let reading = self.0.reading.clone();
        // It goes on when nobody waits any more, so that one at a time reads.
        let read = tokio::spawn(async move {
            let _one = reading.lock_owned().await;
            blocking(move || forebay_kafka::commands(&properties, &groups, SHOWN_MAX)).await
        });
        match tokio::time::timeout(READ, read).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err("the process is about to end".to_owned()),
            Err(_) => Err(format!("__forebay was not read within {READ:?}")),
        }
    }
}

/// Without the lines that show where something stands: those are indented.
fn one_line(words: &str) -> String {
    let lines = words.lines().filter(|line| !line.starts_with(' '));
    lines.collect::<Vec<_>>().join("; ")
}

impl Inner {
    /// Writes some, and says whether that was all. It blocks.
    fn write_some(&self) -> Result<bool, KafkaError> {
        let mut rings = lock(&self.rings);
        let (first, some) = lock(&self.given).unkept();
        let rows: Vec<(Membership, Command)> = some
            .iter()
            .flat_map(|Entry { command, memberships, .. }| {
                memberships.iter().map(|of| (of.clone(), command.clone()))
            })
            .collect();
        let written = match some.iter().find_map(|entry| entry.properties.clone()) {
            Some(properties) => rings.write(&properties, &rows),
            None => Ok(()),
        };
        let mut given = lock(&self.given);
        match &written {
            Ok(()) => {
                given.kept = first + some.len() as u64;
                if given.failed.take().is_some() {
                    tracing::info!("commands are kept in __forebay again");
                }
            }
            Err(error) => {
                if given.failed.replace(error.to_string()).is_none() {
                    tracing::warn!(
                        "commands are remembered by this process alone: {error}; trying on"
                    );
                }
            }
        }
        written.map(|()| some.is_empty())
    }
}

impl Given {
    /// Its time is later than that of the one before, so that those who sort by it keep the order.
    fn push(&mut self, mut entry: Entry) {
        if let Some(last) = self.all.back() {
            entry.command.at_ms = entry.command.at_ms.max(last.command.at_ms + 1);
        }
        if self.all.len() == REMEMBERED_MAX {
            self.all.pop_front();
            self.forgotten += 1;
        }
        self.all.push_back(entry);
    }

    /// The first of those that are not written, with their number; and the number of the first.
    fn unkept(&self) -> (u64, Vec<Entry>) {
        let first = self.kept.max(self.forgotten);
        let before = (first - self.forgotten) as usize;
        (first, self.all.iter().skip(before).take(WRITTEN_MAX).cloned().collect())
    }

    /// Those about one of these, and whether they are kept.
    fn about(&self, handles: &[Handle]) -> impl Iterator<Item = (&Entry, bool)> {
        let numbered = (self.forgotten..).zip(&self.all);
        numbered.filter_map(|(number, entry)| {
            let of =
                |handle: &Handle| entry.memberships.iter().any(|it| it.group == handle.group());
            let is_about = entry.memberships.is_empty() || handles.iter().any(of);
            is_about.then_some((entry, number < self.kept && !entry.memberships.is_empty()))
        })
    }
}

impl Entry {
    fn new(from: SocketAddr, about: About<'_>, command: String, outcome: String) -> Self {
        let (handles, subscription) = match about {
            About::Subscription(handle) => (std::slice::from_ref(handle), Some(handle.name())),
            About::Process(handles) => (handles, None),
        };
        let instance = |handle: &Handle| whom::instance(handle.instance_id(), handle.name());
        let membership = |handle: &Handle| Membership {
            group: handle.group().to_owned(),
            instance_id: handle.instance_id().to_owned(),
        };
        let command = Command {
            at_ms: now_ms(),
            instance: handles.first().map(instance).unwrap_or_default(),
            subscription: subscription.map(str::to_owned),
            from: from.to_string(),
            command,
            outcome,
        };
        Self {
            command: command.cut(),
            memberships: handles.iter().map(membership).collect(),
            properties: handles.first().map(|handle| handle.properties().clone()),
        }
    }
}

/// Those of all subscriptions of this process, as their groups were given them.
pub(crate) async fn all(State(app): State<App>, scope: Scoped) -> Result<Json<Value>, Refusal> {
    Ok(Json(answer(&app, &app.handles.all(), &Scope::of(scope)?).await))
}

/// Those of one.
pub(crate) async fn of_one(
    State(app): State<App>,
    Path(name): Path<String>,
    scope: Scoped,
) -> Result<Json<Value>, Refusal> {
    let scope = Scope::of(scope)?;
    let handle = app.find(&name, &scope)?;
    Ok(Json(answer(&app, &[handle], &scope).await))
}

async fn answer(app: &App, handles: &[Handle], scope: &Scope) -> Value {
    let (commands, missing) = app.commands.shown(handles, scope.is_process()).await;
    let mut answer = json!({ "commands": commands });
    if let Some(missing) = missing {
        answer["missing"] = json!(missing);
    }
    answer
}

#[cfg(test)]
mod tests;
