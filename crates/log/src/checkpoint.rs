//! What a partition must remember beside its segments: where it starts, and up to where its
//! checksums need not be looked at again.
//!
//! `partition-checkpoint`, text: `version 1`, `log-start N`, `recovery-point N`, a line each.
//! Kafka keeps these in one file for all partitions; one for each is written only when it changed.

use std::io;
use std::path::Path;

use crate::files;

const NAME: &str = "partition-checkpoint";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) log_start: i64,
    /// Everything below was synced to disk.
    pub(crate) recovery_point: i64,
}

impl Checkpoint {
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let path = dir.join(NAME);
        match files::read_if_there(&path)? {
            Some(bytes) => parse(&bytes).ok_or_else(|| files::damaged(&path, "is damaged")),
            None => Ok(Self::default()),
        }
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let Self { log_start, recovery_point } = self;
        let text = format!("version 1\nlog-start {log_start}\nrecovery-point {recovery_point}\n");
        files::replace(&dir.join(NAME), text.as_bytes())
    }
}

fn parse(bytes: &[u8]) -> Option<Checkpoint> {
    let mut lines = str::from_utf8(bytes).ok()?.lines();
    let mut number = |name: &str| -> Option<i64> {
        lines.next()?.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()
    };
    if number("version")? != 1 {
        return None;
    }
    Some(Checkpoint { log_start: number("log-start")?, recovery_point: number("recovery-point")? })
}
