//! A record as it came out of Kafka, in one piece of memory.
//!
//! Key, value and headers of a record are copied once, side by side, into one buffer of exactly
//! their size: holding a record pins its own bytes and nothing else.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A partition by its names in Kafka. Cloning it is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Marks a part that is null in Kafka, which is not the same as an empty one.
const NULL: u32 = u32::MAX;

/// A record of one partition. Its buffer holds the key, then the value, then for each header two
/// little-endian `u32` lengths, the name and the value.
#[derive(Clone)]
pub struct Record {
    pub offset: i64,
    /// Milliseconds since the epoch; −1 where the broker knows none.
    pub timestamp_ms: i64,
    buffer: Bytes,
    key: u32,
    value: u32,
}

impl Record {
    /// Copies the parts. `headers` are names and values; both lists are read twice.
    pub fn new<'a, H>(
        offset: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Self
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let headers_length: usize =
            headers.clone().map(|(name, value)| 8 + name.len() + length(value)).sum();
        let mut buffer = Vec::with_capacity(length(key) + length(value) + headers_length);
        buffer.extend_from_slice(key.unwrap_or_default());
        buffer.extend_from_slice(value.unwrap_or_default());
        for (name, value) in headers {
            buffer.extend_from_slice(&encoded_length(Some(name.as_bytes())).to_le_bytes());
            buffer.extend_from_slice(&encoded_length(value).to_le_bytes());
            buffer.extend_from_slice(name.as_bytes());
            buffer.extend_from_slice(value.unwrap_or_default());
        }
        Self {
            offset,
            timestamp_ms,
            key: encoded_length(key),
            value: encoded_length(value),
            buffer: Bytes::from(buffer),
        }
    }

    pub fn key(&self) -> Option<&[u8]> {
        (self.key != NULL).then(|| &self.buffer[..self.key_end()])
    }

    /// `None` is a null value (a tombstone).
    pub fn value(&self) -> Option<&[u8]> {
        (self.value != NULL).then(|| &self.buffer[self.key_end()..self.value_end()])
    }

    /// The key, sharing this record's memory.
    pub fn key_bytes(&self) -> Option<Bytes> {
        (self.key != NULL).then(|| self.buffer.slice(..self.key_end()))
    }

    /// The value, sharing this record's memory.
    pub fn value_bytes(&self) -> Option<Bytes> {
        (self.value != NULL).then(|| self.buffer.slice(self.key_end()..self.value_end()))
    }

    /// Names and values in their order; names that were not UTF-8 have replacement characters.
    pub fn headers(&self) -> Headers<'_> {
        Headers { rest: &self.buffer[self.value_end()..] }
    }

    pub fn has_headers(&self) -> bool {
        self.buffer.len() > self.value_end()
    }

    /// Bytes that holding this record costs: its parts and its own fields.
    pub fn size(&self) -> usize {
        self.buffer.len() + size_of::<Self>()
    }

    fn key_end(&self) -> usize {
        decoded_length(self.key)
    }

    fn value_end(&self) -> usize {
        self.key_end() + decoded_length(self.value)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("offset", &self.offset)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("key_length", &self.key().map(<[u8]>::len))
            .field("value_length", &self.value().map(<[u8]>::len))
            .finish_non_exhaustive()
    }
}

/// Kafka's lengths are `i32`, so a real one never equals the null mark.
fn encoded_length(part: Option<&[u8]>) -> u32 {
    part.map_or(NULL, |part| {
        u32::try_from(part.len())
            .ok()
            .filter(|length| *length < NULL)
            .expect("a part of a record is shorter than 2 GiB in Kafka's protocol")
    })
}

fn decoded_length(length: u32) -> usize {
    if length == NULL { 0 } else { length as usize }
}

/// The headers of one record, in their order; names may repeat.
#[derive(Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_length, rest) = self.rest.split_first_chunk::<4>()?;
        let (value_length, rest) = rest.split_first_chunk::<4>()?;
        let value_length = u32::from_le_bytes(*value_length);
        let (name, rest) = rest.split_at(decoded_length(u32::from_le_bytes(*name_length)));
        let (value, rest) = rest.split_at(decoded_length(value_length));
        self.rest = rest;
        let name = std::str::from_utf8(name).expect("names were copied from a str");
        Some((name, (value_length != NULL).then_some(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_every_part_it_was_made_of() {
        let headers = [("a", Some(&b"1"[..])), ("", None), ("a", Some(&b""[..]))];
        let record = Record::new(7, 99, Some(b"key"), Some(b"value"), headers.into_iter());
        assert_eq!(record.key(), Some(&b"key"[..]));
        assert_eq!(record.value(), Some(&b"value"[..]));
        assert_eq!(record.value_bytes().as_deref(), Some(&b"value"[..]));
        assert_eq!(record.headers().collect::<Vec<_>>(), headers);
        assert!(record.has_headers());
    }

    #[test]
    fn null_is_not_empty() {
        let null = Record::new(0, -1, None, None, std::iter::empty());
        assert_eq!((null.key(), null.value(), null.value_bytes()), (None, None, None));
        let empty = Record::new(0, -1, Some(b""), Some(b""), std::iter::empty());
        assert_eq!((empty.key(), empty.value()), (Some(&b""[..]), Some(&b""[..])));
        assert!(!empty.has_headers());
    }

    #[test]
    fn debug_shows_lengths_and_not_contents() {
        let record = Record::new(0, -1, None, Some(b"secret"), std::iter::empty());
        assert!(!format!("{record:?}").contains("secret"));
    }
}
