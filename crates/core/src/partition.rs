//! One assigned partition in one tenure: what it holds, what it committed, and how it ends.
//!
//! It joins the ledger and the lanes, and knows the stages of a tenure: claim (the tenure is
//! committed before the first delivery), active, draining (nothing new is sent; what is out is
//! awaited until the deadline, then the last commit), released. Which endpoint gets a record, and
//! when a lane reopens, is decided by the subscription.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::commit::{CommitState, PASTS_MAX, Rewinds};
use crate::completion::{BLOCK, Completion};
use crate::credit::{Credit, Load};
use crate::fault::Fault;
use crate::handover::{Lease, Leftovers};
use crate::lanes::{Lanes, Slot};
use crate::ledger::Ledger;
use crate::park::ParkedKeys;
use crate::record::{CommitPoint, DeliveryId, Offset, PartitionId, Past, Record, Tenure};
use crate::rules::{Guarantee, Order, Rules};
use crate::time::Instant;

mod held;

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

/// A commit that is out.
#[derive(Clone, Copy, Debug)]
struct Committing {
    point: CommitPoint,
    sent: Instant,
    /// Whether it says that nothing is at work any more.
    quiet: bool,
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

    /// Takes what was fetched. Returns the records that are to be parked first.
    pub(crate) fn take(&mut self, records: Vec<Record<P>>, rules: &Rules) -> Vec<Slot> {
        let keeps = self.keeps_map(rules);
        for record in records {
            if keeps && self.ledger.is_settled(record.offset) {
                self.settled_before = Some(record.offset);
                continue;
            }
            self.load.add(record.bytes);
            self.withheld.push(record);
        }
        match rules.guarantee {
            Guarantee::AtMostOnce => Vec::new(),
            Guarantee::AtLeastOnce | Guarantee::Automatic => self.admit(rules),
        }
    }

    /// Enters what was withheld, as far as the completion map allows. Returns the records that are
    /// to be parked first.
    pub(crate) fn admit(&mut self, rules: &Rules) -> Vec<Slot> {
        let mut parked = Vec::new();
        let mut admitted = 0;
        let withheld = core::mem::take(&mut self.withheld);
        let mut withheld = withheld.into_iter();
        while let Some(record) = withheld.as_slice().first() {
            if !self.fits(record.offset, rules) {
                break;
            }
            let record = withheld.next().expect("it was looked at");
            parked.extend(self.track(record, rules));
            admitted += 1;
        }
        self.withheld = withheld.collect();
        // What was read last and is settled is passed once all that was read before it is entered.
        let settled = self.settled_before.filter(|offset| offset.0 >= self.ledger.end().0);
        if self.withheld.is_empty()
            && let Some(offset) = settled
        {
            self.ledger.pass(offset);
        }
        if admitted > 0 {
            self.parked.forget_gone(self.ledger.end(), |key| self.lanes.head(key).is_some());
        }
        parked
    }

    /// Whether a record may be entered, so that whatever settles can be said beside a commit. One
    /// alone always may.
    fn fits(&self, offset: Offset, rules: &Rules) -> bool {
        !self.keeps_map(rules)
            || rules.planted.is(Fault::MapOverflows)
            || self.ledger.weight() == 0
            || self.ledger.weight_with(offset) <= rules.map_max.max(self.ledger.weight())
    }

    /// Records that are fetched and not entered.
    pub(crate) fn withheld(&self) -> usize {
        self.withheld.len()
    }

    /// Whether records wait for room in the completion map.
    pub(crate) fn withholds(&self, rules: &Rules) -> bool {
        self.keeps_map(rules) && !self.withheld.is_empty()
    }

    /// Where records are committed before they are settled, there is nothing to say of the others.
    fn keeps_map(&self, rules: &Rules) -> bool {
        rules.guarantee == Guarantee::AtLeastOnce
    }

    /// Returns the record's slot where it is to be parked next of its key.
    fn track(&mut self, record: Record<P>, rules: &Rules) -> Option<Slot> {
        let key = match rules.order {
            Order::Key => record.key,
            Order::Partition => Some(0),
            Order::None => None,
        };
        let past = self.past_of(&record);
        let held = Held {
            offset: record.offset,
            bytes: record.bytes,
            payload: record.payload,
            deliveries: past.deliveries,
            charged: past.charged,
            state: HeldState::Queued,
            failure: None,
        };
        let (slot, is_aside) = match key {
            Some(key) if self.parked.has(key) => self.lanes.push_aside(key, held),
            _ if rules.planted.is(Fault::KeyForgotten) => (self.lanes.push_unlinked(held), false),
            _ => (self.lanes.push(key, held), false),
        };
        self.ledger.track(record.offset, slot);
        is_aside.then_some(slot)
    }

