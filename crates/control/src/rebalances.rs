//! `GET /api/v1/rebalances`: the latest rebalances of every subscription of this process.

use std::collections::VecDeque;

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
    let mut lists = Vec::new();
    for handle in app.handles.all() {
        // One that has stopped has nothing to show.
        let (Ok(kept), Ok(snapshot)) = (handle.rebalances().await, handle.snapshot().await) else {
            continue;
        };
        let kept = kept.iter().map(|one| shown(&snapshot.name, &snapshot.group, one));
        lists.push(kept.collect());
    }
    Json(List { rebalances: newest_first(lists) })
}

/// The order of one subscription's stays, for a generation may be heard of late.
fn newest_first(lists: Vec<Vec<Shown>>) -> Vec<Shown> {
    let mut lists: Vec<VecDeque<Shown>> = lists.into_iter().map(VecDeque::from).collect();
    let at = |list: &VecDeque<Shown>| list.front().map(|one| one.at_ms);
    let next = move || lists.iter_mut().max_by_key(|list| at(list))?.pop_front();
    std::iter::from_fn(next).collect()
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

#[cfg(test)]
mod tests {
    use forebay_gateway::Cause;

    use super::*;

    #[test]
    fn all_are_shown_newest_first_and_each_subscription_in_its_own_order() {
        let one = |name, at_ms| {
            let (lost, gained) = (Vec::new(), Vec::new());
            let cause = Cause::Members;
            shown(name, "g", &RebalanceSnapshot { at_ms, cause, generation: None, lost, gained })
        };
        let lists = vec![
            vec![one("a", 30), one("a", 10)],
            Vec::new(),
            // It heard late of what came before.
            vec![one("b", 20), one("b", 25)],
        ];
        let all = newest_first(lists);
        let order: Vec<_> = all.iter().map(|it| (&*it.subscription, it.at_ms)).collect();
        assert_eq!(order, [("a", 30), ("b", 20), ("b", 25), ("a", 10)]);
    }
}
