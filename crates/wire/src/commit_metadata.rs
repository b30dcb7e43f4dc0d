//! What Forebay keeps in the metadata string of a committed offset.
//!
//! - `fb1;t=<tenure>;c=<checksum>`: version 1; tenure in decimal; CRC-32C, as 8 hex digits, of
//!   all that stands before `;c=`.
//! - At most [`MAX_LEN`] bytes, Kafka's default for `offset.metadata.max.bytes`.
//!
//! A string that is not ours or is damaged is a typed [`Unreadable`]: its reader starts from the
//! committed offset and replays; it never skips. A later version adds fields under a new number.

/// Kafka's default limit for a committed offset's metadata, in bytes.
pub const MAX_LEN: usize = 4096;

const NAME: &str = "fb";
const VERSION: u32 = 1;

/// State of a partition's delivery that outlives its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The owner's term of office over the partition.
    pub tenure: i64,
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

impl CommitMetadata {
    pub fn encode(&self) -> String {
        let body = format!("{NAME}{VERSION};t={}", self.tenure);
        let checksum = crc32c::crc32c(body.as_bytes());
        format!("{body};c={checksum:08x}")
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let (name, _) = text.split_once(';').ok_or(Unreadable::Foreign)?;
        let version = name.strip_prefix(NAME).and_then(|version| version.parse::<u32>().ok());
        match version.ok_or(Unreadable::Foreign)? {
            VERSION => {}
            version if version > VERSION => return Err(Unreadable::Newer { version }),
            _ => return Err(Unreadable::Foreign),
        }
        let (body, checksum) = text.rsplit_once(";c=").ok_or(Unreadable::Damaged)?;
        if text.len() > MAX_LEN || checksum != format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
            return Err(Unreadable::Damaged);
        }
        let tenure = body.split_once(";t=").and_then(|(_, tenure)| tenure.parse().ok());
        Ok(Self { tenure: tenure.ok_or(Unreadable::Damaged)? })
    }
}

#[cfg(test)]
mod tests;
