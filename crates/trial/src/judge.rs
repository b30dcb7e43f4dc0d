//! The verdict: what the services wrote in their journals, held against what was sent.
//!
//! A pure function. It knows no gateway: nothing that a gateway says about itself counts. Times are
//! nanoseconds of one clock that all processes share. Words are those of the design: a record is
//! *lost* without an accepted delivery of its own content; *duplicated* with more than one; a key is
//! *out of order* where the first accepted deliveries of its records do not ascend; *overlapping*
//! are two deliveries of one key that are at work at the same time within a tenure. A delivery is at
//! work until the service is done with it, at the longest until its own deadline has passed.
//!
//! Where the services refuse former owners and late work, no two deliveries that were kept may
//! overlap in different tenures either ([`Evidence::across_tenures`]). Where the commits are known
//! ([`Evidence::commits`]), a new tenure explains no repetition of what they cover.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::delivery::{Answered, Delivery, Place};

mod commits;
mod repeat;

pub use commits::Committed;
pub use repeat::{Reason, Repetition};

/// A record of the input, acknowledged by Kafka. Its place in the input is its place in the list.
#[derive(Clone, Debug)]
pub struct Sent {
    pub place: Place,
    pub key: Option<String>,
    /// [`crate::digest`] of its value.
    pub digest: u64,
    pub acknowledged: u64,
}

/// A SIGKILL, or another end without a farewell.
#[derive(Clone, Debug)]
pub enum Kill {
    /// `at`: just before the signal.
    Service { instance: usize, at: u64 },
    /// `at`: when the killed one was gone, or had let go of its partitions, and the next not yet
    /// started; the committed offsets then, by topic and partition.
    Gateway { at: u64, commit_points: BTreeMap<(String, i32), i64> },
}

/// All that a judge hears.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    sent: &'a [Sent],
    deliveries: &'a [Delivery],
    kills: &'a [Kill],
    commits: Option<&'a [Committed]>,
    excused: Option<&'a BTreeSet<Place>>,
    across_tenures: bool,
}

/// Records are named by their number in the input, deliveries by their number in the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records with an accepted delivery.
    pub delivered: usize,
    /// Records that have none and are not excused.
    pub lost: Vec<usize>,
    /// Excused records without an accepted delivery.
    pub excused: usize,
    /// Records with more than one accepted delivery.
    pub duplicated: usize,
    /// Every delivery of a record but its first, by the reason for it.
    pub repeated: BTreeMap<Reason, usize>,
    /// Those that nothing explains.
    pub unexplained: Vec<Repetition>,
    /// Deliveries of what was not sent: unknown places, another key or other content.
    pub foreign: Vec<usize>,
    /// Records that were first accepted before an earlier record of their key was.
    pub out_of_order: Vec<usize>,
    /// Deliveries that began while another of their lane and tenure was at work.
    pub overlapping: Vec<usize>,
    /// The longest time without an accepted delivery while some record waited for one.
    pub longest_stop: Stop,
    pub last_accepted: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stop {
    pub length: u64,
    pub began: u64,
}

impl Verdict {
    pub fn is_kept(&self) -> bool {
        self.lost.is_empty()
            && self.foreign.is_empty()
            && self.out_of_order.is_empty()
            && self.overlapping.is_empty()
            && self.unexplained.is_empty()
    }

    /// Repetitions for this reason.
    pub fn repeated(&self, reason: Reason) -> usize {
        self.repeated.get(&reason).copied().unwrap_or(0)
    }
}

impl<'a> Evidence<'a> {
    pub fn new(sent: &'a [Sent], deliveries: &'a [Delivery]) -> Self {
        let (kills, commits, excused) = (&[][..], None, None);
        Self { sent, deliveries, kills, commits, excused, across_tenures: false }
    }

    #[must_use]
    pub fn kills(self, kills: &'a [Kill]) -> Self {
        Self { kills, ..self }
    }

    /// All that was committed, in Kafka's order. From then on these, and no killed gateway, say what
    /// a new tenure may repeat.
    #[must_use]
    pub fn commits(self, commits: &'a [Committed]) -> Self {
        Self { commits: Some(commits), ..self }
    }

    /// For services that refuse former owners: deliveries of one key that were kept must not
    /// overlap, whatever their tenures are.
    #[must_use]
    pub fn across_tenures(self) -> Self {
        Self { across_tenures: true, ..self }
    }

