//! What an operator can do over HTTP: pause and resume, decide about a record that is stuck, have
//! the changed configuration taken. Each command is kept, done or refused, by each process that gets
//! it.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use forebay_gateway::{Handle, Order, Place, Snapshot};
use forebay_kafka::TopicPartition;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{App, Refusal, Scope, Scoped};
use crate::commands::About;
use crate::group;

pub(crate) type From = ConnectInfo<SocketAddr>;

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
    let scope = Scope::of(scope)?;
    let handle = app.find(name, &scope)?;
    let word = if order == Order::Pause { "pause" } else { "resume" };
    let own = obey(&handle, order).await.map(|snapshot| app.own(&handle, &snapshot));
    let (command, rest) = ((from, format!("{word} {name}")), format!("/{word}"));
    let sent = (rest.as_str(), json!({}));
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
    let handle = app.find(&name, &scope)?;
    let outcome = match group::elsewhere(&app, &handle, &scope, &partition).await {
        Err(refusal) => Err(refusal),
        Ok(Some(peer)) => {
            group::forward(&app, &handle, &peer, &format!("/records/{what}"), sent).await
        }
        Ok(None) => decide_here(&app, &handle, order).await,
    };
    app.commands.keep(from, About::Subscription(&handle), command, outcome).map(Json)
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
        Ok(reloaded) => Ok(Json(json!(reloaded))),
        Err(error) => Err(Refusal::Conflict(error)),
    };
    app.commands.keep(from, About::Process(&app.handles.all()), "reload".to_owned(), outcome)
}
