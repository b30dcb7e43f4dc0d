//! One assigned partition in one tenure: what it holds, what it committed, and how it ends.
//!
//! It joins the ledger and the lanes, and knows the stages of a tenure: claim (the tenure is
//! committed before the first delivery), active, draining (nothing new is sent; what is out is
//! awaited until the deadline, then the last commit), released. How records come in is `entry.rs`,
//! what is committed `commits.rs`. Which endpoint gets a record, and when a lane reopens, is decided
//! by the subscription.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::commit::{CommitState, Rewinds};
use crate::credit::{Credit, Load};
use crate::fault::Fault;
use crate::handover::{Lease, Leftovers};
use crate::lanes::{Lanes, Slot};
use crate::ledger::Ledger;
use crate::park::ParkedKeys;
use crate::record::{CommitPoint, DeliveryId, Offset, PartitionId, Past, Record, Tenure};
use crate::rules::{Guarantee, Rules};
use crate::time::Instant;

mod commits;
mod entry;
mod held;

use commits::Committing;
pub(crate) use held::{Charge, Failure, Held, HeldState, Unknown};
pub use held::{Stuck, Why};

#[derive(Debug)]
pub(crate) struct Partition<P> {
    pub(crate) id: PartitionId,
    pub(crate) tenure: Tenure,
    pub(crate) ledger: Ledger<Slot>,
    pub(crate) lanes: Lanes<Held<P>>,
    pub(crate) load: Load,
    pub(crate) in_flight: usize,
    /// Dead letters that Kafka has not acknowledged.
    pub(crate) leaving: usize,
    /// Whether its keys may be parked: not where they come from the park topic.
    pub(crate) parks: bool,
    pub(crate) parked: ParkedKeys,
    pub(crate) rewinds: Rewinds,
    /// Records on their way to the park topic.
    pub(crate) parking: usize,
    /// Fetched and not entered: at most once it is to be committed first; else the completion map
    /// might grow too large for what is stored beside a commit.
    withheld: Vec<Record<P>>,
    /// The last record that was read and had been settled before this tenure.
    settled_before: Option<Offset>,
    /// What a former owner knew of records that are still to be read, by their offsets.
    pasts: Vec<(Offset, Past)>,
    /// Unsettled records that have been delivered in vain.
    troubled: BTreeSet<Offset>,
    /// Whether what is stored beside the commit point has changed since it was sent last.
    unsaved: bool,
    /// What earlier tenures of this process left at work.
    pub(crate) leftovers: Leftovers,
    /// When another process's last deliveries have ended.
    pub(crate) taken_over_at: Instant,
    /// Until when the service may be at work on what is not in flight any more.
    pub(crate) unknown_until: Instant,
    /// How long it is ours for sure; none before the claim.
    lease: Option<Lease>,
    /// Whether Kafka knows that nothing is at work any more.
    ended: bool,
    /// Whether the subscription's queues name this partition: of first deliveries, of others, and
    /// of what wants attention.
    pub(crate) in_fresh: bool,
    pub(crate) in_again: bool,
    pub(crate) attended: bool,
    /// What was last entered for it among the subscription's looks.
    pub(crate) look: Option<Instant>,
    pub(crate) stage: Stage,
    pub(crate) committed: CommitPoint,
    committing: Option<Committing>,
    commit_not_before: Instant,
    /// What the open fetch may bring.
    pub(crate) fetching: Option<Load>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The tenure is being committed; nothing may be delivered.
    Claiming,
    Active,
    /// Answers are awaited until `deadline`, the last commit until `give_up`.
    Draining {
        deadline: Instant,
        give_up: Instant,
    },
}

/// Which kinds of lanes are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) fresh: bool,
    pub(crate) again: bool,
}

impl Ready {
    pub(crate) const NONE: Self = Self { fresh: false, again: false };
}

/// What a partition wants from the world next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Commit(CommitPoint),
    Fetch(Load),
    Release,
}

impl<P> Partition<P> {
    /// `stored`: what the former owner left beside its commit point; `parks`: whether its keys may
    /// be parked; `leftovers` and `free_at`: what is waited for before anything is sent.
    pub(crate) fn new(
        id: PartitionId,
        tenure: Tenure,
        start: CommitPoint,
        stored: CommitState,
        parks: bool,
        (leftovers, free_at): (Leftovers, Instant),
        now: Instant,
    ) -> Self {
        Self {
            id,
            tenure,
            ledger: Ledger::inherit(start, &stored.completion),
            lanes: Lanes::new(),
            load: Load::default(),
            in_flight: 0,
            leaving: 0,
            parks,
            parked: ParkedKeys::inherit(&stored.parked, now),
            rewinds: stored.rewinds,
            parking: 0,
            withheld: Vec::new(),
            settled_before: None,
            pasts: stored.pasts,
            troubled: BTreeSet::new(),
            unsaved: false,
            leftovers,
            taken_over_at: free_at,
            unknown_until: now,
            lease: None,
            ended: false,
            in_fresh: false,
            in_again: false,
            attended: false,
            look: None,
            stage: Stage::Claiming,
            committed: start,
            committing: None,
            commit_not_before: now,
            fetching: None,
        }
    }

