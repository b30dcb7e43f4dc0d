//! The verdict: what the services wrote in their journals, held against what was sent.
//!
//! A pure function. It knows no gateway: nothing that a gateway says about itself counts. Times are
//! nanoseconds of one clock that all processes share. Words are those of the design: a record is
//! *lost* without an accepted delivery of its own content; *duplicated* with more than one; a key is
//! *out of order* where the first accepted deliveries of its records do not ascend; *overlapping*
//! are two deliveries of one key that are at work at the same time within a tenure.

use std::collections::{BTreeMap, HashMap};

/// A record of the input, acknowledged by Kafka. Its place in the input is its place in the list.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) digest: u64,
    pub(crate) acknowledged: u64,
}

/// One delivery as the service that got it tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) instance: usize,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) digest: u64,
    pub(crate) tenure: i64,
    pub(crate) started: u64,
    /// When it was accepted; none where the service never came so far.
    pub(crate) accepted: Option<u64>,
}

/// A SIGKILL, which alone excuses that a record is delivered again.
#[derive(Clone, Debug)]
pub(crate) enum Kill {
    /// `at`: just before the signal.
    Service { instance: usize, at: u64 },
    /// `at`: when the killed one was gone and the next not yet started; the committed offsets then.
    Gateway { at: u64, commit_points: BTreeMap<i32, i64> },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Records with an accepted delivery.
    pub(crate) delivered: usize,
    pub(crate) lost: usize,
    /// Records with more than one.
    pub(crate) duplicated: usize,
    /// Repetitions that no kill explains.
    pub(crate) unexplained: Vec<Repetition>,
    /// Deliveries of what was not sent: unknown offsets, another key or other content.
    pub(crate) foreign: usize,
    pub(crate) out_of_order: usize,
    pub(crate) overlapping: usize,
    /// The longest time without an accepted delivery while some record waited for one.
    pub(crate) longest_stop: Stop,
    pub(crate) last_accepted: u64,
}

/// A record's accepted delivery and the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repetition {
    pub(crate) one: Delivery,
    pub(crate) next: Delivery,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stop {
    pub(crate) length: u64,
    pub(crate) began: u64,
}

impl Verdict {
    pub(crate) fn is_kept(&self) -> bool {
        let broken = self.lost + self.foreign + self.out_of_order + self.overlapping;
        broken == 0 && self.unexplained.is_empty()
    }
}

/// An answer that was written down this long before its service was killed may not have got out,
/// and a request may be read this long after the gateway that sent it was killed.
const ON_ITS_WAY: u64 = 1_000_000_000;

pub(crate) fn judge(sent: &[Sent], deliveries: &[Delivery], kills: &[Kill]) -> Verdict {
    let accepted = accepted(sent, deliveries);
    let first: Vec<Option<u64>> =
        accepted.of.iter().map(|all| all.first().and_then(|delivery| delivery.accepted)).collect();
    let delivered = first.iter().flatten().count();
    let again = accepted.of.iter().flat_map(|all| all.windows(2));
    let unexplained = again.filter(|pair| !is_explained(pair[0], pair[1], kills));
    let repetition =
        |pair: &[&Delivery]| Repetition { one: pair[0].clone(), next: pair[1].clone() };
    Verdict {
        delivered,
        lost: sent.len() - delivered,
        duplicated: accepted.of.iter().filter(|all| all.len() > 1).count(),
        unexplained: unexplained.map(repetition).collect(),
        foreign: accepted.foreign,
        out_of_order: out_of_order(sent, &first),
        overlapping: overlapping(deliveries, kills),
        longest_stop: longest_stop(sent, &first),
        last_accepted: first.iter().flatten().copied().max().unwrap_or(0),
    }
}

struct Accepted<'a> {
    /// For each record that was sent, its accepted deliveries in their order of time.
    of: Vec<Vec<&'a Delivery>>,
    foreign: usize,
}

