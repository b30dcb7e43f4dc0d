//! What operators told the processes of a group: kept behind what is there, read by all.

use std::collections::BTreeSet;

use forebay_kafka::{CommandRings, Membership, Properties, ReadFrom, Reader, ReaderItem, commands};
use forebay_wire::Command;
use forebay_wire::command::SLOTS;
use forebay_wire::keep::TOPIC;

use crate::cluster::{self, PATIENCE, unique};

fn told(instance: &str, at_ms: i64) -> Command {
    let [instance, from] = [instance, "1.2.3.4:5"].map(str::to_owned);
    let [command, outcome] = ["pause s", "done"].map(str::to_owned);
    Command { at_ms, instance, subscription: Some("s".to_owned()), from, command, outcome }
}

fn of(group: &str, instance_id: &str) -> Membership {
    Membership { group: group.to_owned(), instance_id: instance_id.to_owned() }
}

/// The slots of a member's records, as they lie in the log.
fn slots(properties: &Properties, of: &Membership) -> Vec<u32> {
    let from = ReadFrom::Beginning;
    let mut reader = Reader::start(properties, TOPIC, None, from, PATIENCE).expect("it is there");
    let mut slots = Vec::new();
    while !reader.is_at_end() {
        let Some(ReaderItem::Record(_, record)) = reader.next(PATIENCE) else { continue };
        let place = Command::place_of(record.key().unwrap_or_default(), &of.group);
        slots.extend(place.filter(|(id, _)| *id == of.instance_id).map(|(_, slot)| slot));
    }
    slots
}

#[test]
fn what_a_process_was_told_is_read_by_all_of_its_group_and_written_behind_what_is_there() {
    let properties = cluster::properties(cluster::servers());
    let (group, other) = (unique("group"), unique("group"));
    let read = |group: &str, most| -> Vec<i64> {
        let groups = BTreeSet::from([group.to_owned()]);
        let found = commands(&properties, &groups, most).expect("read");
        found.iter().map(|it| it.at_ms).collect()
    };
    let (a, b) = (of(&group, "a/s"), of(&group, "b-s"));
    let mut rings = CommandRings::default();
    let rows = [(a.clone(), told("a", 1)), (of(&other, "a/s"), told("a", 9))];
    rings.write(&properties, &rows).expect("written");
    CommandRings::default().write(&properties, &[(b, told("b", 2))]).expect("written");
    assert_eq!(read(&group, 10), [1, 2]);
    assert_eq!(read(&other, 10), [9], "groups do not see each other's");

    // One that begins anew writes over none of what it was told before.
    let mut rings = CommandRings::default();
    rings.write(&properties, &[(a.clone(), told("a", 3))]).expect("written");
    rings.write(&properties, &[(a.clone(), told("a", 4))]).expect("written");
    assert_eq!(read(&group, 10), [1, 2, 3, 4]);
    assert_eq!(read(&group, 2), [3, 4], "the latest");

    // Its ring has an end, behind which it begins again.
    assert_eq!(slots(&properties, &a), [0, 1, 2]);
    let many: Vec<_> = (5..).take(SLOTS as usize).map(|at| (a.clone(), told("a", at))).collect();
    CommandRings::default().write(&properties, &many).expect("written");
    let all = slots(&properties, &a);
    assert!(all.iter().all(|slot| *slot < SLOTS), "{all:?}");
    assert_eq!((all.len(), all.last()), (3 + SLOTS as usize, Some(&2)));
}