    /// Whether it could do with the room that a failing key takes up: it holds most of its share,
    /// or as many records lie beyond its commit point as may.
    pub(crate) fn is_cramped(&self, credit: Credit, rules: &Rules) -> bool {
        credit.own_room(self.load).is_none() || self.beyond() >= rules.window_max
    }

    /// Moves a lane aside, whose head is shut, for the park topic. Says whether it may be written at
    /// once; nothing where there is no room for the key's name.
    pub(crate) fn set_aside(&mut self, slot: Slot, rules: &Rules) -> Option<bool> {
        let unnamed = rules.planted.is(Fault::ParkedBeforeNamed);
        let at_once = match self.lanes.key(slot) {
            Some(key) => self.parked.add(key, self.lanes.get(slot).offset).then_some(unnamed)?,
            None => true,
        };
        self.lanes.set_aside(slot);
        self.lanes.get_mut(slot).state = HeldState::Parking { out: false };
        Some(at_once)
    }

    /// Whether first deliveries, and whether others, may go out.
    pub(crate) fn may_deliver(&self, rules: &Rules) -> Ready {
        let stage = match self.stage {
            Stage::Claiming => rules.planted.is(Fault::DeliverBeforeClaim),
            Stage::Active => true,
            // What is committed and not delivered would be lost.
            Stage::Draining { .. } => {
                rules.guarantee == Guarantee::AtMostOnce
                    || rules.planted.is(Fault::DeliverWhileDraining)
            }
        };
        Ready { fresh: stage && self.lanes.has_fresh(), again: stage && self.lanes.has_again() }
    }

    /// Whether nobody else may be at work for this partition, nor may have it.
    pub(crate) fn is_alone(&self, rules: &Rules, now: Instant) -> bool {
        let ours = now < self.lease_until(rules) || rules.planted.is(Fault::LeaseIgnored);
        ours && now >= self.free_at()
    }

    /// How long the service may be at work on what is not in flight any more.
    pub(crate) fn count_unknown(&mut self) {
        let unsettled = self.ledger.unsettled();
        let shut = unsettled.filter_map(|(_, slot)| match self.lanes.get(*slot).state {
            HeldState::Shut { until, unknown: Some(_) } => Some(until),
            _ => None,
        });
        self.unknown_until = shut.max().unwrap_or(Instant::ZERO);
    }

    /// When all that earlier tenures sent has ended.
    pub(crate) fn free_at(&self) -> Instant {
        let here = self.leftovers.until();
        here.map_or(self.taken_over_at, |until| until.max(self.taken_over_at))
    }

    /// Until when it is ours for sure.
    pub(crate) fn lease_until(&self, rules: &Rules) -> Instant {
        let until = self.lease.map(|lease| lease.until(rules.session));
        until.unwrap_or(Instant::ZERO + Duration::MAX)
    }

    /// Whether nothing is awaited, and nothing of this tenure, nor of those before it, may be at work.
    fn is_over(&self, rules: &Rules, now: Instant) -> bool {
        let quiet = now >= self.unknown_until && now >= self.free_at();
        (quiet && !self.awaits(rules)) || rules.planted.is(Fault::QuietTooSoon)
    }

    /// The slot of the delivery, where it is the one in flight and not an earlier one (P5).
    pub(crate) fn flight(&self, id: DeliveryId, rules: &Rules) -> Option<Slot> {
        let slot = *self.ledger.ticket(id.offset)?;
        let held = self.lanes.get(slot);
        let current = held.deliveries == id.number || rules.planted.is(Fault::LateAnswerCounts);
        (current && matches!(held.state, HeldState::InFlight { .. })).then_some(slot)
    }

    /// A delivery of the record failed.
    pub(crate) fn is_troubled(&mut self, slot: Slot) {
        self.troubled.insert(self.lanes.get(slot).offset);
        self.unsaved = true;
    }

    /// The record reached its end. Returns its bytes.
    pub(crate) fn settle(&mut self, slot: Slot) -> usize {
        let held = self.lanes.finish(slot);
        self.load.remove(held.bytes);
        self.troubled.remove(&held.offset);
        self.unsaved = true;
        self.ledger.settle(held.offset).expect("a held record is not settled");
        held.bytes
    }

    /// What it wants next; derived from its state each time, so asking twice changes nothing.
    pub(crate) fn next_step(&self, now: Instant, credit: Credit, rules: &Rules) -> Option<Step> {
        match self.stage {
            Stage::Claiming => {
                self.commit_step(now, self.committed).or_else(|| self.hurried_fetch(credit, rules))
            }
            Stage::Active => self
                .dirty(rules, now)
                .and_then(|point| self.commit_step(now, point))
                .or_else(|| self.fetch_step(credit, rules)),
            Stage::Draining { deadline, give_up } => {
                let waits = self.is_at_work(rules, now) && now < deadline;
                if waits || (self.is_unsaved(rules, now) && now < give_up && !self.hasty(rules)) {
                    return self.dirty(rules, now).and_then(|point| self.commit_step(now, point));
                }
                Some(Step::Release)
            }
        }
    }

