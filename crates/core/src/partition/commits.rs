//! What a partition commits, and when: the point (P2, P8), and beside it what its next owner has to
//! know. One commit at a time is out.

use alloc::vec::Vec;

use crate::commit::{CommitState, PASTS_MAX};
use crate::completion::Completion;
use crate::fault::Fault;
use crate::handover::Lease;
use crate::lanes::Slot;
use crate::record::{CommitPoint, Offset, Past};
use crate::rules::{Guarantee, Rules};
use crate::time::Instant;

use super::{Partition, Stage, Step};

/// A commit that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committing {
    point: CommitPoint,
    sent: Instant,
    /// Whether it says that nothing is at work any more.
    quiet: bool,
}

impl<P> Partition<P> {
    /// What is stored beside a commit point that is sent now.
    pub(crate) fn commit_sent(
        &mut self,
        point: CommitPoint,
        now: Instant,
        rules: &Rules,
    ) -> CommitState {
        let keeps = self.keeps_map(rules) && !rules.planted.is(Fault::MapForgotten);
        let mut completion = match keeps {
            true => self.ledger.completion().beyond(point),
            false => Completion { open: Vec::new(), end: point.0 },
        };
        if rules.planted.is(Fault::MapCountsHeld) && keeps {
            completion.open.clear();
        }
        let quiet = self.is_draining() && self.is_over(rules, now);
        let state = CommitState {
            tenure: self.tenure,
            quiet,
            completion,
            pasts: if keeps { self.open_pasts() } else { Vec::new() },
            parked: self.parked.rows(),
            rewinds: self.rewinds,
        };
        self.committing = Some(Committing { point, sent: now, quiet });
        self.unsaved = false;
        self.parked.commit_sent();
        state
    }

    /// Kafka acknowledged a commit. Returns the records that may go to the park topic now.
    pub(crate) fn committed(
        &mut self,
        point: CommitPoint,
        now: Instant,
        rules: &Rules,
    ) -> Vec<Slot> {
        let committing = self.committing.take();
        let Some(Committing { sent, quiet, .. }) = committing.filter(|out| out.point == point)
        else {
            panic!("one commit at a time: {committing:?} is out, not {point:?}");
        };
        self.lease = Some(Lease { since: sent });
        self.ended |= quiet;
        assert!(point >= self.committed, "P8: the commit point does not go back");
        self.committed = point;
        let twice = if rules.planted.is(Fault::LazyCommit) { 2 } else { 1 };
        self.commit_not_before = now + rules.commit_interval * twice;
        if self.stage == Stage::Claiming {
            self.stage = Stage::Active;
        }
        // More may have been fetched since the commit was sent.
        let safe = match rules.guarantee {
            Guarantee::AtMostOnce => {
                self.withheld.partition_point(|record| record.offset.done() <= point)
            }
            Guarantee::AtLeastOnce | Guarantee::Automatic => 0,
        };
        let unsafe_yet = self.withheld.split_off(safe);
        let safe = core::mem::replace(&mut self.withheld, unsafe_yet);
        for record in safe {
            self.track(record, rules);
        }
        self.pasts.retain(|past| past.0.0 >= self.ledger.end().0);
        let named = self.parked.committed().into_iter();
        named.filter_map(|key| self.lanes.head(key)).collect()
    }

    pub(crate) fn commit_failed(&mut self, now: Instant, rules: &Rules) {
        self.committing = None;
        self.unsaved = true;
        self.parked.commit_failed();
        self.commit_not_before = now + rules.commit_retry;
    }

    /// The point to commit, where it lies beyond what is committed.
    pub(super) fn dirty(&self, rules: &Rules, now: Instant) -> Option<CommitPoint> {
        let point = match rules.guarantee {
            Guarantee::AtLeastOnce => self.point(rules),
            // While it drains, what is not committed yet is the next owner's.
            Guarantee::AtMostOnce if self.is_draining() => self.committed,
            Guarantee::Automatic if self.is_draining() => self.ledger.commit_point(),
            Guarantee::AtMostOnce | Guarantee::Automatic => self.position(),
        };
        let names = self.stage == Stage::Active && self.parked.wants_naming();
        let news = self.unsaved && self.keeps_map(rules) && !rules.planted.is(Fault::MapNotSaved);
        let renews = self.renews(rules)
            && self.lease.is_some_and(|lease| lease.renew_at(rules.session) <= now);
        // The next owner need not wait for what is over.
        let over = self.is_draining() && self.is_over(rules, now);
        let ends = over && self.lease.is_some() && !self.ended;
        (point > self.committed || names || news || renews || ends)
            .then_some(point.max(self.committed))
    }

    fn point(&self, rules: &Rules) -> CommitPoint {
        let point = self.ledger.commit_point();
        if rules.planted.is(Fault::CommitOnSend) {
            return CommitPoint(point.0 + self.in_flight as i64);
        }
        if rules.planted.is(Fault::CommitOneTooFar) && point > self.committed {
            return CommitPoint(point.0 + 1);
        }
        if rules.planted.is(Fault::CommitOverGap) {
            return self.ledger.settled_end();
        }
        point
    }

    /// Whether a commit is due or under way.
    pub(super) fn is_unsaved(&self, rules: &Rules, now: Instant) -> bool {
        self.dirty(rules, now).is_some() || self.committing.is_some()
    }

    /// Whether its lease is to be renewed while there is nothing else to commit.
    pub(super) fn renews(&self, rules: &Rules) -> bool {
        self.stage == Stage::Active && !rules.planted.is(Fault::LeaseNotRenewed)
    }

    pub(super) fn commit_step(&self, now: Instant, point: CommitPoint) -> Option<Step> {
        let free = self.committing.is_none() && now >= self.commit_not_before;
        free.then_some(Step::Commit(point))
    }

    /// The story of records that failed and are open, the oldest ones.
    fn open_pasts(&self) -> Vec<(Offset, Past)> {
        let held = self.troubled.iter().filter_map(|offset| {
            let held = self.lanes.get(*self.ledger.ticket(*offset)?);
            Some((*offset, Past { charged: held.charged, deliveries: held.deliveries }))
        });
        let unread = self.pasts.iter().filter(|past| past.0.0 >= self.ledger.end().0);
        held.chain(unread.copied()).take(PASTS_MAX).collect()
    }
}
