//! One answer of what several processes say of a subscription. Pure: JSON in, JSON out.
//!
//! It works on JSON and not on types, so that what a newer process shows passes through. What is
//! counted is summed, lists are joined and say whose each entry is, and what holds one process holds
//! the answer; the rest is as the process that was asked has it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::whom::{At, Peer};

/// Records in trouble that are shown.
const TROUBLES_MAX: usize = 20;

const SUMS: &[&str] = &[
    "/lag",
    "/in_flight",
    "/in_flight_max",
    "/in_flight_limit",
    "/overloads",
    "/settled_per_second",
    "/parked",
    "/troubled",
    "/dead_letters/written",
    "/dead_letters/failed",
    "/park/written",
    "/park/failed",
];
/// What one process may be without.
const FIRSTS: &[&str] = &["/dead_letters/error", "/park/error", "/discovery_error"];
const LISTS: &[&str] = &["partitions", "endpoints", "troubles"];
/// So of all where it is so of one.
const FLAGS: &[&str] = &["paused", "lag_partial"];
const SETS: &[&str] = &["held_by", "foreign_members"];

/// What a process shows of itself alone, with its name at all that is its own.
pub(crate) fn own(mut shown: Value, instance: &str, address: Option<&str>) -> Value {
    for list in LISTS {
        for entry in shown[*list].as_array_mut().into_iter().flatten() {
            entry["instance"] = json!(instance);
        }
    }
    let rows = shown["partitions"].as_array().into_iter().flatten();
    let partitions: Vec<Value> =
        rows.map(|row| json!({ "topic": row["topic"], "partition": row["partition"] })).collect();
    let mut process = json!({
        "instance": instance,
        "address": address.map(|address| format!("http://{address}")),
        "partitions": partitions,
    });
    for name in ["kafka", "kafka_reason", "paused", "held_by", "lag", "lag_partial", "in_flight"] {
        if let Some(value) = shown.get(name) {
            process[name] = value.clone();
        }
    }
    shown["processes"] = json!([process]);
    shown
}

/// What a process shows of itself, unless it is somebody else who answers at its address.
pub(crate) fn shown_by(peer: &Peer, shown: Value) -> Result<Value, String> {
    match is_by(peer, &shown) {
        true => Ok(shown),
        false => Err("what answers there is no process of this group".to_owned()),
    }
}

/// Whether it is this process that shows itself.
pub(crate) fn is_by(peer: &Peer, shown: &Value) -> bool {
    let mut processes = list(&shown["processes"]).iter();
    processes.any(|process| process["instance"] == peer.instance)
}

/// Adds what another process shows of itself.
pub(crate) fn add(into: &mut Value, from: &Value) {
    // Before the sums: whoever is further behind says what caps throughput.
    if from["lag"].as_i64() > into["lag"].as_i64() {
        into["bottleneck"] = from["bottleneck"].clone();
    }
    for path in SUMS {
        if let (Some(sum), Some(more)) = (into.pointer(path), from.pointer(path)) {
            let sum = plus(sum, more);
            put(into, path, sum);
        }
    }
    for (name, more) in from["deliveries"].as_object().into_iter().flatten() {
        into["deliveries"][name] = plus(&into["deliveries"][name], more);
    }
    for path in FIRSTS {
        let missing = into.pointer(path).is_none_or(Value::is_null);
        if let Some(value) = from.pointer(path).filter(|_| missing) {
            put(into, path, value.clone());
        }
    }
    for name in SETS {
        let all: Vec<&Value> = [&*into, from].into_iter().flat_map(|it| list(&it[*name])).collect();
        let all: BTreeSet<&str> = all.into_iter().filter_map(Value::as_str).collect();
        if !all.is_empty() {
            into[*name] = json!(all);
        }
    }
    for name in FLAGS {
        into[*name] = json!(into[*name] == true || from[*name] == true);
    }
    hold(into, from);
    for name in LISTS.iter().chain(&["processes"]) {
        let more = list(&from[*name]).to_vec();
        match into[*name].as_array_mut() {
            Some(all) => all.extend(more),
            None => into[*name] = json!(more),
        }
    }
    order(into);
}

/// Adds a process that did not answer, and why. The lag of what it has is not known.
pub(crate) fn add_silent(into: &mut Value, peer: &Peer, why: &str) {
    if peer.partitions.as_ref().is_none_or(|rows| !rows.is_empty()) {
        into["lag_partial"] = json!(true);
    }
    let rows = peer.partitions.iter().flatten();
    let partitions: Vec<Value> =
        rows.map(|row| json!({ "topic": &*row.topic, "partition": row.partition })).collect();
    let mut process = Map::new();
    process.insert("instance".into(), json!(peer.instance));
    let address = match &peer.at {
        At::Address(address) => json!(format!("http://{address}")),
        At::Ended | At::Unknown(_) => Value::Null,
    };
    process.insert("address".into(), address);
    process.insert("partitions".into(), json!(partitions));
    process.insert("error".into(), json!(why));
    if let Some(processes) = into["processes"].as_array_mut() {
        processes.push(process.into());
    }
}

/// Why it sends nothing, each reason once.
fn hold(into: &mut Value, from: &Value) {
    let Some(more) = from["held"].as_str() else { return };
    let mut parts: Vec<&str> =
        into["held"].as_str().map_or(vec![], |held| held.split("; ").collect());
    for part in more.split("; ") {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    into["held"] = json!(parts.join("; "));
}

/// Partitions by name, of troubles the oldest.
fn order(shown: &mut Value) {
    if let Some(rows) = shown["partitions"].as_array_mut() {
        rows.sort_by(|one, other| {
            let key =
                |row: &Value| (row["topic"].as_str().map(str::to_owned), row["partition"].as_i64());
            key(one).cmp(&key(other))
        });
    }
    if let Some(rows) = shown["troubles"].as_array_mut() {
        rows.sort_by_key(|row| std::cmp::Reverse(row["age_ms"].as_u64()));
        rows.truncate(TROUBLES_MAX);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn plus(one: &Value, other: &Value) -> Value {
    let whole = |value: &Value| value.as_i64().unwrap_or(0);
    json!(whole(one).saturating_add(whole(other)))
}

/// Sets what a path of one or two names leads to.
fn put(into: &mut Value, path: &str, value: Value) {
    let mut names = path.trim_start_matches('/').split('/');
    match (names.next(), names.next()) {
        (Some(name), None) => into[name] = value,
        (Some(outer), Some(inner)) if into[outer].is_object() => into[outer][inner] = value,
        _ => {}
    }
}

#[cfg(test)]
mod tests;
