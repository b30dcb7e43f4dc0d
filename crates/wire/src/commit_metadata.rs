//! What Forebay keeps in the metadata string of a committed offset.
//!
//! `fb3`, `fb4` or `fb5`, then fields `;<letter>=<value>` in this order, then `;c=` and the CRC-32C, as 8 hex
//! digits, of all that stands before it:
//!
//! | field | value |
//! |---|---|
//! | `t` | tenure of the owner, decimal |
//! | `b` | the committed offset that all else is relative to, decimal |
//! | `i` | id of the topic, as Kafka prints it (KIP-516); absent where it is not known |
//! | `e` | leader epoch of the last record before the commit point, decimal; absent where not known |
//! | `q` | `1`: quiet. Nothing of this tenure is at work any more; absent otherwise |
//! | `r` | rewinds by operators: `<count>.<until>`, decimal: what lies below the offset `until` is being read again; only in `fb4` |
//! | `p` | the park topic that the keys are in; only with keys, and only in `fb5` |
//! | `k` | parked keys: 20 bytes each, big-endian: hash (u64), and partition (i32) and offset (i64) of its last record in the park topic; partition -1: nothing of it is known to be there, and the offset is that of the record that is to go first |
//! | `m` | the completion map, see [`crate::completion`] |
//! | `a` | records that failed and are open: varints of the distance to the one before (first: to the commit point), deliveries, and failures charged |
//!
//! Bytes are written in base64url without padding. Fields without content are left out, and the
//! number is the least whose version knows all that are there: who was never rewound and parks nothing
//! writes `fb3`. `fb1` (`t` alone), `fb2` (`t` and `k`) and a `k` without `p` are read as well.
//!
//! A string that is not ours or is damaged is a typed [`Unreadable`]: its reader starts from the
//! committed offset and replays; it never skips. A later version adds fields under a new number.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::completion::Completion;
use crate::cursor::{Cursor, put_leb128};

/// Kafka's default limit for a committed offset's metadata, in bytes.
pub const MAX_LEN: usize = 4096;

const NAME: &str = "fb";
/// The newest that is read.
const VERSION: u32 = 5;
/// What is written where nothing asks for a newer one; what knows rewinds; and park topics.
const PLAIN: u32 = 3;
const REWOUND: u32 = 4;
const PARKED_IN: u32 = 5;
/// Bytes of a parked key.
const ROW: usize = 20;
/// Keys that fit.
pub const PARKED_MAX: usize = 64;
/// More than the fields without bytes take, and the names of the others.
const HEAD: usize = 180;
/// Kept free for the records that failed.
const FAILED: usize = 320;
/// What is read, however much a broker was told to take.
const READ_MAX: usize = 1 << 20;

/// State of a partition's delivery that outlives its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The owner's term of office over the partition.
    pub tenure: i64,
    /// The committed offset that map and attempts are relative to; none in what older versions
    /// wrote, which have neither.
    pub base: Option<i64>,
    pub topic_id: Option<String>,
    pub leader_epoch: Option<i32>,
    /// Nothing of this tenure is at work any more.
    pub quiet: bool,
    pub rewinds: Rewinds,
    /// The topic that the parked keys are in; none where nothing is parked, and in what older versions
    /// wrote. A name that Kafka allows: its characters are not the format's own.
    pub parked_in: Option<String>,
    /// Keys whose records go to the park topic; at most [`PARKED_MAX`].
    pub parked: Vec<ParkedKey>,
    /// What is settled beyond the commit point; empty without a base.
    pub completion: Completion,
    /// Records that failed and are open, by rising offsets.
    pub failed: Vec<Failed>,
}

/// How often operators had the partition read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewinds {
    pub count: u32,
    /// What lies below had been read before the last one, or before an earlier one.
    pub until: i64,
}

/// A key that is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedKey {
    pub hash: u64,
    /// Of its last record in the park topic; -1 where none is known to be there.
    pub partition: i32,
    pub offset: i64,
}

