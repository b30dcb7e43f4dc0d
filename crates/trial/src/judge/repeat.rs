//! Why a record was delivered again.
//!
//! Each delivery of a record but its first is held against the one before it. A failure is tried
//! again, an answer that the sender can't know is, and so is what was accepted and not committed
//! when a tenure ended. Nothing else is a reason.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::commits::{Committed, Covered};
use super::{Kill, deadline};
use crate::delivery::{Answered, Delivery};

/// Why a delivery followed another of the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The one before it was answered, and not by an accept.
    Failure,
    /// The one before it got no answer that its sender could know: broken off, too late, or never.
    UnknownAnswer,
    /// The one before it was of an older tenure, and not committed when that ended.
    NewTenure,
    /// The one before it was of a service that was killed before its answer was surely out.
    ServiceKilled,
    /// It was refused itself, as a former owner's or as too late, and did nothing.
    Refused,
    Unexplained,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure => "the delivery before was answered, and not accepted",
            Self::UnknownAnswer => "the delivery before got no answer that its sender could know",
            Self::NewTenure => {
                "a new owner: the delivery before was an older one's, and not committed yet"
            }
            Self::ServiceKilled => "the service was killed before its answer was surely out",
            Self::Refused => "it was refused itself, as a former owner's or as too late",
            Self::Unexplained => "unexplained",
        })
    }
}

/// A record's delivery and the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repetition {
    pub one: Delivery,
    pub next: Delivery,
}

/// An answer that was written down this long before its service was killed may not have got out,
/// and a request may be read this long after the gateway that sent it was killed.
const ON_ITS_WAY: u64 = 1_000_000_000;

/// `of`: the deliveries of each record.
pub(super) fn explain(
    deliveries: &[Delivery],
    of: &[Vec<usize>],
    kills: &[Kill],
    commits: Option<&[Committed]>,
) -> (BTreeMap<Reason, usize>, Vec<Repetition>) {
    let kills: Vec<Known<'_>> = kills.iter().map(|kill| Known::new(kill, deliveries)).collect();
    let covered = commits.map(Covered::new);
    let (mut repeated, mut unexplained) = (BTreeMap::new(), Vec::new());
    for numbers in of.iter().filter(|numbers| numbers.len() > 1) {
        let all = numbers.iter().map(|number| &deliveries[*number]);
        let (refused, mut all): (Vec<_>, Vec<_>) = all.partition(|delivery| delivery.is_refused());
        if !refused.is_empty() {
            *repeated.entry(Reason::Refused).or_default() += refused.len();
        }
        all.sort_by_key(|delivery| delivery.started);
        for pair in all.windows(2) {
            let reason = reason(pair[0], pair[1], &kills, covered.as_ref());
            *repeated.entry(reason).or_default() += 1;
            if reason == Reason::Unexplained {
                unexplained.push(Repetition { one: pair[0].clone(), next: pair[1].clone() });
            }
        }
    }
    (repeated, unexplained)
}

fn reason(
    one: &Delivery,
    next: &Delivery,
    kills: &[Known<'_>],
    covered: Option<&Covered<'_>>,
) -> Reason {
    let ended = one.ended.as_ref().filter(|ended| ended.at <= next.started);
    match ended.map(|ended| &ended.answered) {
        Some(Answered::Broken { .. }) => return Reason::UnknownAnswer,
        Some(whole) if !whole.is_accept() => return Reason::Failure,
        Some(_) | None => {}
    }
    let counts = |kill: &&Known<'_>| covered.is_none() || matches!(kill.kill, Kill::Service { .. });
    if let Some(kill) = kills.iter().filter(counts).find(|kill| kill.explains(one, next)) {
        return match kill.kill {
            Kill::Gateway { .. } => Reason::NewTenure,
            Kill::Service { .. } => Reason::ServiceKilled,
        };
    }
    let given_up = match ended {
        Some(ended) => !ended.told || is_late(one, ended.at),
        None => is_late(one, next.started),
    };
    match (given_up, ended) {
        (true, _) => Reason::UnknownAnswer,
        _ if covered.is_some_and(|covered| covered.lets_repeat(&one.what, next.what.tenure)) => {
            Reason::NewTenure
        }
        _ if covered.is_some() => Reason::Unexplained,
        // Still in flight when its tenure ended.
        (false, None) if one.what.tenure < next.what.tenure => Reason::NewTenure,
        (false, _) => Reason::Unexplained,
    }
}

/// Whether an answer at this time may have missed the deadline, which began when the request was
/// sent, and not when it was read.
fn is_late(delivery: &Delivery, at: u64) -> bool {
    deadline(delivery).is_some_and(|deadline| {
        let on_its_way = ON_ITS_WAY.min((deadline - delivery.started) / 4);
        at.saturating_add(on_its_way) >= deadline
    })
}

/// A kill, with the tenures that it ended.
struct Known<'a> {
    kill: &'a Kill,
    /// The highest that had delivered by then, for each topic and partition.
    tenures: HashMap<(&'a str, i32), i64>,
}

impl<'a> Known<'a> {
    fn new(kill: &'a Kill, deliveries: &'a [Delivery]) -> Self {
        let mut tenures = HashMap::new();
        if let Kill::Gateway { at, .. } = kill {
            for Delivery { what, .. } in deliveries.iter().filter(|it| it.started <= *at) {
                let tenure = tenures.entry((what.topic.as_str(), what.partition)).or_default();
                *tenure = what.tenure.max(*tenure);
            }
        }
        Self { kill, tenures }
    }

    fn explains(&self, one: &Delivery, next: &Delivery) -> bool {
        match self.kill {
            Kill::Service { instance, at } => {
                let last_answers = match &one.ended {
                    Some(ended) => ended.at + ON_ITS_WAY >= *at,
                    None => true,
                };
                one.instance == *instance && last_answers && next.started >= *at
            }
            Kill::Gateway { at, commit_points } => {
                let partition = (one.what.topic.clone(), one.what.partition);
                let committed = commit_points.get(&partition).copied().unwrap_or(0);
                let taken_over = one.what.tenure < next.what.tenure && next.started >= *at;
                one.what.offset >= committed && self.is_of_the_killed(one, *at) && taken_over
            }
        }
    }

    /// What is read soon after the kill may be of the killed one, or of one that followed at once.
    fn is_of_the_killed(&self, one: &Delivery, at: u64) -> bool {
        let ended = self.tenures.get(&(one.what.topic.as_str(), one.what.partition));
        let soon = one.started <= at + ON_ITS_WAY;
        one.started <= at || (soon && ended.is_none_or(|ended| one.what.tenure <= *ended))
    }
}
