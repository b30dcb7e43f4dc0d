//! What idempotent producers sent last, so that a batch sent twice is stored once (KIP-98).
//!
//! For each producer id the last [`KEPT`] batches of its current epoch are remembered. A producer
//! that is not known, because it is new or was idle for longer than the expiry, may begin at any
//! sequence (KIP-360). Age is counted by the broker's clock, not by the records' timestamps.
//!
//! `<offset>.snapshot`: version i16 = 1 · CRC-32C u32 of the rest · count i32 · entries: producer
//! id i64, epoch i16, last sequence i32, last offset i64, offset delta i32, timestamp i64,
//! coordinator epoch i32, first offset of the open transaction i64 (-1: none). Kafka keeps only a
//! producer's newest batch; here all that are remembered stand one after the other, oldest
//! first, which Kafka reads as the newest. Transactions are not tracked.

use std::collections::{BTreeMap, VecDeque};

use forebay_wire::BatchHeader;
use forebay_wire::batch::advance_sequence;

use crate::AppendError;

/// Batches in flight that Kafka's idempotent producers may have.
const KEPT: usize = 5;
const VERSION: i16 = 1;
const ENTRY_LEN: usize = 46;
/// Bytes before the first entry.
const HEAD_LEN: usize = 10;
/// Idle producers are looked for this often.
const SWEEP_MS: i64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentBatch {
    last_sequence: i32,
    pub(crate) last_offset: i64,
    offset_delta: i32,
    seen_ms: i64,
}

impl SentBatch {
    const fn first_sequence(&self) -> i32 {
        // Going back wraps from 0 to i32::MAX.
        ((self.last_sequence as i64 - self.offset_delta as i64) & i32::MAX as i64) as i32
    }

    pub(crate) const fn first_offset(&self) -> i64 {
        self.last_offset - self.offset_delta as i64
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// Never empty; the newest last.
    batches: VecDeque<SentBatch>,
}

impl Producer {
    fn is_idle(&self, now_ms: i64, expiration_ms: i64) -> bool {
        let seen = self.batches.back().map_or(i64::MIN, |batch| batch.seen_ms);
        now_ms.saturating_sub(seen) >= expiration_ms
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    by_id: BTreeMap<i64, Producer>,
    sweep_at_ms: i64,
}

impl Producers {
    /// Whether a batch may be appended: `Some` is where it stands already.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        now_ms: i64,
        expiration_ms: i64,
    ) -> Result<Option<SentBatch>, AppendError> {
        if !header.has_producer() {
            return Ok(None);
        }
        let BatchHeader { producer_id, producer_epoch: epoch, base_sequence: found, .. } = *header;
        if epoch < 0 || found < 0 {
            return Err(AppendError::NoSequence { producer_id });
        }
        let Some(producer) = self.by_id.get(&producer_id) else { return Ok(None) };
        if producer.is_idle(now_ms, expiration_ms) {
            return Ok(None);
        }
        if epoch < producer.epoch {
            return Err(AppendError::Fenced { producer_id, current: producer.epoch, found: epoch });
        }
        if epoch > producer.epoch {
            return match found {
                0 => Ok(None),
                found => Err(AppendError::OutOfOrderSequence { producer_id, expected: 0, found }),
            };
        }
        let sent = producer.batches.iter().find(|sent| {
            sent.first_sequence() == found && sent.last_sequence == header.last_sequence()
        });
        let Some(last) = producer.batches.back() else { return Ok(None) };
        match (sent, advance_sequence(last.last_sequence, 1)) {
            (Some(sent), _) => Ok(Some(*sent)),
            (None, expected) if expected == found => Ok(None),
            (None, expected) => {
                Err(AppendError::OutOfOrderSequence { producer_id, expected, found })
            }
        }
    }

    /// Notes a batch that is in the log.
    pub(crate) fn note(&mut self, header: &BatchHeader, now_ms: i64) {
        if !header.has_producer() {
            return;
        }
        let sent = SentBatch {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            seen_ms: now_ms,
        };
        self.put(header.producer_id, header.producer_epoch, sent);
    }

    fn put(&mut self, id: i64, epoch: i16, sent: SentBatch) {
        let producer = self
            .by_id
            .entry(id)
            .or_insert_with(|| Producer { epoch, batches: VecDeque::with_capacity(KEPT) });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(sent);
    }

    /// Forgets idle producers, now and then.
    pub(crate) fn sweep(&mut self, now_ms: i64, expiration_ms: i64) {
        if now_ms >= self.sweep_at_ms {
            self.sweep_at_ms = now_ms.saturating_add(SWEEP_MS);
            self.by_id.retain(|_, producer| !producer.is_idle(now_ms, expiration_ms));
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut entries = Vec::new();
        let mut count = 0i32;
        for (id, producer) in &self.by_id {
            for sent in &producer.batches {
                entries.extend_from_slice(&id.to_be_bytes());
                entries.extend_from_slice(&producer.epoch.to_be_bytes());
                entries.extend_from_slice(&sent.last_sequence.to_be_bytes());
                entries.extend_from_slice(&sent.last_offset.to_be_bytes());
                entries.extend_from_slice(&sent.offset_delta.to_be_bytes());
                entries.extend_from_slice(&sent.seen_ms.to_be_bytes());
                entries.extend_from_slice(&(-1i32).to_be_bytes());
                entries.extend_from_slice(&(-1i64).to_be_bytes());
                count += 1;
            }
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&count.to_be_bytes()), &entries);
        let mut out = Vec::with_capacity(HEAD_LEN + entries.len());
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&crc.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&entries);
        out
    }

    /// Reads a snapshot; `None` where it is damaged or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (crc, body) = rest.split_first_chunk()?;
        if i16::from_be_bytes(*version) != VERSION
            || u32::from_be_bytes(*crc) != crc32c::crc32c(body)
        {
            return None;
        }
        let (count, entries) = body.split_first_chunk()?;
        let (entries, rest) = entries.as_chunks::<ENTRY_LEN>();
        if !rest.is_empty() || usize::try_from(i32::from_be_bytes(*count)) != Ok(entries.len()) {
            return None;
        }
        let mut producers = Self::default();
        for entry in entries {
            let (id, epoch, sent) = decode_entry(entry)?;
            producers.put(id, epoch, sent);
        }
        Some(producers)
    }
}

fn decode_entry(entry: &[u8; ENTRY_LEN]) -> Option<(i64, i16, SentBatch)> {
    let (id, rest) = entry.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (last_sequence, rest) = rest.split_first_chunk()?;
    let (last_offset, rest) = rest.split_first_chunk()?;
    let (offset_delta, rest) = rest.split_first_chunk()?;
    let (seen_ms, _) = rest.split_first_chunk()?;
    let sent = SentBatch {
        last_sequence: i32::from_be_bytes(*last_sequence),
        last_offset: i64::from_be_bytes(*last_offset),
        offset_delta: i32::from_be_bytes(*offset_delta),
        seen_ms: i64::from_be_bytes(*seen_ms),
    };
    Some((i64::from_be_bytes(*id), i16::from_be_bytes(*epoch), sent))
}

#[cfg(test)]
mod tests;
