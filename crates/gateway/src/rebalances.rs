//! The rebalances of one subscription, as this process sees them: why, what went, what came, and
//! for how long each partition stood still.
//!
//! A partition that goes stands still from its revocation until it was drained and given back; what
//! its next owner does is not seen here. One that comes stands still until its records may be
//! fetched, from its assignment on, or from its loss where it comes back in the same rebalance. The
//! list is bounded; the counts are not.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forebay_core::Instant;
use forebay_kafka::{Rebalance, RebalanceCause, TopicPartition};

/// Rebalances that are kept, and partitions that moved in all of them together.
const KEPT: usize = 100;
const MOVES_KEPT: usize = 4_000;
/// What comes so long after something went is of the same rebalance; a drain lies between.
const TOGETHER: Duration = Duration::from_secs(90);

/// One rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebalanceSnapshot {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    pub cause: Cause,
    pub generation: Option<i32>,
    pub lost: Vec<Moved>,
    pub gained: Vec<Moved>,
}

/// A partition that went or came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub partition: TopicPartition,
    /// How long it stood still; none while it does.
    pub still: Option<Duration>,
}

/// Why the assignment of a subscription changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The process started.
    Start,
    /// The subscription came to a process that ran.
    SubscriptionAdded,
    /// We stopped.
    Stop,
    /// Another member came or went.
    Members,
    /// The group did not hear of us in time.
    SessionLost,
    /// Another process has our instance id, or the group refuses us for good.
    Fenced,
    /// A topic got partitions, came, went or was made anew.
    Partitions,
}

impl Cause {
    pub const ALL: [Self; 7] = [
        Self::Start,
        Self::SubscriptionAdded,
        Self::Stop,
        Self::Members,
        Self::SessionLost,
        Self::Fenced,
        Self::Partitions,
    ];

    /// As interfaces name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::SubscriptionAdded => "subscription_added",
            Self::Stop => "stop",
            Self::Members => "members",
            Self::SessionLost => "session_lost",
            Self::Fenced => "fenced",
            Self::Partitions => "partitions",
        }
    }
}

/// How often what caused a rebalance, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebalanceCounts {
    by_cause: BTreeMap<Cause, u64>,
    /// Time in which partitions stood still, added up.
    pub still: Duration,
    /// Partitions that stand still now.
    pub still_now: usize,
}

impl RebalanceCounts {
    /// Adds those that another consumer saw.
    pub(crate) fn add(&mut self, other: &Self) {
        for (cause, count) in &other.by_cause {
            *self.by_cause.entry(*cause).or_default() += count;
        }
        self.still += other.still;
        self.still_now += other.still_now;
    }

    pub fn of(&self, cause: Cause) -> u64 {
        self.by_cause.get(&cause).copied().unwrap_or(0)
    }

    pub fn all(&self) -> u64 {
        self.by_cause.values().sum()
    }
}

pub(crate) struct Rebalances {
    /// What a join is caused by.
    join: Cause,
    kept: VecDeque<RebalanceSnapshot>,
    /// When the newest began, while what comes belongs to it.
    open: Option<Instant>,
    counts: RebalanceCounts,
    /// Since when partitions stand still that are drained, and that come.
    going: BTreeMap<TopicPartition, Instant>,
    coming: BTreeMap<TopicPartition, Instant>,
    /// Since when those do that were lost in the newest rebalance, without a drain.
    gone: BTreeMap<TopicPartition, Instant>,
}

impl Rebalances {
    /// `added`: the subscription came to a process that ran.
    pub(crate) fn new(added: bool) -> Self {
        Self {
            join: if added { Cause::SubscriptionAdded } else { Cause::Start },
            kept: VecDeque::new(),
            open: None,
            counts: RebalanceCounts::default(),
            going: BTreeMap::new(),
            coming: BTreeMap::new(),
            gone: BTreeMap::new(),
        }
    }

    /// Newest first.
    pub(crate) fn kept(&self) -> Vec<RebalanceSnapshot> {
        self.kept.iter().rev().cloned().collect()
    }

    pub(crate) fn counts(&self) -> RebalanceCounts {
        let still_now = self.going.len() + self.coming.len();
        RebalanceCounts { still_now, ..self.counts.clone() }
    }

    /// A step of the group's; gives what is to be said of it, if anything moved.
    pub(crate) fn step(&mut self, step: Rebalance, now: Instant, wall_ms: i64) -> Option<String> {
        let cause = match step.cause {
            RebalanceCause::Join => self.join,
            RebalanceCause::Members => Cause::Members,
            RebalanceCause::SessionLost => Cause::SessionLost,
            RebalanceCause::Fenced => Cause::Fenced,
            RebalanceCause::Partitions => Cause::Partitions,
        };
        let together = self.open.is_some_and(|since| now.since(since) < TOGETHER);
        if !together {
            self.begin(cause, wall_ms);
        }
        let said = words(cause, step.generation, &step.lost, &step.gained);
        self.go(&step.lost, now);
        for partition in &step.gained {
            let before = self.gone.remove(partition).or_else(|| self.going.remove(partition));
            self.coming.insert(partition.clone(), before.unwrap_or(now));
        }
        let newest = self.kept.back_mut().expect("one was begun, or is open");
        newest.generation = step.generation.or(newest.generation);
        newest.lost.extend(moves(step.lost));
        newest.gained.extend(moves(step.gained));
        self.open = step.goes_on.then_some(now);
        self.bound();
        said
    }

