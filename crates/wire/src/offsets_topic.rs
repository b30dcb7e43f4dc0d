//! Keys and values of `__consumer_offsets`, in Kafka's own bytes, so that any tool can read them.
//!
//! Read: keys 0, 1 (a committed offset) and 2 (a classic group); offset values 0-4; group values
//! 0-3. Written: key 1 with offset value 3, key 2 with group value 3, the newest that Burrow and
//! its like understand. Keys of newer kinds (KIP-848, share and streams groups) come back as
//! [`Entry::Unknown`]; unknown value versions are an error. Formats: `OffsetCommitKey.json`,
//! `OffsetCommitValue.json`, `GroupMetadataKey.json`, `GroupMetadataValue.json` of Kafka.

use bytes::Bytes;

use crate::cursor::{Cursor, Malformed};

/// Kafka's default for `offsets.topic.num.partitions`.
pub const PARTITIONS: i32 = 50;
/// The topic's name.
pub const TOPIC: &str = "__consumer_offsets";

/// Why a key or value can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetsError {
    #[error("{what} has version {version}, which is not known")]
    Version { what: &'static str, version: i16 },
    #[error("{what} is malformed")]
    Malformed { what: &'static str },
    #[error("a string of {len} bytes is longer than the 32,767 that the format has room for")]
    TooLong { len: usize },
}

/// One record of the topic. A value of `None` is a tombstone: what the key names is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Offset { key: OffsetKey, value: Option<OffsetValue> },
    Group { group: String, value: Option<GroupValue> },
    Unknown { key_version: i16 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// A committed offset. Timestamps are ms since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetValue {
    pub offset: i64,
    /// -1 where the committer did not say.
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp: i64,
}

/// A classic group as of its last completed rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupValue {
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// When the group took its state; -1 where not said.
    pub state_timestamp: i64,
    pub members: Vec<MemberValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberValue {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl Entry {
    /// Reads one record of the topic.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, OffsetsError> {
        let what = "key of __consumer_offsets";
        let malformed = |Malformed| OffsetsError::Malformed { what };
        let mut cursor = Cursor::new(key);
        match cursor.i16().map_err(malformed)? {
            0 | 1 => {
                let key = offset_key(&mut cursor).map_err(malformed)?;
                let value = value.map(OffsetValue::decode).transpose()?;
                Ok(Self::Offset { key, value })
            }
            2 => {
                let group = string(&mut cursor).map_err(malformed)?;
                let value = value.map(GroupValue::decode).transpose()?;
                Ok(Self::Group { group, value })
            }
            key_version => Ok(Self::Unknown { key_version }),
        }
    }
}

fn offset_key(cursor: &mut Cursor<'_>) -> Result<OffsetKey, Malformed> {
    let group = string(cursor)?;
    let topic = string(cursor)?;
    Ok(OffsetKey { group, topic, partition: cursor.i32()? })
}

impl OffsetKey {
    pub fn encode(&self) -> Result<Vec<u8>, OffsetsError> {
        let mut out = 1i16.to_be_bytes().to_vec();
        put_string(&mut out, &self.group)?;
        put_string(&mut out, &self.topic)?;
        out.extend_from_slice(&self.partition.to_be_bytes());
        Ok(out)
    }
}

/// The key under which a classic group's [`GroupValue`] stands.
pub fn encode_group_key(group: &str) -> Result<Vec<u8>, OffsetsError> {
    let mut out = 2i16.to_be_bytes().to_vec();
    put_string(&mut out, group)?;
    Ok(out)
}

impl OffsetValue {
    const WHAT: &'static str = "offset value";

    pub fn encode(&self) -> Result<Vec<u8>, OffsetsError> {
        let mut out = 3i16.to_be_bytes().to_vec();
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.leader_epoch.to_be_bytes());
        put_string(&mut out, &self.metadata)?;
        out.extend_from_slice(&self.commit_timestamp.to_be_bytes());
        Ok(out)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, OffsetsError> {
        let malformed = |Malformed| OffsetsError::Malformed { what: Self::WHAT };
        let mut cursor = Cursor::new(bytes);
        let version = cursor.i16().map_err(malformed)?;
        if !(0..=4).contains(&version) {
            return Err(OffsetsError::Version { what: Self::WHAT, version });
        }
        Self::body(version, &mut cursor).map_err(malformed)
    }

    /// What follows the commit timestamp (version 1's expiry, version 4's tagged topic id) is
    /// not ours to use.
    fn body(version: i16, cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let offset = cursor.i64()?;
        let leader_epoch = if version >= 3 { cursor.i32()? } else { -1 };
        let metadata = if version >= 4 { compact_string(cursor)? } else { string(cursor)? };
        Ok(Self { offset, leader_epoch, metadata, commit_timestamp: cursor.i64()? })
    }
}

impl GroupValue {
    const WHAT: &'static str = "group value";

    pub fn encode(&self) -> Result<Vec<u8>, OffsetsError> {
        let mut out = 3i16.to_be_bytes().to_vec();
        put_string(&mut out, &self.protocol_type)?;
        out.extend_from_slice(&self.generation.to_be_bytes());
        put_nullable_string(&mut out, self.protocol.as_deref())?;
        put_nullable_string(&mut out, self.leader.as_deref())?;
        out.extend_from_slice(&self.state_timestamp.to_be_bytes());
        put_i32_len(&mut out, self.members.len());
        for member in &self.members {
            member.put(&mut out)?;
        }
        Ok(out)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, OffsetsError> {
        let malformed = |Malformed| OffsetsError::Malformed { what: Self::WHAT };
        let mut cursor = Cursor::new(bytes);
        let version = cursor.i16().map_err(malformed)?;
        if !(0..=3).contains(&version) {
            return Err(OffsetsError::Version { what: Self::WHAT, version });
        }
        Self::body(version, &mut cursor).map_err(malformed)
    }

    fn body(version: i16, cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let protocol_type = string(cursor)?;
        let generation = cursor.i32()?;
        let protocol = nullable_string(cursor)?;
        let leader = nullable_string(cursor)?;
        let state_timestamp = if version >= 2 { cursor.i64()? } else { -1 };
        let count = usize::try_from(cursor.i32()?).map_err(|_| Malformed)?;
        // No capacity is taken for the claimed count: reading fails first where it is a lie.
        let members = (0..count)
            .map(|_| MemberValue::read(version, cursor))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { protocol_type, generation, protocol, leader, state_timestamp, members })
    }
}

impl MemberValue {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), OffsetsError> {
        put_string(out, &self.member_id)?;
        put_nullable_string(out, self.group_instance_id.as_deref())?;
        put_string(out, &self.client_id)?;
        put_string(out, &self.client_host)?;
        out.extend_from_slice(&self.rebalance_timeout_ms.to_be_bytes());
        out.extend_from_slice(&self.session_timeout_ms.to_be_bytes());
        for bytes in [&self.subscription, &self.assignment] {
            put_i32_len(out, bytes.len());
            out.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn read(version: i16, cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let member_id = string(cursor)?;
        let group_instance_id = if version >= 3 { nullable_string(cursor)? } else { None };
        let client_id = string(cursor)?;
        let client_host = string(cursor)?;
        let rebalance = if version >= 1 { Some(cursor.i32()?) } else { None };
        let session_timeout_ms = cursor.i32()?;
        Ok(Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            // Before version 1 one timeout served both.
            rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription: i32_bytes(cursor)?,
            assignment: i32_bytes(cursor)?,
        })
    }
}

/// The partition of `__consumer_offsets` that holds a group: Java's hash of its name, of which
/// Kafka takes the absolute value (0 for the one that has none) modulo the partition count.
pub fn partition_of_group(group: &str, partitions: i32) -> i32 {
    let hash = group
        .encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

fn utf8(bytes: &[u8]) -> Result<String, Malformed> {
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)
}

fn nullable_string(cursor: &mut Cursor<'_>) -> Result<Option<String>, Malformed> {
    match usize::try_from(cursor.i16()?) {
        Ok(len) => utf8(cursor.take(len)?).map(Some),
        Err(_) => Ok(None),
    }
}

fn string(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    nullable_string(cursor)?.ok_or(Malformed)
}

/// Flexible versions store length + 1, and 0 for null.
fn compact_string(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    let len = cursor.unsigned_varint()?.checked_sub(1).ok_or(Malformed)?;
    utf8(cursor.take(len as usize)?)
}

fn i32_bytes(cursor: &mut Cursor<'_>) -> Result<Bytes, Malformed> {
    let len = usize::try_from(cursor.i32()?).map_err(|_| Malformed)?;
    cursor.take(len).map(Bytes::copy_from_slice)
}

/// Newer requests have room for longer strings than this format has, so a client can cause this.
fn put_string(out: &mut Vec<u8>, text: &str) -> Result<(), OffsetsError> {
    let len = i16::try_from(text.len()).map_err(|_| OffsetsError::TooLong { len: text.len() })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_nullable_string(out: &mut Vec<u8>, text: Option<&str>) -> Result<(), OffsetsError> {
    match text {
        Some(text) => put_string(out, text)?,
        None => out.extend_from_slice(&(-1i16).to_be_bytes()),
    }
    Ok(())
}

fn put_i32_len(out: &mut Vec<u8>, len: usize) {
    let len = i32::try_from(len).expect("a group's state is far below 2 GiB");
    out.extend_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests;
