//! The completion map of a partition, as it stands in the metadata of a committed offset: which
//! offsets beyond the commit point are settled.
//!
//! The bytes are varints (LEB128) and literals: how far the map reaches beyond the commit point,
//! then for each stretch of open blocks how many blocks lie before it, how many it has, and one
//! byte for each of them. A block is eight offsets, aligned in the log; bit `i` of its byte says
//! that its offset `i` is open. The cost goes by the number of holes and not by the distance
//! between them, and where holes are many it is one bit for each offset.
//!
//! A map that is too large is cut: the longest part from the commit point on that fits is kept, and
//! what was settled beyond it is not known, so it is done again.

use core::ops::Range;

use crate::cursor::{Cursor, Malformed, put_leb128};

/// Offsets in a block.
const BLOCK: i64 = 8;
/// Blocks without a hole that are cheaper written than left out.
const BRIDGE: i64 = 2;
/// Offsets that a map may span: it can't be made to say more than its bytes do.
const SPAN_MAX: u64 = 1 << 48;

/// What is settled beyond a commit point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What is open, as ranges of offsets: rising, apart from each other, none empty.
    pub open: Vec<Range<i64>>,
    /// Nothing is said from here on.
    pub end: i64,
}

/// Consecutive blocks, each with its open offsets as bits.
struct Stretch {
    first: i64,
    blocks: Vec<u8>,
}

impl Completion {
    /// The map beyond `point` in at most `most` bytes; empty where nothing is settled there.
    ///
    /// The open ranges lie between `point` and the map's end, as [`Completion::decode`] gives them.
    pub fn encode(&self, point: i64, most: usize) -> Vec<u8> {
        if self.end <= point {
            return Vec::new();
        }
        let mut end = self.end;
        let mut body = Vec::new();
        let mut next = point.div_euclid(BLOCK);
        for stretch in self.stretches() {
            let mut head = Vec::new();
            put_leb128(&mut head, stretch.first.abs_diff(next));
            put_leb128(&mut head, stretch.blocks.len() as u64);
            // The span is never longer than it is for the whole map.
            let used = span(point, self.end).len() + body.len() + head.len();
            let fits = most.saturating_sub(used).min(stretch.blocks.len());
            if fits < stretch.blocks.len() {
                end = (stretch.first + fits as i64) * BLOCK;
                if fits > 0 {
                    put_leb128(&mut body, stretch.first.abs_diff(next));
                    put_leb128(&mut body, fits as u64);
                    body.extend(&stretch.blocks[..fits]);
                }
                break;
            }
            body.extend(head);
            body.extend(&stretch.blocks);
            next = stretch.first + stretch.blocks.len() as i64;
        }
        if end <= point || most < span(point, end).len() {
            return Vec::new();
        }
        let mut bytes = span(point, end);
        bytes.extend(body);
        bytes
    }

    /// Reads what [`Completion::encode`] wrote. Nothing is allocated beyond eight ranges for each
    /// byte.
    pub(crate) fn decode(bytes: &[u8], point: i64) -> Result<Self, Malformed> {
        let mut map = Self { open: Vec::new(), end: point };
        if bytes.is_empty() {
            return Ok(map);
        }
        let mut cursor = Cursor::new(bytes);
        let span = Some(cursor.leb128(10)?).filter(|span| (1..=SPAN_MAX).contains(span));
        map.end = point.checked_add_unsigned(span.ok_or(Malformed)?).ok_or(Malformed)?;
        let mut next = point.div_euclid(BLOCK);
        while cursor.remaining() > 0 {
            let skip = Some(cursor.leb128(10)?).filter(|skip| *skip <= SPAN_MAX);
            let blocks = usize::try_from(cursor.leb128(10)?).map_err(|_| Malformed)?;
            let first = next.checked_add_unsigned(skip.ok_or(Malformed)?).ok_or(Malformed)?;
            for (index, bits) in cursor.take(blocks)?.iter().enumerate() {
                map.open_block(first + index as i64, *bits, point)?;
            }
            next = first.checked_add_unsigned(blocks as u64).ok_or(Malformed)?;
        }
        Ok(map)
    }

    /// Whether the map says that an offset at or beyond its commit point is settled.
    pub fn is_settled(&self, offset: i64) -> bool {
        let next = self.open.partition_point(|range| range.end <= offset);
        offset < self.end && self.open.get(next).is_none_or(|range| offset < range.start)
    }

    /// One more open offset, above all others.
    pub(crate) fn push(&mut self, offset: i64) {
        match self.open.last_mut() {
            Some(last) if last.end == offset => last.end += 1,
            _ => self.open.push(offset..offset + 1),
        }
    }

    fn open_block(&mut self, block: i64, bits: u8, point: i64) -> Result<(), Malformed> {
        let first = block.checked_mul(BLOCK).ok_or(Malformed)?;
        for place in (0..BLOCK).filter(|place| bits & (1 << place) != 0) {
            let offset = first.checked_add(place).ok_or(Malformed)?;
            if offset < point || offset >= self.end {
                return Err(Malformed);
            }
            self.push(offset);
        }
        Ok(())
    }

    fn stretches(&self) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for offset in self.open.iter().cloned().flatten() {
            let (block, bit) = (offset.div_euclid(BLOCK), 1 << offset.rem_euclid(BLOCK));
            if let Some(last) = stretches.last_mut() {
                let until = last.first + last.blocks.len() as i64;
                if block <= until + BRIDGE {
                    last.blocks.resize((block - last.first + 1) as usize, 0);
                    *last.blocks.last_mut().expect("it has this block") |= bit;
                    continue;
                }
            }
            stretches.push(Stretch { first: block, blocks: vec![bit] });
        }
        stretches
    }
}

fn span(point: i64, end: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_leb128(&mut bytes, end.abs_diff(point));
    bytes
}

#[cfg(test)]
mod tests;