    /// We leave with all of these.
    pub(crate) fn stop(&mut self, lost: Vec<TopicPartition>, now: Instant, wall_ms: i64) {
        self.begin(Cause::Stop, wall_ms);
        self.go(&lost, now);
        self.kept.back_mut().expect("just begun").lost = moves(lost).collect();
        self.open = None;
        self.bound();
    }

    /// A partition was drained and given back.
    pub(crate) fn released(&mut self, partition: &TopicPartition, now: Instant) {
        if let Some(since) = self.going.remove(partition) {
            self.end(partition, now.since(since), |one| &mut one.lost);
        }
    }

    /// A partition was lost as it stood.
    pub(crate) fn lost(&mut self, partition: &TopicPartition, now: Instant) {
        if let Some(since) = self.going.remove(partition) {
            self.end(partition, now.since(since), |one| &mut one.lost);
            self.gone.insert(partition.clone(), since);
        }
    }

    /// A partition's records may be fetched.
    pub(crate) fn ready(&mut self, partition: &TopicPartition, now: Instant) {
        if let Some(since) = self.coming.remove(partition) {
            self.end(partition, now.since(since), |one| &mut one.gained);
        }
    }

    /// Whether the group gave us something, be it nothing, and all of it is fetched.
    pub(crate) fn has_begun(&self) -> bool {
        !self.kept.is_empty() && !self.awaits()
    }

    /// Whether anything that came is not fetched yet.
    pub(crate) fn awaits(&self) -> bool {
        !self.coming.is_empty()
    }

    fn go(&mut self, lost: &[TopicPartition], now: Instant) {
        for partition in lost {
            self.coming.remove(partition);
            self.going.insert(partition.clone(), now);
        }
    }

    fn end(
        &mut self,
        partition: &TopicPartition,
        still: Duration,
        of: impl Fn(&mut RebalanceSnapshot) -> &mut Vec<Moved>,
    ) {
        self.counts.still += still;
        let mut newest_first = self.kept.iter_mut().rev();
        let moved = newest_first.find_map(|one| {
            let open = |moved: &&mut Moved| moved.partition == *partition && moved.still.is_none();
            of(one).iter_mut().find(open)
        });
        if let Some(moved) = moved {
            moved.still = Some(still);
        }
    }

    fn begin(&mut self, cause: Cause, at_ms: i64) {
        *self.counts.by_cause.entry(cause).or_default() += 1;
        let (lost, gained) = (Vec::new(), Vec::new());
        self.kept.push_back(RebalanceSnapshot { at_ms, cause, generation: None, lost, gained });
        // What does not come back with its own rebalance was somebody else's meanwhile.
        self.gone.clear();
    }

    fn bound(&mut self) {
        let size = |one: &RebalanceSnapshot| one.lost.len() + one.gained.len();
        let mut moves: usize = self.kept.iter().map(size).sum();
        while self.kept.len() > KEPT || moves > MOVES_KEPT && self.kept.len() > 1 {
            moves -= self.kept.pop_front().as_ref().map_or(0, size);
        }
    }
}

/// What several consumers saw, each newest first, as one. What two of them saw at about the same time
/// of one generation is one rebalance, whose cause the one knows who saw more in it than that others
/// came or went.
pub(crate) fn merged(all: Vec<Vec<RebalanceSnapshot>>) -> Vec<RebalanceSnapshot> {
    let mut merged: Vec<RebalanceSnapshot> = Vec::new();
    for seen in all {
        // What one consumer saw apart stays apart.
        let mut of_others = merged.len();
        for one in seen {
            let same = |known: &RebalanceSnapshot| {
                let apart = Duration::from_millis(known.at_ms.abs_diff(one.at_ms));
                one.generation.is_some() && known.generation == one.generation && apart < TOGETHER
            };
            let Some(at) = merged[..of_others].iter().position(same) else {
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

impl RebalanceSnapshot {
    fn join(&mut self, other: Self) {
        self.at_ms = self.at_ms.min(other.at_ms);
        if self.cause == Cause::Members {
            self.cause = other.cause;
        }
        self.lost.extend(other.lost);
        self.gained.extend(other.gained);
    }
}

fn moves(partitions: Vec<TopicPartition>) -> impl Iterator<Item = Moved> {
    partitions.into_iter().map(|partition| Moved { partition, still: None })
}

fn words(
    cause: Cause,
    generation: Option<i32>,
    lost: &[TopicPartition],
    gained: &[TopicPartition],
) -> Option<String> {
    if lost.is_empty() && gained.is_empty() {
        return None;
    }
    let generation = generation.map_or(String::new(), |number| format!(", generation {number}"));
    let list = |what: &str, partitions: &[TopicPartition]| match partitions.len() {
        0 => String::new(),
        count @ 1..=16 => {
            let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
            format!("; {what} {count}: {}", names.join(", "))
        }
        count => format!("; {what} {count} partitions"),
    };
    let (lost, gained) = (list("lost", lost), list("gained", gained));
    Some(format!("rebalance, caused by {}{generation}{lost}{gained}", cause.name()))
}

#[cfg(test)]
mod tests;
