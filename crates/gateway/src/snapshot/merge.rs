//! What the consumers of one subscription show, as one. Pure.
//!
//! What is counted is summed, lists are joined, and what holds one of them holds the subscription. A
//! partition and an endpoint are there once: a partition as the one shows it who took it last, an
//! endpoint as the one does who finds most fault with it. What is configured all have alike.

use std::collections::BTreeMap;

use forebay_core::{CapTimes, EndpointState};

use super::{EndpointSnapshot, KafkaState, PartitionSnapshot, Snapshot, sum};
use crate::handle::Ended;
use crate::rebalances::{self, RebalanceCounts, RebalanceSnapshot};

/// Records in trouble that are shown.
const TROUBLES_MAX: usize = 20;

/// What those counted that have ended.
#[derive(Default)]
pub(crate) struct Past {
    counts: forebay_core::Counts,
    overloads: u64,
    assignments: u64,
    rebalanced: RebalanceCounts,
    capped: CapTimes,
    pub(crate) rebalances: Vec<RebalanceSnapshot>,
}

impl Past {
    pub(crate) fn add(&mut self, ended: Ended) {
        let Ended { snapshot, rebalances } = ended;
        self.counts.add(&snapshot.counts);
        self.overloads += snapshot.overloads;
        self.assignments += snapshot.assignments;
        self.rebalanced.add(&snapshot.rebalances);
        // What it had is another's by now.
        self.rebalanced.still_now = 0;
        sum(&mut self.capped, &snapshot.caps.times);
        let kept = std::mem::take(&mut self.rebalances);
        self.rebalances = rebalances::merged(vec![kept, rebalances]);
    }
}

/// None where none of them runs.
pub(crate) fn merged(all: Vec<Snapshot>, past: &Past) -> Option<Snapshot> {
    let count = all.len();
    let mut all = all.into_iter();
    let mut one = all.next()?;
    all.for_each(|more| add(&mut one, more));
    if count > 1 {
        one.partitions = newest(one.partitions);
        one.endpoints = by_url(one.endpoints);
        one.troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.age));
        one.troubles.truncate(TROUBLES_MAX);
    }
    one.counts.add(&past.counts);
    one.overloads += past.overloads;
    one.assignments += past.assignments;
    one.rebalances.add(&past.rebalanced);
    sum(&mut one.caps.times, &past.capped);
    Some(one)
}

fn add(one: &mut Snapshot, more: Snapshot) {
    if rank(&more.kafka) > rank(&one.kafka) {
        one.kafka = more.kafka;
    }
    one.reading &= more.reading;
    one.partitions.extend(more.partitions);
    one.lag_partial |= more.lag_partial;
    one.endpoints.extend(more.endpoints);
    one.discovery_fails = one.discovery_fails.take().or(more.discovery_fails);
    one.counts.add(&more.counts);
    one.in_flight += more.in_flight;
    one.in_flight_max += more.in_flight_max;
    one.in_flight_limit += more.in_flight_limit;
    one.overloads += more.overloads;
    for held in more.held {
        if one.held.iter().all(|known| known.by != held.by) {
            one.held.push(held);
        }
    }
    one.paused |= more.paused;
    one.overdrawn |= more.overdrawn;
    one.caps.add(&more.caps);
    one.troubled += more.troubled;
    one.troubles.extend(more.troubles);
    one.dead_letters_fail = one.dead_letters_fail.take().or(more.dead_letters_fail);
    one.park_fails = one.park_fails.take().or(more.park_fails);
    one.settled_per_second += more.settled_per_second;
    one.assignments += more.assignments;
    one.rebalances.add(&more.rebalances);
    for member in more.foreign_members {
        if !one.foreign_members.contains(&member) {
            one.foreign_members.push(member);
        }
    }
}

/// How far from well.
const fn rank(state: &KafkaState) -> u8 {
    match state {
        KafkaState::Reachable => 0,
        KafkaState::Connecting => 1,
        KafkaState::Waiting { .. } => 2,
        KafkaState::Unreachable { .. } => 3,
        KafkaState::Unavailable { .. } => 4,
        KafkaState::Failed { .. } => 5,
    }
}

/// One that lost its session may not know yet that another has what it had.
fn newest(mut all: Vec<PartitionSnapshot>) -> Vec<PartitionSnapshot> {
    all.sort_by(|one, other| {
        one.partition.cmp(&other.partition).then(other.tenure.cmp(&one.tenure))
    });
    all.dedup_by(|later, kept| later.partition == kept.partition);
    all
}

/// In the order in which they are listed.
fn by_url(all: Vec<EndpointSnapshot>) -> Vec<EndpointSnapshot> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut merged: Vec<(EndpointSnapshot, u32)> = Vec::new();
    for endpoint in all {
        let measured = u32::from(!endpoint.latency.is_zero());
        let Some(place) = places.get(&endpoint.url) else {
            places.insert(endpoint.url.clone(), merged.len());
            merged.push((endpoint, measured));
            continue;
        };
        let (known, times) = &mut merged[*place];
        if fault(&endpoint.state) > fault(&known.state) {
            known.state = endpoint.state;
        }
        known.in_flight += endpoint.in_flight;
        known.limit += endpoint.limit;
        known.latency += endpoint.latency;
        *times += measured;
    }
    let mean = |(endpoint, times): (EndpointSnapshot, u32)| EndpointSnapshot {
        latency: endpoint.latency / times.max(1),
        ..endpoint
    };
    merged.into_iter().map(mean).collect()
}

const fn fault(state: &EndpointState) -> u8 {
    match state {
        EndpointState::Well => 0,
        EndpointState::Leaving => 1,
        EndpointState::Ejected { .. } => 2,
        EndpointState::AtFault { .. } => 3,
    }
}

#[cfg(test)]
mod tests;
