//! What is asked of one process and done by the whole group: each shows its part, gets each command
//! that is about the subscription, or the one about its partition.
//!
//! A process that can't be asked never makes a question fail; it is named, with its address and what
//! Kafka says it has. A command that was not done everywhere says where it was, and whom to ask.

use std::net::SocketAddr;

use axum::http::StatusCode;
use forebay_gateway::Handle;
use forebay_kafka::TopicPartition;
use serde_json::{Value, json};

use crate::api::{App, Refusal, Scope};
use crate::commands::About;
use crate::peers::whom::{self, At, Owner, Peer, Said};
use crate::peers::{Asked, Told, merge, refusal};

/// A subscription as the group has it, or this process `alone`.
pub(crate) async fn shown(app: &App, handle: &Handle, alone: bool) -> Result<Value, Refusal> {
    if alone {
        return Ok(app.own(handle, &handle.snapshot().await?));
    }
    let said = app.peers.ask_all(handle).await;
    let mut shown = app.own(handle, &handle.snapshot().await?);
    for (peer, said) in &said {
        match said {
            Ok(more) => merge::add(&mut shown, more),
            Err(why) => merge::add_silent(&mut shown, peer, &peer.ask(why)),
        }
    }
    note_unknown(app, handle, &mut shown);
    Ok(shown)
}

fn note_unknown(app: &App, handle: &Handle, shown: &mut Value) {
    if let Some(why) = app.peers.unknown(handle) {
        shown["processes_unknown"] = json!(why);
        shown["lag_partial"] = json!(true);
    }
}

/// Has the other processes do what this one did, unless it was asked to do it alone. `sent`: the
/// path behind the subscription's name, and the body.
pub(crate) async fn everywhere(
    app: &App,
    handle: &Handle,
    scope: &Scope,
    own: Result<Value, Refusal>,
    (from, command): (SocketAddr, String),
    (rest, body): (&str, Value),
) -> Result<Value, Refusal> {
    let outcome = match scope.is_process() {
        true => own,
        false => {
            let told = app.peers.tell_all(handle, Asked::command(rest, body)).await;
            let instance = whom::instance(handle.instance_id(), handle.name());
            outcome(&command, &instance, own, told).map(|mut shown| {
                note_unknown(app, handle, &mut shown);
                shown
            })
        }
    };
    app.commands.keep(from, About::Subscription(handle), command, outcome)
}

/// What became of a command that all were given: done by all, or where it was and where not.
fn outcome(
    command: &str,
    instance: &str,
    mut own: Result<Value, Refusal>,
    told: Vec<(Peer, Told)>,
) -> Result<Value, Refusal> {
    if told.is_empty() {
        return own;
    }
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    match &own {
        Ok(_) => done.push(instance.to_owned()),
        Err(refusal) => {
            let why = refusal.to_string();
            undone.push((instance.to_owned(), format!("{instance}: {why}"), why));
        }
    }
    for (peer, told) in told {
        match (ended(&peer, told), &mut own) {
            (Ok(more), own) => {
                if let Ok(shown) = own {
                    merge::add(shown, &more);
                }
                done.push(peer.instance);
            }
            // What has ended needs no telling.
            (Err(why), Ok(shown)) if peer.at == At::Ended => {
                merge::add_silent(shown, &peer, &peer.ask(&why));
            }
            (Err(why), _) => undone.push((peer.instance.clone(), peer.ask(&why), why)),
        }
    }
    if undone.is_empty() {
        return own;
    }
    let whom: Vec<&str> = undone.iter().map(|(_, ask, _)| ask.as_str()).collect();
    let error = match done.is_empty() {
        true => format!("`{command}`: done nowhere: {}", whom.join("; nor in ")),
        false => {
            format!("`{command}`: done in {}; not in {}", done.join(", "), whom.join("; nor in "))
        }
    };
    let mut processes: Vec<Value> =
        done.iter().map(|name| json!({ "instance": name, "done": true })).collect();
    processes.extend(
        undone
            .iter()
            .map(|(name, _, why)| json!({ "instance": name, "done": false, "error": why })),
    );
    Err(Refusal::Unfinished { error, processes: json!(processes) })
}

/// What a process shows after it did what it was told, or why it did not, as far as is known.
fn ended(peer: &Peer, told: Told) -> Result<Value, String> {
    match told {
        Told::Answered(StatusCode::OK, shown) => merge::shown_by(peer, shown),
        Told::Answered(status, body) => Err(refusal(status, &body)),
        Told::Unsent(why) => Err(why),
        Told::Unknown(why) => Err(format!("{why}; it may be done there")),
    }
}

/// The process that has a partition, where that is another than this.
pub(crate) async fn elsewhere(
    app: &App,
    handle: &Handle,
    scope: &Scope,
    partition: &TopicPartition,
) -> Result<Option<Peer>, Refusal> {
    let snapshot = handle.snapshot().await?;
    let is_ours = snapshot.partitions.iter().any(|held| held.partition == *partition);
    if scope.is_process() || is_ours {
        return Ok(None);
    }
    let said = app.peers.ask_all(handle).await;
    let fellows = handle.fellows();
    let undone = |error: String| Refusal::Unfinished { error, processes: silent(&said) };
    match whom::owner(partition, &said, fellows.as_deref()) {
        Owner::Peer(peer) => Ok(Some(peer.clone())),
        Owner::Unreachable(peer, why) => {
            let who = peer.ask(&why);
            Err(undone(format!("nothing was done: {partition} belongs to {who}")))
        }
        Owner::Foreign(who) => Err(Refusal::Conflict(format!(
            "{partition} belongs to a member of the group that is no gateway: {who}"
        ))),
        Owner::Unknown(who) => Err(undone(format!(
            "nothing was done: {partition} may belong to {}",
            who.join("; or to ")
        ))),
        // This process says best that it has not got it.
        Owner::Nobody if said.is_empty() => Ok(None),
        Owner::Nobody => Err(Refusal::Conflict(format!(
            "no process of the group has partition {partition} at the moment"
        ))),
    }
}

/// Has another process do it, and gives its answer.
pub(crate) async fn forward(
    app: &App,
    handle: &Handle,
    peer: &Peer,
    rest: &str,
    body: Value,
) -> Result<Value, Refusal> {
    let undone = |error: String| {
        let processes = json!([{ "instance": peer.instance, "done": false, "error": error }]);
        Refusal::Unfinished { error, processes }
    };
    match app.peers.tell(handle, peer, Asked::command(rest, body)).await {
        Told::Answered(StatusCode::OK, answer) => Ok(answer),
        Told::Answered(StatusCode::UNAUTHORIZED, body) => {
            let why = refusal(StatusCode::UNAUTHORIZED, &body);
            Err(undone(format!("nothing was done by {}", peer.ask(&why))))
        }
        Told::Answered(status, body) => {
            let error = format!("{}: {}", peer.instance, refusal(status, &body));
            Err(Refusal::ByPeer { status, error })
        }
        Told::Unsent(why) => Err(undone(format!("nothing was done by {}", peer.ask(&why)))),
        Told::Unknown(why) => Err(undone(format!("it may be done, or not, by {}", peer.ask(&why)))),
    }
}

/// Those who did not answer.
pub(crate) fn silent(said: &[(Peer, Said)]) -> Value {
    let silent = said.iter().filter_map(|(peer, said)| Some((peer, said.as_ref().err()?)));
    silent
        .map(|(peer, why)| json!({ "instance": peer.instance, "done": false, "error": why }))
        .collect()
}

#[cfg(test)]
mod tests;