    /// What the record went through in earlier tenures, here or on its way through the park topic.
    fn past_of(&mut self, record: &Record<P>) -> Past {
        let Ok(known) = self.pasts.binary_search_by_key(&record.offset, |past| past.0) else {
            return record.past;
        };
        self.troubled.insert(record.offset);
        self.pasts[known].1.most(record.past)
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

    /// Whether a commit is due or under way.
    fn is_unsaved(&self, rules: &Rules, now: Instant) -> bool {
        self.dirty(rules, now).is_some() || self.committing.is_some()
    }

    /// Whether its lease is to be renewed while there is nothing else to commit.
    fn renews(&self, rules: &Rules) -> bool {
        self.stage == Stage::Active && !rules.planted.is(Fault::LeaseNotRenewed)
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

    /// The story of records that failed and are open, the oldest ones.
    fn open_pasts(&self) -> Vec<(Offset, Past)> {
        let held = self.troubled.iter().filter_map(|offset| {
            let held = self.lanes.get(*self.ledger.ticket(*offset)?);
            Some((*offset, Past { charged: held.charged, deliveries: held.deliveries }))
        });
        let unread = self.pasts.iter().filter(|past| past.0.0 >= self.ledger.end().0);
        held.chain(unread.copied()).take(PASTS_MAX).collect()
    }

    /// The open fetch is answered; nothing where a former answer crossed its renewal.
    pub(crate) fn fetched(&mut self, rules: &Rules) -> Option<Load> {
        match rules.planted.is(Fault::FetchForgotten) {
            true => None,
            false => self.fetching.take(),
        }
    }

    /// What it holds, and what its open fetch may bring.
    pub(crate) fn taken(&self) -> Load {
        self.load.plus(self.fetching.unwrap_or_default())
    }

    /// Records that only wait to be sent, or for room to be entered.
    fn ready(&self) -> usize {
        self.lanes.fresh() + self.withheld.len()
    }

    /// Whether it would fetch if others did not hold more than their share.
    pub(crate) fn is_short(&self, credit: Credit) -> bool {
        self.stage == Stage::Active
            && self.fetching.is_none()
            && credit.appetite(self.ready()).is_some()
            && credit.own_room(self.load).is_some()
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

    /// Where the next record is read.
    pub(crate) fn position(&self) -> CommitPoint {
        self.withheld.last().map_or(self.ledger.end(), |last| last.offset.done())
    }

    /// End of what was read, in this tenure or before, as far as that is known.
    pub(crate) fn read_end(&self) -> CommitPoint {
        self.position().max(self.ledger.settled_end())
    }

    /// The point to commit, where it lies beyond what is committed.
    fn dirty(&self, rules: &Rules, now: Instant) -> Option<CommitPoint> {
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

    /// Records beyond the commit point, settled or not.
    fn beyond(&self) -> usize {
        self.ledger.window() + self.withheld.len()
    }

    /// Records that the completion map has room for if they lie side by side. Nothing until an
    /// eighth of it is free, so that fetching goes by batches; but what it says already may be read.
    fn map_room(&self, rules: &Rules) -> usize {
        let free = self.ledger.weight() == 0 || self.ledger.has_unread();
        if free && self.withheld.is_empty() {
            return usize::MAX;
        }
        let free = rules.map_max.saturating_sub(self.ledger.weight());
        let worthwhile = self.withheld.is_empty() && free * 8 >= rules.map_max;
        if worthwhile { free * BLOCK as usize } else { 0 }
    }

    fn hurried_fetch(&self, credit: Credit, rules: &Rules) -> Option<Step> {
        let hurried = rules.planted.is(Fault::DeliverBeforeClaim);
        hurried.then(|| self.fetch_step(credit, rules)).flatten()
    }

    fn hasty(&self, rules: &Rules) -> bool {
        rules.planted.is(Fault::ReleaseBeforeCommit)
    }

    fn commit_step(&self, now: Instant, point: CommitPoint) -> Option<Step> {
        let free = self.committing.is_none() && now >= self.commit_not_before;
        free.then_some(Step::Commit(point))
    }

    fn fetch_step(&self, credit: Credit, rules: &Rules) -> Option<Step> {
        if let Some(open) = self.fetching {
            if rules.planted.is(Fault::FetchForgotten) {
                return None;
            }
            return credit.shrunk(open, self.load).map(Step::Fetch);
        }
        let appetite = credit.appetite(self.ready())?;
        let forgets = rules.planted.is(Fault::HeldForgotten);
        let mut room = credit.room(if forgets { Load::default() } else { self.load })?;
        room.records = room.records.min(appetite);
        if self.keeps_map(rules) && !rules.planted.is(Fault::MapOverflows) {
            room.records = room.records.min(self.map_room(rules));
        }
        if !rules.planted.is(Fault::WindowIgnored) {
            room.records = room.records.min(rules.window_max.saturating_sub(self.beyond()));
        }
        (room.records > 0).then_some(Step::Fetch(room))
    }
}