/// A record that failed and is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    pub offset: i64,
    pub deliveries: u32,
    /// Failures that count as the record's own.
    pub charged: u32,
}

/// Why a metadata string says nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Empty, or written by something else.
    #[error("the commit metadata was not written by Forebay")]
    Foreign,
    #[error("the commit metadata has version {version}, newer than {VERSION}")]
    Newer { version: u32 },
    #[error("the commit metadata is damaged")]
    Damaged,
}

/// Bytes that a completion map may take where so much metadata is allowed, and keys may be parked in
/// this topic, if in any.
pub fn map_max(limit: usize, park_topic: Option<&str>) -> usize {
    let keys = (PARKED_MAX * ROW).div_ceil(3) * 4;
    let parked = park_topic.map_or(0, |topic| ";p=".len() + topic.len() + keys);
    limit.saturating_sub(HEAD + FAILED + parked) / 4 * 3
}

impl CommitMetadata {
    /// In at most `limit` bytes, as far as tenure, rewinds and parked keys allow: they are never
    /// left out. Of the map the longest part that fits is kept, then as many of the failed as fit.
    ///
    /// # Panics
    /// With more than [`PARKED_MAX`] keys, which the caller bounds.
    pub fn encode(&self, limit: usize) -> String {
        assert!(self.parked.len() <= PARKED_MAX, "what is parked is bounded");
        let rewinds = (self.rewinds != Rewinds::default()).then_some(self.rewinds);
        let parked_in = self.parked_in.clone().filter(|_| !self.parked.is_empty());
        let version = match (&parked_in, rewinds) {
            (Some(_), _) => PARKED_IN,
            (None, Some(_)) => REWOUND,
            (None, None) => PLAIN,
        };
        let mut body = format!("{NAME}{version};t={}", self.tenure);
        let mut field = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                body.extend([";", name, "=", &value]);
            }
            body.len()
        };
        field("b", self.base.map(|base| base.to_string()));
        field("i", self.topic_id.clone());
        field("e", self.leader_epoch.map(|epoch| epoch.to_string()));
        field("q", self.quiet.then(|| "1".to_owned()));
        field("r", rewinds.map(|Rewinds { count, until }| format!("{count}.{until}")));
        field("p", parked_in);
        let mut used = field("k", text(encode_keys(&self.parked)));
        if let Some(base) = self.base {
            let room = |used: usize| limit.saturating_sub(used + HEAD / 4) / 4 * 3;
            used = field("m", text(self.completion.encode(base, room(used))));
            field("a", text(encode_failed(&self.failed, base, room(used))));
        }
        let checksum = crc32c::crc32c(body.as_bytes());
        format!("{body};c={checksum:08x}")
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let (name, _) = text.split_once(';').ok_or(Unreadable::Foreign)?;
        let version = name.strip_prefix(NAME).and_then(|version| version.parse::<u32>().ok());
        match version.ok_or(Unreadable::Foreign)? {
            0 => return Err(Unreadable::Foreign),
            version if version > VERSION => return Err(Unreadable::Newer { version }),
            _ => {}
        }
        let (body, checksum) = text.rsplit_once(";c=").ok_or(Unreadable::Damaged)?;
        if text.len() > READ_MAX || checksum != format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
            return Err(Unreadable::Damaged);
        }
        Self::fields(body).ok_or(Unreadable::Damaged)
    }

    fn fields(body: &str) -> Option<Self> {
        let mut fields = body.split(';').skip(1).peekable();
        let mut field = |name: &str| {
            let value = fields.peek()?.strip_prefix(name)?.strip_prefix('=')?;
            fields.next();
            Some(value)
        };
        let tenure = field("t")?.parse().ok()?;
        let base = field("b").map(|base| base.parse::<i64>().ok());
        let topic_id = field("i").map(str::to_owned);
        let leader_epoch = field("e").map(|epoch| epoch.parse::<i32>().ok());
        let quiet = field("q").map(|quiet| (quiet == "1").then_some(()));
        let rewinds = field("r").map(decode_rewinds);
        let parked_in = field("p").map(str::to_owned);
        let parked = field("k").map(decode_keys);
        let map = field("m").map(|map| URL_SAFE_NO_PAD.decode(map).ok());
        let failed = field("a").map(|failed| URL_SAFE_NO_PAD.decode(failed).ok());
        if fields.next().is_some() {
            return None;
        }
        let base = base.map_or(Some(None), |base| base.map(Some))?;
        let relative = base.unwrap_or(0);
        if base.is_none() && (map.is_some() || failed.is_some()) {
            return None;
        }
        if parked_in.is_some() && parked.is_none() {
            return None;
        }
        Some(Self {
            tenure,
            base,
            topic_id,
            leader_epoch: leader_epoch.map_or(Some(None), |epoch| epoch.map(Some))?,
            quiet: quiet.map_or(Some(false), |quiet| quiet.map(|()| true))?,
            rewinds: rewinds.unwrap_or(Some(Rewinds::default()))?,
            parked_in,
            parked: parked.unwrap_or(Some(Vec::new()))?,
            completion: Completion::decode(&map.unwrap_or(Some(Vec::new()))?, relative).ok()?,
            failed: decode_failed(&failed.unwrap_or(Some(Vec::new()))?, relative)?,
        })
    }
}

