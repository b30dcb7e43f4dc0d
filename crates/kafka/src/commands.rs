//! Operators' commands, written to the topic `__forebay` and read from it.
//!
//! Each member of a group has a ring of keys. Where its last turn ended is read when it first has
//! something to write, so a process that is given no command asks Kafka nothing. Each call blocks its
//! thread, with clients of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_wire::Command;
use forebay_wire::command::SLOTS;
use forebay_wire::keep::Kept;

use crate::admin::Admin;
use crate::error::KafkaError;
use crate::keep::Keep;
use crate::properties::Properties;

/// How long Kafka may take to say whether the topic is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// This process as a member of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    pub group: String,
    pub instance_id: String,
}

/// Where each membership of this process goes on.
#[derive(Debug, Default)]
pub struct CommandRings(BTreeMap<Membership, u32>);

impl CommandRings {
    /// Writes these, oldest first; the topic is made where it is missing. What failed may have been
    /// written, and is written over when it is tried again.
    pub fn write(
        &mut self,
        properties: &Properties,
        all: &[(Membership, Command)],
    ) -> Result<(), KafkaError> {
        let keep = Keep { properties, doing: "keep in __forebay what this process was told" };
        let unknown = |of: &Membership| !self.0.contains_key(of);
        let unknown: BTreeSet<_> = all.iter().map(|(of, _)| of).filter(|of| unknown(of)).collect();
        if !unknown.is_empty() {
            keep.make(&Admin::new(properties, PATIENCE)?.native())?;
            self.find(&keep, &unknown)?;
        }
        let mut rings = self.0.clone();
        let rows: Vec<_> = all
            .iter()
            .map(|(of, command)| {
                let slot = rings.get_mut(of).expect("it was found");
                let key = Command::key(&of.group, &of.instance_id, *slot);
                *slot = (*slot + 1) % SLOTS;
                (key, Some(command.encode()))
            })
            .collect();
        keep.write(&rows)?;
        self.0 = rings;
        Ok(())
    }

    /// Behind the last that is in the log, which is the one that was written last.
    fn find(&mut self, keep: &Keep<'_>, of: &BTreeSet<&Membership>) -> Result<(), KafkaError> {
        let groups: BTreeSet<&str> = of.iter().map(|of| of.group.as_str()).collect();
        let mut found: BTreeMap<Membership, u32> = of.iter().map(|of| ((*of).clone(), 0)).collect();
        keep.read(None, |record| {
            for group in &groups {
                let key = record.key().unwrap_or_default();
                let Some((instance_id, slot)) = Command::place_of(key, group) else { continue };
                let of = Membership { group: (*group).to_owned(), instance_id };
                if let Some(next) = found.get_mut(&of) {
                    *next = (slot + 1) % SLOTS;
                }
            }
        })?;
        self.0.extend(found);
        Ok(())
    }
}

/// The latest `most` commands that members of these groups were given, the oldest first.
pub fn commands(
    properties: &Properties,
    groups: &BTreeSet<String>,
    most: usize,
) -> Result<BTreeSet<Command>, KafkaError> {
    let keep = Keep { properties, doing: "find in __forebay what the group was told" };
    let mut found = BTreeSet::new();
    if !keep.exists(&Admin::new(properties, PATIENCE)?.native())? {
        return Ok(found);
    }
    keep.read(None, |record| {
        let key = record.key().unwrap_or_default();
        if !groups.iter().any(|group| Command::place_of(key, group).is_some()) {
            return;
        }
        found.extend(record.value().and_then(|value| Command::decode(value).ok()));
        if found.len() > most {
            found.pop_first();
        }
    })?;
    Ok(found)
}
