//! Where the processes of groups answer, written to the topic `__forebay` and read from it.
//!
//! Each call asks Kafka anew with clients of its own: it is for processes that begin or end, and for
//! questions of people. It blocks its thread. Nothing is cached, and nobody is asked whether what an
//! announcement says is still so.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_wire::Announcement;
use forebay_wire::keep::Kept;

use crate::admin::Admin;
use crate::error::KafkaError;
use crate::keep::Keep;
use crate::properties::Properties;

/// Members of one group that are remembered; more are not looked at.
pub const ANNOUNCED_MAX: usize = 1_000;
/// How long Kafka may take to say whether the topic is there.
const PATIENCE: Duration = Duration::from_secs(10);
const DOING: &str = "find in __forebay where the group's members answer";

/// Writes these; the topic is made where it is missing.
pub fn announce(properties: &Properties, all: &[Announcement]) -> Result<(), KafkaError> {
    let keep = Keep { properties, doing: "say in __forebay where this process answers" };
    keep.make(&Admin::new(properties, PATIENCE)?.native())?;
    let rows: Vec<_> = all.iter().map(|it| (key(it), Some(it.encode()))).collect();
    keep.write(&rows).map(drop)
}

/// Takes back what these members announced.
pub fn take_back(properties: &Properties, all: &[Announcement]) -> Result<(), KafkaError> {
    let keep = Keep { properties, doing: "say in __forebay that this process has left" };
    let rows: Vec<_> = all.iter().map(|it| (key(it), None)).collect();
    keep.write(&rows).map(drop)
}

fn key(it: &Announcement) -> String {
    Announcement::key(&it.group, &it.instance_id)
}

/// What the members of a group announced last, by their instance ids; none of those who took it
/// back, as far as Kafka still knows that.
pub fn announced(
    properties: &Properties,
    group: &str,
) -> Result<BTreeMap<String, Option<Announcement>>, KafkaError> {
    let keep = Keep { properties, doing: DOING };
    let mut found = BTreeMap::new();
    if !keep.exists(&Admin::new(properties, PATIENCE)?.native())? {
        return Ok(found);
    }
    keep.read(None, |record| {
        let Some(id) = Announcement::instance_of(record.key().unwrap_or_default(), group) else {
            return;
        };
        // One that can't be read says of the address before it that it holds no longer.
        let read = record.value().and_then(|value| Announcement::decode(value).ok());
        let read = read.filter(|it| it.group == group && it.instance_id == id);
        if found.len() >= ANNOUNCED_MAX && !found.contains_key(&id) {
            let Some(gone) = gone(&found) else { return };
            found.remove(&gone);
        }
        found.insert(id, read);
    })?;
    Ok(found)
}

/// Somebody to forget, where there is no room.
fn gone(found: &BTreeMap<String, Option<Announcement>>) -> Option<String> {
    found.iter().find(|(_, it)| it.is_none()).map(|(id, _)| id.clone())
}
