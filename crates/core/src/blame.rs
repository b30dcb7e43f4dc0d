//! Whose fault a failure is: the record's or the target's ("Whose fault" in the delivery contract).
//!
//! A status alone does not say: a dead service behind a proxy answers 502, a bad release answers
//! 400 to everything, one odd record gets 404. So a failure is charged to its record only where
//! the same revision accepted most of what it was sent *afterwards* for other lanes, and where
//! most recent answers are failures the target is at fault and nothing is charged.
//!
//! What the service said itself (`forebay-verdict`) is no evidence here: it is charged as said.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::fault::{Fault, Planted};
use crate::record::EndpointId;
use crate::time::Instant;
use crate::verdict::Verdict;

/// Lanes whose latest answers are evidence for or against a record.
const EVIDENCE: usize = 20;
/// Lanes whose latest answers judge the target: of a third that fails, more than half of twenty are
/// failures now and then, and more than half of a hundred never.
const RECENT: usize = 100;
/// A target that has just become well is judged from so many answers on: one that fails a third
/// would be held again by the first failure, and its budget would never show.
const ANSWERS_MIN: u32 = 10;

/// Names a lane among all partitions of a subscription. Two lanes that collide count as one, which
/// costs a piece of evidence and never adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneName(pub(crate) u64);

/// What the answers of one revision say about it.
#[derive(Debug)]
pub(crate) struct Blame {
    /// Each lane's latest answer, the latest last.
    recent: VecDeque<Latest>,
    /// How many of them there are of each outcome.
    accepted: usize,
    failed: usize,
    declined: usize,
    /// Answers since the target became well, up to as many as are needed.
    answers: u32,
    last_accept: Option<Instant>,
    /// The last two lanes that were sent something, the later one first.
    last_sent: [Option<(LaneName, Instant)>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    lane: LaneName,
    endpoint: EndpointId,
    sent: Instant,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Failed,
    /// Not accepted, and no sign that the target is broken: back-pressure, which lowers the limit,
    /// and what suspends a single endpoint.
    Declined,
}

/// Answers to some of what was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    accepted: usize,
    answers: usize,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        self.answers += 1;
        self.accepted += usize::from(outcome == Outcome::Accepted);
    }

    fn is_mostly_accepted(self) -> bool {
        2 * self.accepted > self.answers
    }
}

/// A failure that nobody was blamed for yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unblamed {
    pub(crate) lane: LaneName,
    pub(crate) endpoint: EndpointId,
    /// Whether the record failed at another endpoint as well.
    pub(crate) elsewhere: bool,
    pub(crate) answered: Instant,
    /// When the record failed for the first time.
    pub(crate) first: Instant,
}

impl Blame {
    pub(crate) fn new() -> Self {
        Self {
            recent: VecDeque::with_capacity(RECENT),
            accepted: 0,
            failed: 0,
            declined: 0,
            answers: ANSWERS_MIN,
            last_accept: None,
            last_sent: [None; 2],
        }
    }

    pub(crate) fn sent(&mut self, lane: LaneName, now: Instant) {
        if self.last_sent[0].is_some_and(|(last, _)| last != lane) {
            self.last_sent[1] = self.last_sent[0];
        }
        self.last_sent[0] = Some((lane, now));
    }

    pub(crate) fn answered(
        &mut self,
        lane: LaneName,
        endpoint: EndpointId,
        sent: Instant,
        verdict: Verdict,
        now: Instant,
    ) {
        let outcome = match verdict {
            Verdict::Accept => Outcome::Accepted,
            Verdict::Retry { said: true, .. } | Verdict::Reject { said: true } => return,
            Verdict::Retry { .. } | Verdict::Reject { .. } | Verdict::Unknown(_) => Outcome::Failed,
            Verdict::BackPressure { .. } | Verdict::TargetFault(_) => Outcome::Declined,
        };
        self.answers = (self.answers + 1).min(ANSWERS_MIN);
        if outcome == Outcome::Accepted {
            self.last_accept = Some(now);
        }
        let former = match self.recent.iter().position(|latest| latest.lane == lane) {
            Some(at) => self.recent.remove(at),
            None if self.recent.len() == RECENT => self.recent.pop_front(),
            None => None,
        };
        if let Some(former) = former {
            *self.tally(former.outcome) -= 1;
        }
        *self.tally(outcome) += 1;
        self.recent.push_back(Latest { lane, endpoint, sent, outcome });
    }