    /// Records that need not be accepted, nor in order: dead-lettered or dropped as expected.
    #[must_use]
    pub fn excused(self, excused: &'a BTreeSet<Place>) -> Self {
        Self { excused: Some(excused), ..self }
    }

    pub fn judge(self) -> Verdict {
        let sorted = self.sort();
        let accepted: Vec<Vec<u64>> = sorted.of.iter().map(|all| self.accepted(all)).collect();
        let first: Vec<Option<u64>> = accepted.iter().map(|all| all.first().copied()).collect();
        let missing = |record: &usize| first[*record].is_none();
        let (excused, lost) =
            (0..self.sent.len()).filter(missing).partition::<Vec<_>, _>(|record| {
                self.excused.is_some_and(|excused| excused.contains(&self.sent[*record].place))
            });
        let (repeated, unexplained) =
            repeat::explain(self.deliveries, &sorted.of, self.kills, self.commits);
        Verdict {
            delivered: first.iter().flatten().count(),
            lost,
            excused: excused.len(),
            duplicated: accepted.iter().filter(|all| all.len() > 1).count(),
            repeated,
            unexplained,
            foreign: sorted.foreign,
            out_of_order: self.out_of_order(&first),
            overlapping: self.overlapping(),
            longest_stop: longest_stop(self.sent, &first),
            last_accepted: first.iter().flatten().copied().max().unwrap_or(0),
        }
    }

    /// Fails the test unless every promise was kept.
    #[track_caller]
    pub fn assert_kept(self) -> Verdict {
        let verdict = self.judge();
        assert!(verdict.is_kept(), "{}", self.told(&verdict));
        verdict
    }

    /// What is wrong, in words, with the first examples of each.
    pub fn told<'v>(&self, verdict: &'v Verdict) -> Told<'v>
    where
        'a: 'v,
    {
        Told { evidence: *self, verdict }
    }

    fn sort(&self) -> Sorted {
        let records: HashMap<(&str, i32, i64), usize> = self
            .sent
            .iter()
            .enumerate()
            .map(|(record, Sent { place, .. })| {
                ((place.topic.as_str(), place.partition, place.offset), record)
            })
            .collect();
        let mut sorted = Sorted { of: vec![Vec::new(); self.sent.len()], foreign: Vec::new() };
        for (number, Delivery { what, .. }) in self.deliveries.iter().enumerate() {
            let place = (what.topic.as_str(), what.partition, what.offset);
            let same = |record: &usize| {
                let sent = &self.sent[*record];
                sent.key == what.key && what.digest.is_none_or(|digest| digest == sent.digest)
            };
            match records.get(&place).copied().filter(same) {
                Some(record) => sorted.of[record].push(number),
                None => sorted.foreign.push(number),
            }
        }
        sorted
    }

    /// When these deliveries were accepted, in order.
    fn accepted(&self, deliveries: &[usize]) -> Vec<u64> {
        let all = deliveries.iter().filter_map(|number| self.deliveries[*number].accepted());
        let mut accepted: Vec<u64> = all.collect();
        accepted.sort_unstable();
        accepted
    }

    /// The input's order is what counts, so that a record that reached Kafka out of order counts
    /// too.
    fn out_of_order(&self, first: &[Option<u64>]) -> Vec<usize> {
        let mut latest: HashMap<&str, u64> = HashMap::new();
        let mut out_of_order = Vec::new();
        for (record, (sent, first)) in self.sent.iter().zip(first).enumerate() {
            let (Some(key), Some(first)) = (&sent.key, first) else { continue };
            if self.excused.is_some_and(|excused| excused.contains(&sent.place)) {
                continue;
            }
            let latest = latest.entry(key).or_default();
            if first < latest {
                out_of_order.push(record);
            }
            *latest = (*latest).max(*first);
        }
        out_of_order
    }

    fn overlapping(&self) -> Vec<usize> {
        let mut all: Vec<_> = self
            .deliveries
            .iter()
            .enumerate()
            .filter(|(_, delivery)| !self.across_tenures || !delivery.is_refused())
            .map(|(number, delivery)| {
                let what = &delivery.what;
                let tenure = if self.across_tenures { 0 } else { what.tenure };
                let lane = match &what.key {
                    Some(key) => Lane::Key(key),
                    None => Lane::Record(what.offset),
                };
                let busy = (delivery.started, worked_until(delivery, self.kills));
                ((&what.topic, what.partition, tenure, lane), busy, number)
            })
            .collect();
        all.sort();
        let lanes = all.chunk_by(|one, other| one.0 == other.0);
        lanes
            .flat_map(|lane| begun_too_early(lane.iter().map(|(_, busy, at)| (*busy, *at))))
            .collect()
    }
}