    /// When [`Partition::next_step`] is worth another question though nothing was said meanwhile.
    pub(crate) fn next_look(&self, now: Instant, rules: &Rules) -> Option<Instant> {
        let commit = (self.committing.is_none()
            && !rules.planted.is(Fault::CommitNotWoken)
            && (self.stage == Stage::Claiming || self.dirty(rules, now).is_some()))
        .then_some(self.commit_not_before);
        // Once nothing is at work any more that is to be told, whatever the deadline.
        let quiet = self.unknown_until.max(self.free_at());
        let ends = self.is_draining() && self.lease.is_some() && !self.ended && !self.awaits(rules);
        let stage = match self.stage {
            Stage::Claiming | Stage::Active => None,
            // What is not saved keeps it beyond the deadline in any case.
            Stage::Draining { deadline, .. }
                if now < deadline
                    && !self.is_unsaved(rules, now)
                    && !(ends && quiet < deadline) =>
            {
                Some(deadline)
            }
            Stage::Draining { give_up, .. } => Some(give_up),
        };
        let told = ends && self.committing.is_none();
        let told = told.then(|| quiet.max(self.commit_not_before));
        let renewal = self.lease.filter(|_| self.renews(rules) && self.committing.is_none());
        let renewal =
            renewal.map(|lease| lease.renew_at(rules.session).max(self.commit_not_before));
        let looks = [commit, stage, renewal, told].into_iter().flatten();
        looks.filter(|look| *look > now).min()
    }

    /// Whether answers are awaited, or a service may be at work.
    fn is_at_work(&self, rules: &Rules, now: Instant) -> bool {
        self.awaits(rules) || now < self.unknown_until
    }

    /// Whether answers are awaited; at most once, also what is committed and may still be sent.
    fn awaits(&self, rules: &Rules) -> bool {
        let owes = rules.guarantee == Guarantee::AtMostOnce
            && (self.committing.is_some() || self.load.records > self.withheld.len());
        self.in_flight + self.leaving + self.parking > 0 || owes
    }

    /// At most once: what is committed, of which no service has heard.
    pub(crate) fn unsent(&self, rules: &Rules) -> usize {
        let heard_of = |held: &Held<P>| match held.state {
            HeldState::InFlight { .. } | HeldState::Shut { unknown: Some(_), .. } => true,
            _ => held.failure.as_ref().is_some_and(|failure| failure.charge == Charge::Spent),
        };
        if rules.guarantee != Guarantee::AtMostOnce || rules.planted.is(Fault::UnsentForgotten) {
            return 0;
        }
        let unsettled = self.ledger.unsettled();
        unsettled.filter(|(_, slot)| !heard_of(self.lanes.get(**slot))).count()
    }

    pub(crate) fn drain(&mut self, now: Instant, rules: &Rules) {
        let deadline = now + rules.drain;
        self.stage = Stage::Draining { deadline, give_up: deadline + rules.last_commit };
        self.commit_not_before = now;
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.stage, Stage::Draining { .. })
    }

    /// Asserts that the parts agree.
    pub(crate) fn check(&self) {
        self.lanes.check();
        self.ledger.check();
        let mut load = Load::default();
        let (mut in_flight, mut leaving, mut parking) = (0, 0, 0);
        self.withheld.iter().for_each(|record| load.add(record.bytes));
        for (offset, slot) in self.ledger.unsettled() {
            let held = self.lanes.get(*slot);
            assert_eq!(held.offset, offset, "ledger and lanes name the same record");
            load.add(held.bytes);
            in_flight += usize::from(matches!(held.state, HeldState::InFlight { .. }));
            leaving += usize::from(held.state == HeldState::Leaving);
            parking += usize::from(held.state == HeldState::Parking { out: true });
        }
        assert_eq!(load, self.load, "what is held is what is counted");
        assert_eq!(in_flight, self.in_flight, "what is out is what is counted");
        assert_eq!(leaving, self.leaving, "dead letters that are out are counted");
        assert_eq!(parking, self.parking, "what goes to the park topic is counted");
        if let Some((oldest, _)) = self.ledger.oldest() {
            assert!(self.ledger.commit_point().0 <= oldest.0, "P2: nothing unsettled is passed");
        }
    }

    fn hurried_fetch(&self, credit: Credit, rules: &Rules) -> Option<Step> {
        let hurried = rules.planted.is(Fault::DeliverBeforeClaim);
        hurried.then(|| self.fetch_step(credit, rules)).flatten()
    }

    fn hasty(&self, rules: &Rules) -> bool {
        rules.planted.is(Fault::ReleaseBeforeCommit)
    }
}