    fn tally(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::Failed => &mut self.failed,
            Outcome::Declined => &mut self.declined,
        }
    }

    /// Whether most recent answers are failures.
    pub(crate) fn target_fails(&self) -> bool {
        self.answers == ANSWERS_MIN && self.failed > self.accepted
    }

    /// How many may fail at once, each of another lane or of one that was accepted, without the
    /// target being taken for broken; one at least.
    pub(crate) fn room(&self) -> usize {
        (self.accepted.saturating_sub(self.failed) / 2).max(1)
    }

    /// The target is well again, or another: what it did before says nothing any more.
    pub(crate) fn forget(&mut self) {
        self.recent.clear();
        (self.accepted, self.failed, self.declined, self.answers) = (0, 0, 0, 0);
    }

    /// Whether the record is to blame for the failure, as far as is known by now.
    ///
    /// `wait`: how long a record may wait for evidence; `None` is for ever.
    pub(crate) fn charges(
        &self,
        failure: &Unblamed,
        wait: Option<Duration>,
        now: Instant,
        planted: Planted,
    ) -> bool {
        if wait == Some(Duration::ZERO) || planted.is(Fault::ChargedWithoutEvidence) {
            return true;
        }
        self.exonerates_target(failure, planted) || self.waited_enough(failure, wait, now)
    }

    /// Rule 1: what was sent to other lanes since the failure was mostly accepted.
    fn exonerates_target(&self, failure: &Unblamed, planted: Planted) -> bool {
        let (here, all) = self.since(failure, planted);
        // An endpoint that accepts nothing is no second opinion, and others don't speak for it.
        let anywhere = failure.elsewhere && here.accepted > 0;
        match anywhere || planted.is(Fault::EvidenceFromElsewhere) {
            true => all.is_mostly_accepted(),
            false => here.is_mostly_accepted(),
        }
    }

    /// Whether the endpoint that failed was sent something since and accepted nothing: more of the
    /// same would tell nothing about the record.
    pub(crate) fn doubts_endpoint(&self, failure: &Unblamed, planted: Planted) -> bool {
        let (here, _) = self.since(failure, planted);
        here.answers > 0 && here.accepted == 0
    }

    /// What was sent to other lanes since the failure, to its endpoint and to all.
    fn since(&self, failure: &Unblamed, planted: Planted) -> (Tally, Tally) {
        let (mut here, mut all) = (Tally::default(), Tally::default());
        for latest in self.recent.iter().rev().take(EVIDENCE) {
            let after = latest.sent >= failure.answered || planted.is(Fault::OldEvidenceCounts);
            if after && latest.lane != failure.lane {
                all.count(latest.outcome);
                if latest.endpoint == failure.endpoint {
                    here.count(latest.outcome);
                }
            }
        }
        (here, all)
    }

    /// Rule 4: it has waited long enough, and either the revision accepted something meanwhile or
    /// nobody else had anything to learn from.
    fn waited_enough(&self, failure: &Unblamed, wait: Option<Duration>, now: Instant) -> bool {
        let Some(wait) = wait else { return false };
        let accepted = self.last_accept.is_some_and(|accept| accept > failure.first);
        now.since(failure.first) >= wait && (accepted || self.is_alone(failure))
    }

    /// Rule 4 where the target seems to fail everything: it does, where everything is this record.
    pub(crate) fn charges_the_only_one(
        &self,
        failure: &Unblamed,
        wait: Option<Duration>,
        now: Instant,
    ) -> bool {
        self.is_alone(failure) && self.waited_enough(failure, wait, now)
    }

    /// Whether no other lane was sent anything since the record failed for the first time.
    fn is_alone(&self, failure: &Unblamed) -> bool {
        let mut others = self.last_sent.iter().flatten().filter(|(lane, _)| *lane != failure.lane);
        !others.any(|(_, sent)| *sent > failure.first)
    }
}

#[cfg(test)]
mod tests;