fn accepted<'a>(sent: &[Sent], deliveries: &'a [Delivery]) -> Accepted<'a> {
    let places: HashMap<(i32, i64), usize> = sent
        .iter()
        .enumerate()
        .map(|(place, sent)| ((sent.partition, sent.offset), place))
        .collect();
    let mut of = vec![Vec::new(); sent.len()];
    let mut foreign = 0;
    for delivery in deliveries {
        let place = places.get(&(delivery.partition, delivery.offset)).copied();
        let same = |place: &usize| {
            sent[*place].key == delivery.key && sent[*place].digest == delivery.digest
        };
        match place.filter(same) {
            Some(place) if delivery.accepted.is_some() => of[place].push(delivery),
            Some(_) => {}
            None => foreign += 1,
        }
    }
    for all in &mut of {
        all.sort_by_key(|delivery| delivery.accepted);
    }
    Accepted { of, foreign }
}

/// Whether a kill between two accepted deliveries of one record accounts for the second.
fn is_explained(one: &Delivery, next: &Delivery, kills: &[Kill]) -> bool {
    kills.iter().any(|kill| match kill {
        Kill::Service { instance, at } => {
            let last_answers = one.accepted.is_some_and(|time| time + ON_ITS_WAY >= *at);
            one.instance == *instance && last_answers && next.started >= *at
        }
        Kill::Gateway { at, commit_points } => {
            let committed = commit_points.get(&one.partition).copied().unwrap_or(0);
            let taken_over = one.tenure < next.tenure && next.started >= *at;
            one.offset >= committed && one.started <= at + ON_ITS_WAY && taken_over
        }
    })
}

/// Records that were first accepted after a later record of their key was. The input's order is
/// what counts, so that a record that reached Kafka out of order counts too.
fn out_of_order(sent: &[Sent], first: &[Option<u64>]) -> usize {
    let mut latest: HashMap<&str, u64> = HashMap::new();
    let mut count = 0;
    for (sent, first) in sent.iter().zip(first) {
        let (Some(key), Some(first)) = (&sent.key, first) else { continue };
        let latest = latest.entry(key).or_default();
        if first < latest {
            count += 1;
        }
        *latest = (*latest).max(*first);
    }
    count
}

/// What is delivered one after another: a key, or a record that has none.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Lane<'a> {
    Key(&'a str),
    Record(i64),
}

/// Deliveries that began while another of their lane and tenure was at work.
fn overlapping(deliveries: &[Delivery], kills: &[Kill]) -> usize {
    let mut all: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let lane = match &delivery.key {
                Some(key) => Lane::Key(key),
                None => Lane::Record(delivery.offset),
            };
            let busy = (delivery.started, worked_until(delivery, kills));
            ((delivery.partition, delivery.tenure, lane), busy)
        })
        .collect();
    all.sort();
    let lanes = all.chunk_by(|one, other| one.0 == other.0);
    lanes.map(|lane| begun_too_early(lane.iter().map(|(_, busy)| *busy))).sum()
}

fn begun_too_early(busy: impl Iterator<Item = (u64, u64)>) -> usize {
    let mut until = 0;
    let mut count = 0;
    for (from, to) in busy {
        count += usize::from(from < until);
        until = until.max(to);
    }
    count
}

/// A service works on a record until it accepts it, or is killed.
fn worked_until(delivery: &Delivery, kills: &[Kill]) -> u64 {
    let killed = || {
        kills.iter().find_map(|kill| match kill {
            Kill::Service { instance, at } if *instance == delivery.instance => Some(*at),
            Kill::Service { .. } | Kill::Gateway { .. } => None,
        })
    };
    let end = delivery.accepted.or_else(killed).unwrap_or(u64::MAX);
    end.max(delivery.started)
}

/// Walks through all moments at which a record was acknowledged by Kafka or first accepted.
fn longest_stop(sent: &[Sent], first: &[Option<u64>]) -> Stop {
    let arrivals = sent.iter().map(|sent| (sent.acknowledged, 1));
    let accepted = first.iter().flatten().map(|time| (*time, -1));
    let mut moments: Vec<(u64, i64)> = arrivals.chain(accepted).collect();
    moments.sort_unstable();
    let (mut waiting, mut since, mut longest) = (0i64, 0, Stop::default());
    for (time, change) in moments {
        if waiting > 0 && change < 0 {
            longest = longest.max(Stop { length: time - since, began: since });
        }
        if change < 0 || waiting <= 0 {
            since = time;
        }
        waiting += change;
    }
    longest
}

#[cfg(test)]
mod tests;
