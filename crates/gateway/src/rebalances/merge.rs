//! What several consumers saw of their group's rebalances, as one list. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::Instant;
use forebay_kafka::TopicPartition;

use super::{Cause, HEARD, KEPT, RebalanceSnapshot, Transit};

/// What several consumers saw, each newest first, as one. What two of them saw at about the same time
/// of one generation is one rebalance.
pub(crate) fn merged(all: Vec<Vec<RebalanceSnapshot>>) -> Vec<RebalanceSnapshot> {
    let mut merged: Vec<RebalanceSnapshot> = Vec::new();
    for seen in all {
        // What one consumer saw apart stays apart.
        let mut of_others = merged.len();
        for one in seen {
            let apart = |known: &RebalanceSnapshot| known.at_ms.abs_diff(one.at_ms);
            let same = |known: &RebalanceSnapshot| {
                one.generation.is_some()
                    && known.generation == one.generation
                    && Duration::from_millis(apart(known)) < HEARD
            };
            let others = merged[..of_others].iter().enumerate();
            let nearest = others.filter(|(_, known)| same(known)).min_by_key(|(_, it)| apart(it));
            let Some((at, _)) = nearest else {
                merged.push(one);
                continue;
            };
            of_others -= 1;
            merged.swap(at, of_others);
            merged[of_others].join(one);
        }
    }
    merged.sort_by_key(|one| std::cmp::Reverse(one.at_ms));
    merged.truncate(KEPT);
    merged
}

/// What all consumers saw as people are shown it: newest first, a generation at each, and a partition
/// that went from one of them to another stood still until that one fetched it.
pub(crate) fn whole(all: Vec<Vec<RebalanceSnapshot>>, transit: &Transit) -> Vec<RebalanceSnapshot> {
    let mut whole = merged(all);
    let mut latest = None;
    for one in whole.iter_mut().rev() {
        latest = latest.max(one.generation);
        // Whoever leaves, or lost its session, did so in the one that there was.
        one.generation = one.generation.or(latest);
    }
    let mut came: BTreeMap<(TopicPartition, Instant), Option<Duration>> = BTreeMap::new();
    for moved in whole.iter().flat_map(|one| &one.gained) {
        // Of several that had it on the way, the one that has it still tells, or had it longest.
        let still = came.entry((moved.partition.clone(), moved.since)).or_insert(moved.still);
        *still = still.zip(moved.still).map(|(one, other)| one.max(other));
    }
    for moved in whole.iter_mut().flat_map(|one| &mut one.lost) {
        match came.get(&(moved.partition.clone(), moved.since)) {
            Some(still) => moved.still = *still,
            None if transit.has(&moved.partition, moved.since) => moved.still = None,
            None => {}
        }
    }
    whole.sort_by_key(|one| std::cmp::Reverse((one.generation, one.at_ms)));
    whole
}

impl RebalanceSnapshot {
    /// Whoever saw more in it than that others came or went knows the cause.
    fn join(&mut self, other: Self) {
        self.at_ms = self.at_ms.min(other.at_ms);
        let causes = [self.cause, other.cause].into_iter();
        self.cause = causes.filter(|it| *it != Cause::Members).min().unwrap_or(Cause::Members);
        self.lost.extend(other.lost);
        self.gained.extend(other.gained);
    }
}

#[cfg(test)]
mod tests;
