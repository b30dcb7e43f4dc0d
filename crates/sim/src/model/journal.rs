//! All that a process sent and heard since it was started, and what "Whose fault" in the delivery
//! contract makes of it, by going through all of it anew each time.
//!
//! What the service said itself is charged as said and is no evidence, here as in the contract.

use forebay_core::{EndpointId, Guarantee, PartitionId, Rules, TargetFault, Verdict};

use super::term::{Entry, Trip};

/// A key of a partition, or an offset where there is no key.
pub type Lane = (PartitionId, Result<u64, i64>);

/// Lanes whose latest answers are evidence, and those that judge the target.
const EVIDENCE: usize = 20;
const RECENT: usize = 100;
/// Answers since the target became well from which it is judged again.
const ANSWERS_MIN: usize = 10;
/// Back-pressure in a row from which the target is held.
const REFUSALS: usize = 8;

/// A target fault that is an answer.
const STATUS: Verdict = Verdict::TargetFault(TargetFault::Status);

#[derive(Debug, Default)]
pub struct Journal {
    /// Every delivery: its lane, and when it was sent.
    pub sent: Vec<(Lane, u64)>,
    pub heard: Vec<Heard>,
}

/// An answer, or a deadline that passed without one.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub lane: Lane,
    pub endpoint: EndpointId,
    pub sent: u64,
    pub at: u64,
    pub verdict: Verdict,
    /// Whether the target is at fault, all considered up to this answer.
    pub held: bool,
    /// Answers from here on say how the target is, up to this answer.
    pub from: usize,
}

pub fn said(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Retry { said: true, .. } | Verdict::Reject { said: true })
}

/// Whether the record was not processed, and is not to blame for it.
pub fn declines(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::BackPressure { .. } | Verdict::TargetFault(_))
}

/// Whether the record had its only chance, and nothing works on it any more.
pub fn spends(guarantee: Guarantee, verdict: Verdict) -> bool {
    let known = matches!(verdict, Verdict::Retry { .. } | Verdict::Reject { .. });
    guarantee == Guarantee::AtMostOnce && (known || verdict == STATUS)
}

/// Whether the service may have processed the record: it got the request, and does not refuse it.
pub fn took(verdict: Verdict) -> bool {
    !declines(verdict) || verdict == STATUS
}

fn fails(verdict: Verdict) -> bool {
    verdict != Verdict::Accept && !declines(verdict) && !said(verdict)
}

impl Journal {
    /// Whether any other lane was served since a record failed.
    pub fn served_others(&self, lane: Lane, since: &Trip) -> bool {
        let later = self.heard[since.heard..].iter();
        let mut others = later.filter(|heard| heard.lane != lane && heard.sent >= since.answered);
        others.any(|heard| heard.verdict == Verdict::Accept)
    }

    /// Whether the target is at fault as of now.
    pub fn held(&self) -> bool {
        self.heard.last().is_some_and(|last| last.held)
    }

    pub(super) fn hear(
        &mut self,
        lane: Lane,
        endpoint: EndpointId,
        sent: u64,
        at: u64,
        verdict: Verdict,
    ) {
        let last = self.heard.last().map_or((false, 0), |last| (last.held, last.from));
        let (mut held, mut from) = last;
        if held && verdict == Verdict::Accept {
            held = false;
            from = self.heard.len() + 1;
        }
        self.heard.push(Heard { lane, endpoint, sent, at, verdict, held, from });
        held |= self.most_fail() || self.is_refused();
        self.heard.last_mut().expect("it was pushed").held = held;
    }

    /// Each lane's latest answer, of the first `count` answers.
    fn latest(&self, count: usize) -> impl Iterator<Item = &Heard> {
        let from = count.checked_sub(1).map_or(0, |last| self.heard[last].from).min(count);
        let mut lanes = Vec::new();
        let counts = self.heard[from..count].iter().rev().filter(|heard| !said(heard.verdict));
        let latest = counts.filter(move |heard| {
            let new = !lanes.contains(&heard.lane);
            if new {
                lanes.push(heard.lane);
            }
            new
        });
        latest.take(RECENT)
    }

