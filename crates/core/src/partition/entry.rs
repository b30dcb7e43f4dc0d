//! Records on their way in: how many a partition may fetch (P3, and no more settled ones than its
//! completion map can say), and when each is entered into ledger and lanes.

use alloc::vec::Vec;

use crate::completion::BLOCK;
use crate::credit::{Credit, Load};
use crate::fault::Fault;
use crate::lanes::Slot;
use crate::record::{CommitPoint, Offset, Past, Record};
use crate::rules::{Guarantee, Order, Rules};

use super::{Held, HeldState, Partition, Stage, Step};

impl<P> Partition<P> {
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

    /// Returns the record's slot where it is to be parked next of its key.
    pub(super) fn track(&mut self, record: Record<P>, rules: &Rules) -> Option<Slot> {
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

    /// Records that are fetched and not entered.
    pub(crate) fn withheld(&self) -> usize {
        self.withheld.len()
    }

    /// Whether records wait for room in the completion map.
    pub(crate) fn withholds(&self, rules: &Rules) -> bool {
        self.keeps_map(rules) && !self.withheld.is_empty()
    }

    /// Where records are committed before they are settled, there is nothing to say of the others.
    pub(super) fn keeps_map(&self, rules: &Rules) -> bool {
        rules.guarantee == Guarantee::AtLeastOnce
    }

    /// The open fetch is answered; nothing where a former answer crossed its renewal.
    pub(crate) fn fetched(&mut self, rules: &Rules) -> Option<Load> {
        match rules.planted.is(Fault::FetchForgotten) {
            true => None,
            false => self.fetching.take(),
        }
    }

    pub(super) fn fetch_step(&self, credit: Credit, rules: &Rules) -> Option<Step> {
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

    /// Records beyond the commit point, settled or not.
    pub(super) fn beyond(&self) -> usize {
        self.ledger.window() + self.withheld.len()
    }

    /// Records that only wait to be sent, or for room to be entered.
    fn ready(&self) -> usize {
        self.lanes.fresh() + self.withheld.len()
    }

    /// What it holds, and what its open fetch may bring.
    pub(crate) fn taken(&self) -> Load {
        self.load.plus(self.fetching.unwrap_or_default())
    }

    /// Whether it would fetch if others did not hold more than their share.
    pub(crate) fn is_short(&self, credit: Credit) -> bool {
        self.stage == Stage::Active
            && self.fetching.is_none()
            && credit.appetite(self.ready()).is_some()
            && credit.own_room(self.load).is_some()
    }

    /// Where the next record is read.
    pub(crate) fn position(&self) -> CommitPoint {
        self.withheld.last().map_or(self.ledger.end(), |last| last.offset.done())
    }

    /// End of what was read, in this tenure or before, as far as that is known.
    pub(crate) fn read_end(&self) -> CommitPoint {
        self.position().max(self.ledger.settled_end())
    }
}
