//! A dead letter topic as it was when the command began.
//!
//! Opening it reads all marks. After that it can be read once more, letter by letter; what is
//! written meanwhile is not seen. Memory grows with the marks alone, and with what a mark costs:
//! some 48 bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use forebay_kafka::{OffsetSpec, Properties, ReadFrom, Reader, ReaderItem, Record, TopicPartition};
use forebay_wire::dead_letter::{DeadLetter, Mark};

use super::bar::Bar;
use crate::cli::dead_letters::Offset;
use crate::cluster::{Cluster, failure};
use crate::commands::trouble::Trouble;
use crate::exit::{Exit, Failure};
use crate::process::Interrupt;

/// How long records are waited for before signals are looked at again.
const LOOK_UP: Duration = Duration::from_millis(100);

pub(super) struct LetterTopic {
    properties: Properties,
    /// How long trouble with Kafka is waited out.
    patience: Duration,
    name: String,
    /// Begin and end of each partition that is not empty.
    spans: BTreeMap<i32, (i64, i64)>,
    /// By the letter, and its key's hash: what has another key is about no letter.
    marks: HashMap<(Offset, u64), Mark>,
    hashes: RandomState,
    /// Topics that the letters are from.
    pub(super) origins: BTreeSet<String>,
}

/// A letter where it lies.
pub(super) struct Letter {
    pub(super) at: Offset,
    pub(super) record: Record,
    pub(super) story: DeadLetter,
    /// None while it is open.
    pub(super) mark: Option<Mark>,
}

/// What lies in a dead letter topic.
pub(super) enum Found {
    Letter(Box<Letter>),
    Mark,
    /// Written by others, or unreadable.
    Other,
}

impl LetterTopic {
    /// `only`: the partitions to look at; empty for all.
    pub(super) fn open(
        cluster: &Cluster,
        name: &str,
        only: &BTreeSet<i32>,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let topic = cluster.topic(name)?;
        let wanted: Vec<i32> = topic
            .partitions
            .iter()
            .map(|layout| layout.partition)
            .filter(|partition| only.is_empty() || only.contains(partition))
            .collect();
        let starts = ends(cluster, name, &wanted, OffsetSpec::Earliest)?;
        let ends = ends(cluster, name, &wanted, OffsetSpec::Latest)?;
        let spans = wanted.iter().zip(starts.into_iter().zip(ends));
        let spans = spans.filter(|(_, (start, end))| start < end);
        let mut topic = Self {
            properties: cluster.properties.clone(),
            patience: cluster.timeout,
            name: name.to_owned(),
            spans: spans.map(|(partition, span)| (*partition, span)).collect(),
            marks: HashMap::new(),
            hashes: RandomState::new(),
            origins: BTreeSet::new(),
        };
        let mut pass = topic.read("looking for marks")?;
        while let Some((partition, record)) = pass.next(interrupt)? {
            if let Some((mark, offset)) = Mark::parse(record.headers(), record.value()) {
                let letter = topic.named(Offset { partition, offset }, record.key());
                topic.marks.insert(letter, mark);
            } else if let Ok(story) = DeadLetter::parse(record.headers()) {
                topic.origins.insert(story.topic);
            }
        }
        Ok(topic)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// From the beginning; `doing` stands beside the bar.
    pub(super) fn read(&self, doing: &'static str) -> Result<Pass, Failure> {
        let partitions: Vec<i32> = self.spans.keys().copied().collect();
        let reader = match partitions.is_empty() {
            true => None,
            false => {
                let (from, patience) = (ReadFrom::Beginning, self.patience);
                let all = Some(partitions.as_slice());
                let reader = Reader::start(&self.properties, &self.name, all, from, patience);
                Some(reader.map_err(failure)?)
            }
        };
        let length = self.spans.values().map(|(start, end)| end.abs_diff(*start)).sum();
        Ok(Pass {
            reader,
            left: self.spans.clone(),
            bar: Bar::new(doing, length),
            trouble: Trouble::default(),
            patience: self.patience,
        })
    }

    fn named(&self, at: Offset, key: Option<&[u8]>) -> (Offset, u64) {
        (at, self.hashes.hash_one(key.unwrap_or_default()))
    }

    /// What this record of the topic is.
    pub(super) fn found(&self, partition: i32, record: Record) -> Found {
        if Mark::parse(record.headers(), record.value()).is_some() {
            return Found::Mark;
        }
        match DeadLetter::parse(record.headers()) {
            Ok(story) => {
                let at = Offset { partition, offset: record.offset };
                let mark = self.marks.get(&self.named(at, record.key())).copied();
                Found::Letter(Box::new(Letter { at, record, story, mark }))
            }
            Err(_) => Found::Other,
        }
    }
}

/// One way through the topic.
pub(super) struct Pass {
    reader: Option<Reader>,
    /// Begin and end of the partitions that are not read to their end.
    left: BTreeMap<i32, (i64, i64)>,
    pub(super) bar: Bar,
    trouble: Trouble,
    patience: Duration,
}

/// What a look into the topic brought.
pub(super) enum Next {
    Record(i32, Record),
    /// Nothing within the time.
    Nothing,
    End,
}

impl Pass {
    /// The next record, by partition in their order; none at the end.
    pub(super) fn next(&mut self, interrupt: &Interrupt) -> Result<Option<(i32, Record)>, Failure> {
        loop {
            if interrupt.asked() {
                return Err(Failure::new(Exit::Interrupted, "interrupted"));
            }
            match self.look(LOOK_UP)? {
                Next::Record(partition, record) => return Ok(Some((partition, record))),
                Next::Nothing => {}
                Next::End => return Ok(None),
            }
        }
    }

    /// As [`Pass::next`], waiting no longer than this.
    pub(super) fn look(&mut self, wait: Duration) -> Result<Next, Failure> {
        let Some(reader) = self.reader.as_mut().filter(|_| !self.left.is_empty()) else {
            return Ok(Next::End);
        };
        match reader.next(wait) {
            Some(ReaderItem::Record(at, record)) => {
                self.trouble = Trouble::default();
                let Some(&(start, end)) = self.left.get(&at.partition) else {
                    return Ok(Next::Nothing);
                };
                let offset = record.offset;
                if offset + 1 >= end {
                    self.left.remove(&at.partition);
                } else if offset >= start {
                    self.left.insert(at.partition, (offset + 1, end));
                }
                self.bar.advance(offset.min(end - 1).abs_diff(start) + 1);
                if offset < end {
                    return Ok(Next::Record(at.partition, record));
                }
            }
            Some(ReaderItem::End(at)) => {
                self.trouble = Trouble::default();
                self.left.remove(&at.partition);
            }
            Some(ReaderItem::Failed(error)) => self.trouble.heard(error)?,
            None => {}
        }
        self.trouble.check(self.patience)?;
        Ok(Next::Nothing)
    }
}

fn ends(
    cluster: &Cluster,
    topic: &str,
    partitions: &[i32],
    spec: OffsetSpec,
) -> Result<Vec<i64>, Failure> {
    let wanted: Vec<_> =
        partitions.iter().map(|partition| (TopicPartition::new(topic, *partition), spec)).collect();
    let listed = cluster.admin.offsets(&wanted).map_err(failure)?;
    let offset = |listed: forebay_kafka::ListedOffset| {
        listed.offset.map(|offset| offset.unwrap_or(0)).map_err(failure)
    };
    listed.into_iter().map(offset).collect()
}
