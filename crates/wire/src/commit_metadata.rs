//! What Forebay keeps in the metadata string of a committed offset.
//!
//! - `fb1;t=<tenure>;c=<checksum>`: version 1; tenure in decimal; CRC-32C, as 8 hex digits, of
//!   all that stands before `;c=`.
//! - `fb2;t=<tenure>;k=<keys>;c=<checksum>`: version 2, where keys are parked; base64url without
//!   padding of 20 bytes for each key, big-endian: its hash (u64), and the partition (i32) and
//!   offset (i64) of its last record in the park topic; partition -1: nothing of it is known to be
//!   there, and the offset is that of the record that is to go first.
//! - At most [`MAX_LEN`] bytes, Kafka's default for `offset.metadata.max.bytes`.
//!
//! A string that is not ours or is damaged is a typed [`Unreadable`]: its reader starts from the
//! committed offset and replays; it never skips. A later version adds fields under a new number.
//! Where no key is parked version 1 is written, which every release reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Kafka's default limit for a committed offset's metadata, in bytes.
pub const MAX_LEN: usize = 4096;

const NAME: &str = "fb";
const VERSION: u32 = 2;
/// Bytes of a parked key.
const ROW: usize = 20;

/// State of a partition's delivery that outlives its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The owner's term of office over the partition.
    pub tenure: i64,
    /// Keys whose records go to the park topic; at most [`PARKED_MAX`].
    pub parked: Vec<ParkedKey>,
}

/// A key that is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedKey {
    pub hash: u64,
    /// Of its last record in the park topic; -1 where none is known to be there.
    pub partition: i32,
    pub offset: i64,
}

/// Keys that fit.
pub const PARKED_MAX: usize = 64;

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

impl CommitMetadata {
    /// # Panics
    /// With more than [`PARKED_MAX`] keys, which the caller bounds.
    pub fn encode(&self) -> String {
        assert!(self.parked.len() <= PARKED_MAX, "what is parked is bounded");
        let body = match self.parked.is_empty() {
            true => format!("{NAME}1;t={}", self.tenure),
            false => format!("{NAME}2;t={};k={}", self.tenure, encode_keys(&self.parked)),
        };
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
        if text.len() > MAX_LEN || checksum != format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
            return Err(Unreadable::Damaged);
        }
        let mut fields = body.split(';').skip(1);
        let mut field = |name| fields.next().map(|field| field.strip_prefix(name));
        let tenure = field("t=").flatten().and_then(|tenure| tenure.parse().ok());
        let parked = match field("k=") {
            None => Some(Vec::new()),
            Some(keys) => keys.and_then(decode_keys),
        };
        let (Some(tenure), Some(parked), None) = (tenure, parked, fields.next()) else {
            return Err(Unreadable::Damaged);
        };
        Ok(Self { tenure, parked })
    }
}

fn encode_keys(keys: &[ParkedKey]) -> String {
    let mut bytes = Vec::with_capacity(keys.len() * ROW);
    for key in keys {
        bytes.extend(key.hash.to_be_bytes());
        bytes.extend(key.partition.to_be_bytes());
        bytes.extend(key.offset.to_be_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The caller bounds the text.
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
    let whole = rest.is_empty() && rows.len() <= PARKED_MAX;
    whole.then(|| rows.iter().map(key).collect())?
}

#[cfg(test)]
mod tests;