fn text(bytes: Vec<u8>) -> Option<String> {
    (!bytes.is_empty()).then(|| URL_SAFE_NO_PAD.encode(bytes))
}

fn decode_rewinds(text: &str) -> Option<Rewinds> {
    let (count, until) = text.split_once('.')?;
    let rewinds = Rewinds { count: count.parse().ok()?, until: until.parse().ok()? };
    (rewinds.count > 0).then_some(rewinds)
}

fn encode_keys(keys: &[ParkedKey]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(keys.len() * ROW);
    for key in keys {
        bytes.extend(key.hash.to_be_bytes());
        bytes.extend(key.partition.to_be_bytes());
        bytes.extend(key.offset.to_be_bytes());
    }
    bytes
}

fn decode_keys(text: &str) -> Option<Vec<ParkedKey>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (rows, rest) = bytes.as_chunks::<ROW>();
    let key = |row: &[u8; ROW]| {
        let (hash, place) = row.split_first_chunk::<8>()?;
        let (partition, place) = place.split_first_chunk::<4>()?;
        Some(ParkedKey {
            hash: u64::from_be_bytes(*hash),
            partition: i32::from_be_bytes(*partition),
            offset: i64::from_be_bytes(*place.first_chunk::<8>()?),
        })
    };
    let whole = rest.is_empty() && (1..=PARKED_MAX).contains(&rows.len());
    whole.then(|| rows.iter().map(key).collect())?
}

fn encode_failed(failed: &[Failed], base: i64, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = base;
    for record in failed {
        let before = bytes.len();
        put_leb128(&mut bytes, record.offset.abs_diff(last));
        put_leb128(&mut bytes, record.deliveries.into());
        put_leb128(&mut bytes, record.charged.into());
        if bytes.len() > most {
            bytes.truncate(before);
            break;
        }
        last = record.offset;
    }
    bytes
}

fn decode_failed(bytes: &[u8], base: i64) -> Option<Vec<Failed>> {
    let mut cursor = Cursor::new(bytes);
    let mut failed = Vec::new();
    let mut last = base;
    while cursor.remaining() > 0 {
        let step = cursor.leb128(10).ok()?;
        if step == 0 && !failed.is_empty() {
            return None;
        }
        let offset = last.checked_add_unsigned(step)?;
        let (deliveries, charged) =
            (cursor.unsigned_varint().ok()?, cursor.unsigned_varint().ok()?);
        failed.push(Failed { offset, deliveries, charged });
        last = offset;
    }
    Some(failed)
}

#[cfg(test)]
mod tests;
