//! The rebalances of one subscription, as this process sees them: why, what went, what came, and
//! for how long each partition stood still.
//!
//! A partition that goes from one consumer of this process to another, or comes back to the same one,
//! stands still from its revocation until its records may be fetched again. Of one that goes to
//! another process or comes from there the rest is not seen: it stands still until it was drained and
//! given back, or from its assignment on. The list is bounded; the counts are not.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forebay_core::Instant;
use forebay_kafka::{Rebalance, RebalanceCause, TopicPartition};

mod merge;
mod transit;

pub(crate) use merge::{merged, whole};
pub(crate) use transit::Transit;

/// Rebalances that are kept, and partitions that moved in all of them together.
const KEPT: usize = 100;
const MOVES_KEPT: usize = 4_000;
/// What comes so long after something went is of the same rebalance; a drain lies between.
const TOGETHER: Duration = Duration::from_secs(90);
/// Consumers of one process hear of a generation within this time.
const HEARD: Duration = Duration::from_secs(10);

/// One rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebalanceSnapshot {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    pub cause: Cause,
    /// In which it began.
    pub generation: Option<i32>,
    pub lost: Vec<Moved>,
    pub gained: Vec<Moved>,
}

/// A partition that went or came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub partition: TopicPartition,
    /// Since when it stands still, by the clock that all consumers of the subscription have.
    pub(crate) since: Instant,
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

/// A standstill: since when, and until when its time is counted.
#[derive(Clone, Copy)]
struct Still {
    since: Instant,
    counted: Instant,
}

pub(crate) struct Rebalances {
    /// What a join is caused by.
    join: Cause,
    kept: VecDeque<RebalanceSnapshot>,
    /// When the newest began, while what comes belongs to it.
    open: Option<Instant>,
    counts: RebalanceCounts,
    /// Since when partitions stand still that are drained, and that come.
    going: BTreeMap<TopicPartition, Still>,
    coming: BTreeMap<TopicPartition, Still>,
    transit: Transit,
}

impl Rebalances {
    /// `added`: the subscription came to a process that ran.
    pub(crate) fn new(added: bool, transit: Transit) -> Self {
        Self {
            join: if added { Cause::SubscriptionAdded } else { Cause::Start },
            kept: VecDeque::new(),
            open: None,
            counts: RebalanceCounts::default(),
            going: BTreeMap::new(),
            coming: BTreeMap::new(),
            transit,
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
        let lost = self.go(step.lost, now);
        let gained = self.come(step.gained, now);
        let newest = self.kept.back_mut().expect("one was begun, or is open");
        newest.generation = newest.generation.or(step.generation);
        newest.lost.extend(lost);
        newest.gained.extend(gained);
        self.open = step.goes_on.then_some(now);
        self.bound();
        said
    }

    /// We leave with all of these.
    pub(crate) fn stop(&mut self, lost: Vec<TopicPartition>, now: Instant, wall_ms: i64) {
        self.begin(Cause::Stop, wall_ms);
        let lost = self.go(lost, now);
        self.kept.back_mut().expect("just begun").lost = lost;
        self.open = None;
        self.bound();
    }

    /// We are about to be gone: what came meanwhile and was never fetched is let go as it stands.
    pub(crate) fn leave(&mut self, now: Instant) {
        for (partition, still) in std::mem::take(&mut self.coming) {
            self.end(&partition, still, now, |one| &mut one.gained);
            self.transit.let_go(&partition, Still { counted: now, ..still });
        }
    }

    /// A partition was given back, drained or as it stood.
    pub(crate) fn released(&mut self, partition: &TopicPartition, now: Instant) {
        if let Some(still) = self.going.remove(partition) {
            self.end(partition, still, now, |one| &mut one.lost);
            self.transit.let_go(partition, Still { counted: now, ..still });
        }
    }

    /// A partition's records may be fetched.
    pub(crate) fn ready(&mut self, partition: &TopicPartition, now: Instant) {
        if let Some(still) = self.coming.remove(partition) {
            self.end(partition, still, now, |one| &mut one.gained);
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

    /// What came and is not fetched yet.
    pub(crate) fn coming(&self) -> impl Iterator<Item = &TopicPartition> {
        self.coming.keys()
    }

    fn go(&mut self, lost: Vec<TopicPartition>, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::with_capacity(lost.len());
        for partition in lost {
            let mut since = now;
            if let Some(still) = self.coming.remove(&partition) {
                self.end(&partition, still, now, |one| &mut one.gained);
                since = still.since;
            }
            self.going.insert(partition.clone(), Still { since, counted: now });
            moved.push(Moved { partition, since, still: None });
        }
        moved
    }

    fn come(&mut self, gained: Vec<TopicPartition>, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::with_capacity(gained.len());
        for partition in gained {
            let before = self.going.remove(&partition);
            let before = before.or_else(|| self.transit.take(&partition, now));
            let still = before.unwrap_or(Still { since: now, counted: now });
            self.coming.insert(partition.clone(), still);
            moved.push(Moved { partition, since: still.since, still: None });
        }
        moved
    }

    fn end(
        &mut self,
        partition: &TopicPartition,
        still: Still,
        now: Instant,
        of: impl Fn(&mut RebalanceSnapshot) -> &mut Vec<Moved>,
    ) {
        self.counts.still += now.since(still.counted);
        let mut newest_first = self.kept.iter_mut().rev();
        let moved = newest_first.find_map(|one| {
            let open = |moved: &&mut Moved| moved.partition == *partition && moved.still.is_none();
            of(one).iter_mut().find(open)
        });
        if let Some(moved) = moved {
            moved.still = Some(now.since(still.since));
        }
    }

    fn begin(&mut self, cause: Cause, at_ms: i64) {
        *self.counts.by_cause.entry(cause).or_default() += 1;
        let (lost, gained) = (Vec::new(), Vec::new());
        self.kept.push_back(RebalanceSnapshot { at_ms, cause, generation: None, lost, gained });
    }

    fn bound(&mut self) {
        let size = |one: &RebalanceSnapshot| one.lost.len() + one.gained.len();
        let mut moves: usize = self.kept.iter().map(size).sum();
        while self.kept.len() > KEPT || moves > MOVES_KEPT && self.kept.len() > 1 {
            moves -= self.kept.pop_front().as_ref().map_or(0, size);
        }
    }
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
