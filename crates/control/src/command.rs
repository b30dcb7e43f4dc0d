//! What an operator can do over HTTP: pause and resume, decide about a record that is stuck, have
//! the changed configuration taken. Each command is recorded, done or refused, by each process that
//! gets it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use forebay_gateway::{Handle, Order, Place, Snapshot};
use forebay_kafka::TopicPartition;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{App, Refusal, Scope, Scoped};
use crate::group;

/// Commands that are remembered.
const RECORDED_MAX: usize = 1_000;

/// A command that was given, as `GET /api/v1/commands` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recorded {
    at_ms: u64,
    from: String,
    command: String,
    outcome: String,
}

/// The last commands, the oldest first.
#[derive(Default)]
pub(crate) struct Record(Mutex<VecDeque<Recorded>>);

impl Record {
    pub(crate) fn all(&self) -> Vec<Recorded> {
        self.lock().iter().cloned().collect()
    }

    /// Keeps the outcome, says it in the log, and hands it on.
    pub(crate) fn keep<T>(
        &self,
        from: SocketAddr,
        command: String,
        outcome: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let words = match &outcome {
            Ok(_) => "done".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        match &outcome {
            Ok(_) => tracing::info!("{from} commands: {command}: done"),
            Err(_) => tracing::warn!("{from} commands: {command}: refused: {words}"),
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| since.as_millis() as u64);
        let mut kept = self.lock();
        if kept.len() == RECORDED_MAX {
            kept.pop_front();
        }
        kept.push_back(Recorded { at_ms, from: from.to_string(), command, outcome: words });
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Recorded>> {
        self.0.lock().expect("nothing that holds the lock panics")
    }
}

pub(crate) type From = ConnectInfo<SocketAddr>;

pub(crate) async fn recorded(State(app): State<App>) -> Json<Value> {
    Json(json!({ "commands": app.record.all() }))
}

pub(crate) async fn pause(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
    scope: Scoped,
) -> Result<Json<Value>, Refusal> {
    turn(&app, from, &name, scope, Order::Pause).await
}

pub(crate) async fn resume(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
    scope: Scoped,
) -> Result<Json<Value>, Refusal> {
    turn(&app, from, &name, scope, Order::Resume).await
}

async fn turn(
    app: &App,
    from: SocketAddr,
    name: &str,
    scope: Scoped,
    order: Order,
) -> Result<Json<Value>, Refusal> {
    let (scope, handle) = (Scope::of(scope)?, app.find(name)?);
    scope.check(&handle)?;
    let word = if order == Order::Pause { "pause" } else { "resume" };
    let own = obey(&handle, order).await.map(|snapshot| app.own(&handle, &snapshot));
    let (command, rest) = ((from, format!("{word} {name}")), format!("/{word}"));
    let sent = (rest.as_str(), Value::Null);
    group::everywhere(app, &handle, &scope, own, command, sent).await.map(Json)
}

/// A record that waits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    topic: String,
    partition: i32,
    offset: i64,
}

pub(crate) async fn decide(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path((name, what)): Path<(String, String)>,
    scope: Scoped,
    body: Result<Json<Which>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let scope = Scope::of(scope)?;
    let Json(Which { topic, partition, offset }) = body?;
    let sent = json!({ "topic": topic, "partition": partition, "offset": offset });
    let command = format!("{what} {name}: {topic}-{partition} offset {offset}");
    let partition = TopicPartition::new(topic, partition);
    let place = Place { partition: partition.clone(), offset };
    let order = match what.as_str() {
        "retry" => Order::Retry(place),
        "skip" => Order::Skip(place),
        "dead-letter" => Order::DeadLetter(place),
        _ => {
            let message = format!("`{what}` is none of retry, skip, dead-letter");
            return Err(Refusal::Invalid(message));
        }
    };
    let handle = app.find(&name)?;
    scope.check(&handle)?;
    let outcome = match group::elsewhere(&app, &handle, &scope, &partition).await {
        Err(refusal) => Err(refusal),
        Ok(Some(peer)) => {
            group::forward(&app, &handle, &peer, &format!("/records/{what}"), sent).await
        }
        Ok(None) => decide_here(&app, &handle, order).await,
    };
    app.record.keep(from, command, outcome).map(Json)
}

/// The subscription after a decision about one of its records; `waits_for`: why a record that is to
/// be delivered is not delivered yet.
async fn decide_here(app: &App, handle: &Handle, order: Order) -> Result<Value, Refusal> {
    let retries = matches!(order, Order::Retry(_));
    let snapshot = obey(handle, order).await?;
    let mut shown = app.own(handle, &snapshot);
    if retries && (snapshot.paused || snapshot.overdrawn) {
        shown["waits_for"] = json!("nothing is sent before `resume`");
    }
    Ok(shown)
}

async fn obey(handle: &Handle, order: Order) -> Result<Snapshot, Refusal> {
    handle.operate(order).await?.map_err(|error| Refusal::Conflict(error.to_string()))?;
    Ok(handle.snapshot().await?)
}

/// Has the configuration read again, as SIGHUP does.
pub(crate) async fn reload(
    State(app): State<App>,
    ConnectInfo(from): From,
) -> Result<Json<Value>, Refusal> {
    let outcome = match app.reload().await {
        Ok(changes) => Ok(Json(json!({ "changes": changes }))),
        Err(error) => Err(Refusal::Conflict(error)),
    };
    app.record.keep(from, "reload".to_owned(), outcome)
}
