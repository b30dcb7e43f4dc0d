//! Which offsets of a partition are settled, and where its commit point stands.
//!
//! Offsets enter in rising order with gaps (compaction and control records leave them) and settle
//! in any order. The commit point is the exclusive end of the settled prefix: it never passes an
//! unsettled record (P2). Only what is open is kept, so what is settled behind a stuck record costs
//! nothing, and the completion map is what the ledger is. Every open record carries a ticket of the
//! caller's, so finding a record by its offset needs no second index.
//!
//! A former owner's map is taken over as it is: what it names as open stays so, without a ticket,
//! until reading comes there; what is settled by it is not to be entered again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crate::completion::{BLOCK, Completion, link};
use crate::record::{CommitPoint, Offset};

#[derive(Debug)]
pub(crate) struct Ledger<T> {
    /// Blocks with at least one open offset.
    blocks: BTreeMap<i64, Block<T>>,
    /// Where the next record may begin. Open offsets below it are records and have a ticket; those
    /// beyond are taken over.
    end: CommitPoint,
    /// End of what is settled or was never there, as far as that is known.
    settled_end: CommitPoint,
    /// What the completion map costs at most, however the open records settle.
    weight: usize,
}

#[derive(Debug)]
struct Block<T> {
    /// A bit for each open offset.
    open: u8,
    tickets: [Option<T>; BLOCK as usize],
}

impl<T: Copy> Ledger<T> {
    pub(crate) fn new(start: CommitPoint) -> Self {
        Self { blocks: BTreeMap::new(), end: start, settled_end: start, weight: 0 }
    }

    /// Takes over what a former owner had settled beyond the commit point that it left.
    pub(crate) fn inherit(start: CommitPoint, completion: &Completion) -> Self {
        let mut ledger = Self::new(start);
        let completion = completion.beyond(start);
        for offset in completion.open.iter().cloned().flatten() {
            ledger.open(Offset(offset));
        }
        ledger.settled_end = start.max(CommitPoint(completion.end));
        ledger
    }

    pub(crate) fn commit_point(&self) -> CommitPoint {
        let open = self.first_open().map(|offset| CommitPoint(offset.0));
        open.unwrap_or(self.end.max(self.settled_end))
    }

    /// Where the next record may begin.
    pub(crate) fn end(&self) -> CommitPoint {
        self.end
    }

    /// Offsets at or beyond the commit point that were read, settled or not.
    pub(crate) fn window(&self) -> usize {
        usize::try_from(self.end.0 - self.commit_point().0).unwrap_or(0)
    }

    /// What the completion map costs at most, however the open records settle.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// The same with this record entered.
    pub(crate) fn weight_with(&self, offset: Offset) -> usize {
        let block = block_of(offset);
        let last = self.blocks.last_key_value().map(|(last, _)| *last);
        match last {
            Some(last) if last >= block => self.weight,
            last => self.weight + 1 + link(last, block),
        }
    }

    /// Whether a record that is read now was settled before this tenure.
    pub(crate) fn is_settled(&self, offset: Offset) -> bool {
        offset.0 < self.settled_end.0 && !self.is_open(offset)
    }

    /// Whether offsets that were taken over as open are still to be read.
    pub(crate) fn has_unread(&self) -> bool {
        let last = self.blocks.last_key_value();
        last.is_some_and(|(block, of)| {
            let highest = block * BLOCK + i64::from(of.open.ilog2());
            highest >= self.end.0
        })
    }

    /// Enters a record.
    ///
    /// # Panics
    /// Where the offset does not rise: the intake hands over each record once, in order.
    pub(crate) fn track(&mut self, offset: Offset, ticket: T) {
        self.pass(offset);
        self.open(offset);
        let block = self.blocks.get_mut(&block_of(offset)).expect("it was just opened");
        block.tickets[place_of(offset)] = Some(ticket);
    }

    /// Moves over a record that is not entered, and over what is not there before it.
    pub(crate) fn pass(&mut self, offset: Offset) {
        assert!(offset.0 >= self.end.0, "offset {} comes after {}", offset.0, self.end.0);
        if self.end < self.settled_end {
            self.close_taken_over(self.end.0..offset.0);
        }
        self.end = offset.done();
    }

    /// The ticket of an unsettled record.
    pub(crate) fn ticket(&self, offset: Offset) -> Option<&T> {
        self.blocks.get(&block_of(offset))?.tickets[place_of(offset)].as_ref()
    }