    /// How many may fail at once without the target being taken for broken.
    pub fn room(&self) -> usize {
        let (accepted, failed) = self.tally();
        (accepted.saturating_sub(failed) / 2).max(1)
    }

    /// Accepted and failed, of the answers that judge the target.
    fn tally(&self) -> (usize, usize) {
        let (mut accepted, mut failed) = (0, 0);
        for heard in self.latest(self.heard.len()) {
            accepted += usize::from(heard.verdict == Verdict::Accept);
            failed += usize::from(fails(heard.verdict));
        }
        (accepted, failed)
    }

    fn most_fail(&self) -> bool {
        let (accepted, failed) = self.tally();
        let from = self.heard.last().map_or(0, |last| last.from);
        let since = self.heard[from.min(self.heard.len())..].iter();
        let answers = since.filter(|heard| !said(heard.verdict)).count();
        failed > accepted && (from == 0 || answers >= ANSWERS_MIN)
    }

    fn is_refused(&self) -> bool {
        let refused = |heard: &Heard| matches!(heard.verdict, Verdict::BackPressure { .. });
        self.heard.len() >= REFUSALS && self.heard.iter().rev().take(REFUSALS).all(refused)
    }

    /// Whether the record's last failure may be charged to it, at any moment since the core was
    /// looked at last, when it knew the first `known` answers.
    pub fn blames(&self, lane: Lane, entry: &Entry, rules: &Rules, known: usize, now: u64) -> bool {
        let mut counts = known..=self.heard.len();
        counts.any(|count| self.blames_by(lane, entry, rules, count, now))
    }

    /// The same by what the first `count` answers say.
    pub fn blames_by(
        &self,
        lane: Lane,
        entry: &Entry,
        rules: &Rules,
        count: usize,
        now: u64,
    ) -> bool {
        let Some(trip) = entry.trips.last() else { return false };
        if said(trip.verdict) {
            return true;
        }
        if count <= trip.heard {
            return false;
        }
        let held = entry.renewed == entry.trips.len()
            || self.heard[trip.heard..count].iter().any(|heard| heard.held);
        let alone = self.is_alone(lane, entry);
        (!held && self.accepts_others(lane, entry, count))
            || ((!held || alone) && self.waited(lane, entry, rules, count, now))
    }

    /// Rule 1.
    fn accepts_others(&self, lane: Lane, entry: &Entry, count: usize) -> bool {
        let Some(trip) = entry.trips.last() else { return false };
        let others = |heard: &&Heard| heard.lane != lane && heard.sent >= trip.answered;
        let since: Vec<_> = self.latest(count).take(EVIDENCE).filter(others).collect();
        let here = |heard: &&Heard| heard.endpoint == trip.endpoint;
        let accepted = |heard: &&Heard| heard.verdict == Verdict::Accept;
        let own: Vec<_> = since.iter().copied().filter(here).collect();
        let anywhere = entry.failed_at_two() && own.iter().any(accepted);
        let counted = if anywhere { since } else { own };
        2 * counted.iter().filter(|heard| accepted(heard)).count() > counted.len()
    }

    /// Rule 4.
    fn waited(&self, lane: Lane, entry: &Entry, rules: &Rules, count: usize, now: u64) -> bool {
        let Some(wait) = rules.evidence_wait else { return false };
        let Some(first) = entry.trips.first().map(|trip| trip.answered) else { return false };
        let since = self.heard[..count].iter().rev().take_while(|heard| heard.at > first);
        let accepted = since.into_iter().any(|heard| heard.verdict == Verdict::Accept);
        wait.is_zero()
            || (now >= first + wait.as_micros() as u64 && (accepted || self.is_alone(lane, entry)))
    }

    /// Whether no other lane was sent anything since the record's first failure.
    fn is_alone(&self, lane: Lane, entry: &Entry) -> bool {
        let Some(first) = entry.trips.first().map(|trip| trip.answered) else { return false };
        let mut since = self.sent.iter().rev().take_while(|(_, at)| *at > first);
        since.all(|(other, _)| *other == lane)
    }
}
