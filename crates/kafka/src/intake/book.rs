//! The book of starts: where a group began with each topic, kept in the topic `__forebay`.
//!
//! It promises that all processes of a group agree, for ever, on one record for each topic, and
//! that this record is in the log before anything of the topic is delivered. That holds because
//!
//! 1. the log of one partition is a total order, and the first record of a group and topic wins;
//! 2. each writer has a key of its own, so that compaction, which keeps the last record of a key,
//!    removes none, and the first stays the first;
//! 3. a writer reads from the beginning until it has read its own record, which Kafka had
//!    acknowledged by all replicas in sync, so that what it takes for the first is the first;
//! 4. whoever finds a record when reading from the beginning has read all that is before it.
//!
//! Those who start at once may write several; all but the first are inert. A write whose outcome is
//! not known is written again under another key, and may come later than it, never before. A first
//! record that can't be read holds as well: what comes later was written by somebody who knew less.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_wire::Starts;
use forebay_wire::keep::{Kept, TOPIC, Unreadable};

use crate::error::KafkaError;
use crate::keep::Keep;
use crate::native::admin::AdminClient;
use crate::properties::Properties;

pub(super) struct Book {
    properties: Properties,
    group: String,
    /// What was found or decided; it never changes.
    known: BTreeMap<Arc<str>, Entry>,
}

/// What the book has of a topic.
pub(super) type Entry = Result<Starts, Damaged>;

/// The record that holds says nothing to us.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why} in the record that holds, which has the key `{key}` in topic {TOPIC}")]
pub(super) struct Damaged {
    key: String,
    why: Unreadable,
}

impl Book {
    pub(super) fn new(properties: Properties, group: String) -> Self {
        Self { properties, group, known: BTreeMap::new() }
    }

    /// Where the group began with the topic; none where nobody wrote it down.
    pub(super) fn find(
        &mut self,
        admin: &AdminClient<'_>,
        topic: &str,
    ) -> Result<Option<&Entry>, KafkaError> {
        if !self.known.contains_key(topic) && keep(&self.properties).exists(admin)? {
            self.read(None)?;
        }
        Ok(self.known.get(topic))
    }

    /// Writes down where the group begins with the topic, unless somebody was first; gives what
    /// holds.
    pub(super) fn write(
        &mut self,
        admin: &AdminClient<'_>,
        topic: &str,
        starts: &Starts,
    ) -> Result<&Entry, KafkaError> {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let key = Starts::key(&self.group, topic, &nonce);
        keep(&self.properties).make(admin)?;
        let own = keep(&self.properties).write(&[(key, Some(starts.encode()))])?;
        self.read(own)?;
        let found = self.known.get(topic);
        found.ok_or_else(|| {
            keep(&self.properties).refused("it was read to its end without what was just written")
        })
    }

    /// For those who keep no book: holds as long as this process.
    pub(super) fn remember(&mut self, topic: &str, starts: Starts) {
        self.known.entry(topic.into()).or_insert(Ok(starts));
    }

    pub(super) fn remembered(&self, topic: &str) -> Option<&Entry> {
        self.known.get(topic)
    }

    /// Takes the first record of each topic of this group, as far as `own`, or the end.
    fn read(&mut self, own: Option<i64>) -> Result<(), KafkaError> {
        let (group, known) = (&self.group, &mut self.known);
        keep(&self.properties).read(own, |record| {
            let key = record.key().unwrap_or(&[]);
            if let Some(topic) = Starts::topic_of(key, group)
                && !known.contains_key(topic)
                && let Some(value) = record.value()
            {
                let key = || String::from_utf8_lossy(key).into_owned();
                let entry = Starts::decode(value).map_err(|why| Damaged { key: key(), why });
                known.insert(topic.into(), entry);
            }
        })
    }
}

fn keep(properties: &Properties) -> Keep<'_> {
    Keep { properties, doing: "keep in __forebay where the group begins" }
}