struct Sorted {
    /// For each record that was sent, its deliveries.
    of: Vec<Vec<usize>>,
    foreign: Vec<usize>,
}

/// What is delivered one after another: a key, or a record that has none.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Lane<'a> {
    Key(&'a str),
    Record(i64),
}

fn begun_too_early(busy: impl Iterator<Item = ((u64, u64), usize)>) -> Vec<usize> {
    let mut until = 0;
    let mut too_early = Vec::new();
    for ((from, to), number) in busy {
        if from < until {
            too_early.push(number);
        }
        until = until.max(to);
    }
    too_early
}

/// A service works on a record until it is done with it, or is killed. After its deadline the
/// contract holds it to nothing.
fn worked_until(delivery: &Delivery, kills: &[Kill]) -> u64 {
    let killed = || {
        kills.iter().find_map(|kill| match kill {
            Kill::Service { instance, at } if *instance == delivery.instance => Some(*at),
            Kill::Service { .. } | Kill::Gateway { .. } => None,
        })
    };
    let ended = delivery.ended.as_ref().map(|ended| ended.at).or_else(killed);
    let end = ended.unwrap_or(u64::MAX).min(deadline(delivery).unwrap_or(u64::MAX));
    end.max(delivery.started)
}

/// When its sender gives up, as far as the service can tell.
fn deadline(delivery: &Delivery) -> Option<u64> {
    let timeout = delivery.what.timeout_ms?.saturating_mul(1_000_000);
    Some(delivery.started.saturating_add(timeout))
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

/// A verdict that can be read; see [`Evidence::told`].
#[derive(Debug)]
pub struct Told<'a> {
    evidence: Evidence<'a>,
    verdict: &'a Verdict,
}

/// Examples that are told of each thing that is wrong.
const EXAMPLES: usize = 5;

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { evidence, verdict } = self;
        let (sent, deliveries) = (evidence.sent, evidence.deliveries);
        writeln!(f, "{} records, {} delivered", sent.len(), verdict.delivered)?;
        let named = |record: usize| {
            let key = sent[record].key.as_deref().unwrap_or("none");
            format!("{}, key {key}", sent[record].place)
        };
        list(f, "lost", verdict.lost.iter().map(|record| named(*record)))?;
        let sorted = evidence.sort();
        let first = |record: usize| {
            let all = sorted.of[record].iter().map(|number| &deliveries[*number]);
            all.filter_map(|one| Some((one.accepted()?, one))).min_by_key(|(at, _)| *at)
        };
        // Beside it the one that it should have come after.
        let disordered = verdict.out_of_order.iter().map(|record| {
            let earlier = (0..*record).filter(|one| sent[*one].key == sent[*record].key);
            let latest = earlier.filter_map(first).max_by_key(|(at, _)| *at);
            let one =
                |found: Option<(u64, &Delivery)>| found.map_or("none".into(), |it| told(it.1));
            format!("{}: {}; before it: {}", named(*record), one(first(*record)), one(latest))
        });
        list(f, "out of order", disordered)?;
        for (what, numbers) in
            [("overlapping", &verdict.overlapping), ("foreign", &verdict.foreign)]
        {
            list(f, what, numbers.iter().map(|number| told(&deliveries[*number])))?;
        }
        let pairs = verdict.unexplained.iter();
        list(
            f,
            "repeated without a reason",
            pairs.map(|pair| format!("{}, then {}", told(&pair.one), told(&pair.next))),
        )
    }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    all: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    if all.len() > 0 {
        writeln!(f, "{what}: {}", all.len())?;
    }
    all.take(EXAMPLES).try_for_each(|example| writeln!(f, "  {example}"))
}

fn told(delivery: &Delivery) -> String {
    let Delivery { instance, what, started, ended } = delivery;
    let answered = match ended {
        Some(ended) => match &ended.answered {
            Answered::Whole { status, .. } => format!("answered {status} at {}", ended.at),
            Answered::Broken { by } => format!("ended by {by} at {}", ended.at),
            Answered::Refused { by } => format!("refused for {by} at {}", ended.at),
        },
        None => "never ended".to_owned(),
    };
    let (place, attempt, tenure) = (delivery.place(), what.attempt, what.tenure);
    format!(
        "{place}, attempt {attempt} in tenure {tenure} at instance {instance}, begun at {started}, \
         {answered}"
    )
}

#[cfg(test)]
mod tests;
