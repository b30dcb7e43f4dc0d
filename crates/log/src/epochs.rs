//! Where each leader epoch began (KIP-101), in Kafka's `leader-epoch-checkpoint`.
//!
//! Text: version 0, count, then a line "epoch start-offset" for each. It is written before the
//! first batch of an epoch is; entries that no batch followed are dropped on opening.

use std::io;
use std::path::{Path, PathBuf};

use crate::files;

const NAME: &str = "leader-epoch-checkpoint";

#[derive(Debug)]
pub(crate) struct Epochs {
    path: PathBuf,
    /// (epoch, start offset), both rising.
    entries: Vec<(i32, i64)>,
}

impl Epochs {
    /// Reads what is stored for a log that ends at `log_end`.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(NAME);
        let entries = match files::read_if_there(&path)? {
            Some(bytes) => parse(&bytes).ok_or_else(|| files::damaged(&path, "is damaged"))?,
            None => Vec::new(),
        };
        Ok(Self { path, entries })
    }

    /// Notes that `epoch` wrote at `offset`; answers whether that began it.
    pub(crate) fn note(&mut self, epoch: i32, offset: i64) -> bool {
        let begins = epoch >= 0 && self.entries.last().is_none_or(|&(last, _)| epoch > last);
        if begins {
            // An epoch that never wrote anything is not told apart from the one that did.
            self.truncate(offset);
            self.entries.push((epoch, offset));
        }
        begins
    }

    /// Forgets epochs that began at `end` or later.
    pub(crate) fn truncate(&mut self, end: i64) {
        self.entries.retain(|&(_, start)| start < end);
    }

    pub(crate) fn write(&self) -> io::Result<()> {
        let mut text = format!("0\n{}\n", self.entries.len());
        for (epoch, start) in &self.entries {
            text.push_str(&format!("{epoch} {start}\n"));
        }
        files::replace(&self.path, text.as_bytes())
    }

    /// The largest epoch not above `epoch`, and where it ended.
    pub(crate) fn end_of(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        let after = self.entries.partition_point(|&(known, _)| known <= epoch);
        let (found, _) = *self.entries.get(after.checked_sub(1)?)?;
        match self.entries.get(after) {
            Some(&(_, start)) => Some((found, start)),
            None if found == epoch => Some((found, log_end)),
            // The epoch asked for is yet to come.
            None => None,
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<(i32, i64)>> {
    let mut lines = str::from_utf8(bytes).ok()?.lines();
    if lines.next()? != "0" {
        return None;
    }
    let count: usize = lines.next()?.parse().ok()?;
    let entries: Vec<(i32, i64)> = lines
        .map(|line| {
            let (epoch, start) = line.split_once(' ')?;
            Some((epoch.parse().ok()?, start.parse().ok()?))
        })
        .collect::<Option<_>>()?;
    let rises = entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
    (entries.len() == count && rises).then_some(entries)
}