    /// Settles a record and moves the commit point over what is settled now.
    /// `None` where the record is settled already or was never entered.
    pub(crate) fn settle(&mut self, offset: Offset) -> Option<T> {
        let block = self.blocks.get_mut(&block_of(offset))?;
        let ticket = block.tickets[place_of(offset)].take()?;
        self.close(offset);
        self.settled_end = self.settled_end.max(offset.done());
        Some(ticket)
    }

    /// Past the newest settled record, over whatever is not settled before it.
    pub(crate) fn settled_end(&self) -> CommitPoint {
        self.settled_end
    }

    /// The oldest unsettled record.
    pub(crate) fn oldest(&self) -> Option<(Offset, &T)> {
        self.unsettled().next()
    }

    /// The tickets of all unsettled records, oldest first.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = (Offset, &T)> {
        self.blocks.iter().flat_map(|(block, of)| {
            let tickets = of.tickets.iter().enumerate();
            tickets.filter_map(move |(place, ticket)| {
                Some((Offset(block * BLOCK + place as i64), ticket.as_ref()?))
            })
        })
    }

    /// What is settled beyond the commit point.
    pub(crate) fn completion(&self) -> Completion {
        let end = self.settled_end.0;
        let mut ranges: Vec<Range<i64>> = Vec::new();
        for (block, of) in &self.blocks {
            for offset in (block * BLOCK..(block + 1) * BLOCK).take_while(|offset| *offset < end) {
                if of.open & bit_of(Offset(offset)) == 0 {
                    continue;
                }
                match ranges.last_mut() {
                    Some(last) if last.end == offset => last.end += 1,
                    _ => ranges.push(offset..offset + 1),
                }
            }
            if (block + 1) * BLOCK > end {
                break;
            }
        }
        Completion { open: ranges, end }
    }

    /// Asserts that the weight is what the open records weigh.
    pub(crate) fn check(&self) {
        let mut before = None;
        let mut weight = 0;
        for (block, of) in &self.blocks {
            assert_ne!(of.open, 0, "a block without open offsets is not kept");
            weight += 1 + link(before, *block);
            before = Some(*block);
        }
        assert_eq!(weight, self.weight, "the weight is kept up");
    }

    fn first_open(&self) -> Option<Offset> {
        let (block, of) = self.blocks.first_key_value()?;
        Some(Offset(block * BLOCK + i64::from(of.open.trailing_zeros())))
    }

    fn is_open(&self, offset: Offset) -> bool {
        let block = self.blocks.get(&block_of(offset));
        block.is_some_and(|block| block.open & bit_of(offset) != 0)
    }

    fn open(&mut self, offset: Offset) {
        let id = block_of(offset);
        if let Some(block) = self.blocks.get_mut(&id) {
            block.open |= bit_of(offset);
            return;
        }
        let (with, without) = self.costs(id);
        self.weight = self.weight + with - without;
        let tickets = [None; BLOCK as usize];
        self.blocks.insert(id, Block { open: bit_of(offset), tickets });
    }

    fn close(&mut self, offset: Offset) {
        let id = block_of(offset);
        let Some(block) = self.blocks.get_mut(&id) else { return };
        block.open &= !bit_of(offset);
        if block.open == 0 {
            self.blocks.remove(&id);
            let (with, without) = self.costs(id);
            self.weight = self.weight + without - with;
        }
    }

    /// What a block and the links to its neighbours weigh, and what the link weighs without it.
    fn costs(&self, id: i64) -> (usize, usize) {
        let before = self.blocks.range(..id).next_back().map(|(before, _)| *before);
        let after = self.blocks.range(id + 1..).next().map(|(after, _)| *after);
        let with = link(before, id) + 1 + after.map_or(0, |after| link(Some(id), after));
        (with, after.map_or(0, |after| link(before, after)))
    }

    /// What was taken over as open, and is not there any more.
    fn close_taken_over(&mut self, gone: Range<i64>) {
        let blocks = self.blocks.range(block_of(Offset(gone.start))..);
        let blocks = blocks.take_while(|(block, _)| **block * BLOCK < gone.end);
        let blocks: Vec<i64> = blocks.map(|(block, _)| *block).collect();
        for block in blocks {
            let all = block * BLOCK..(block + 1) * BLOCK;
            for offset in all.filter(|offset| gone.contains(offset)) {
                self.close(Offset(offset));
            }
        }
    }
}

fn block_of(offset: Offset) -> i64 {
    offset.0.div_euclid(BLOCK)
}

fn place_of(offset: Offset) -> usize {
    offset.0.rem_euclid(BLOCK) as usize
}

fn bit_of(offset: Offset) -> u8 {
    1 << place_of(offset)
}

#[cfg(test)]
mod tests;
