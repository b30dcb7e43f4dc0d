//! `GET /api/v1/rebalances`: the latest rebalances of every subscription of this process.

use axum::Json;
use axum::extract::State;
use forebay_gateway::{Moved, RebalanceSnapshot};
use serde::Serialize;

use crate::api::App;

#[derive(Serialize)]
pub(crate) struct List {
    rebalances: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    subscription: String,
    group: String,
    at_ms: i64,
    cause: &'static str,
    generation: Option<i32>,
    lost: Vec<Partition>,
    gained: Vec<Partition>,
    /// Of those whose stillness has ended.
    longest_still_ms: u64,
}

#[derive(Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    /// None while it stands still.
    still_ms: Option<u64>,
}

/// Newest first.
pub(crate) async fn rebalances(State(app): State<App>) -> Json<List> {
    let mut all = Vec::new();
    for handle in app.handles.all() {
        // One that has stopped has nothing to show.
        let (Ok(kept), Ok(snapshot)) = (handle.rebalances().await, handle.snapshot().await) else {
            continue;
        };
        all.extend(kept.iter().map(|one| shown(&snapshot.name, &snapshot.group, one)));
    }
    // The order of one subscription's stays.
    all.sort_by_key(|one| std::cmp::Reverse(one.at_ms));
    Json(List { rebalances: all })
}

fn shown(subscription: &str, group: &str, one: &RebalanceSnapshot) -> Shown {
    let stills = one.lost.iter().chain(&one.gained).filter_map(|moved| moved.still);
    Shown {
        subscription: subscription.to_owned(),
        group: group.to_owned(),
        at_ms: one.at_ms,
        cause: one.cause.name(),
        generation: one.generation,
        lost: one.lost.iter().map(partition).collect(),
        gained: one.gained.iter().map(partition).collect(),
        longest_still_ms: stills.max().map_or(0, |still| still.as_millis() as u64),
    }
}

fn partition(moved: &Moved) -> Partition {
    Partition {
        topic: moved.partition.topic.to_string(),
        partition: moved.partition.partition,
        still_ms: moved.still.map(|still| still.as_millis() as u64),
    }
}
