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
    app.record.keep(from, command, outcome)
}

/// What became of a command that all were given: done by all, or where it was and where not.
fn outcome(
    command: &str,
    instance: &str,
    own: Result<Value, Refusal>,
    told: Vec<(Peer, Told)>,
) -> Result<Value, Refusal> {
    if told.is_empty() {
        return own;
    }
    let (mut done, mut undone, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut row = |name: &str, why: Option<&str>| {
        rows.push(json!({ "instance": name, "done": why.is_none(), "error": why }));
    };
    let mut merged = match own {
        Ok(shown) => {
            done.push(instance.to_owned());
            row(instance, None);
            Some(shown)
        }
        Err(refusal) => {
            undone.push(format!("{instance}: {refusal}"));
            row(instance, Some(&refusal.to_string()));
            None
        }
    };
    for (peer, told) in told {
        match told {
            Told::Answered(StatusCode::OK, more) => {
                done.push(peer.instance.clone());
                row(&peer.instance, None);
                match &mut merged {
                    Some(shown) => merge::add(shown, &more),
                    None => merged = Some(more),
                }
            }
            // What has ended needs no telling.
            Told::Unsent(why) if peer.at == At::Ended => {
                if let Some(shown) = &mut merged {
                    merge::add_silent(shown, &peer, &peer.ask(&why));
                }
            }
            Told::Answered(status, body) => {
                let why = refusal(status, &body);
                undone.push(peer.ask(&why));
                row(&peer.instance, Some(&why));
            }
            Told::Unsent(why) => {
                undone.push(peer.ask(&why));
                row(&peer.instance, Some(&why));
            }
            Told::Unknown(why) => {
                let why = format!("{why}; it may be done there");
                undone.push(peer.ask(&why));
                row(&peer.instance, Some(&why));
            }
        }
    }
    match merged.filter(|_| undone.is_empty()) {
        Some(shown) => Ok(shown),
        None => {
            let done = if done.is_empty() { "nowhere".to_owned() } else { done.join(", ") };
            let error = format!("`{command}`: done in {done}; not in {}", undone.join("; nor in "))
                .replace("done in nowhere; not in", "done nowhere:");
            Err(Refusal::Unfinished { error, processes: json!(rows) })
        }
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
