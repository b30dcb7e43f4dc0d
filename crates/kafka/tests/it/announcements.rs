//! Where processes answer: the last word of each holds, and groups do not see each other's.

use forebay_kafka::{announce, announced, take_back};
use forebay_wire::Announcement;

use crate::cluster::{self, unique};

fn at(group: &str, instance_id: &str, address: &str, at_ms: i64) -> Announcement {
    let [group, instance_id, address] = [group, instance_id, address].map(str::to_owned);
    Announcement { group, instance_id, address, at_ms }
}

#[test]
fn the_last_word_of_each_member_holds() {
    let properties = cluster::properties(cluster::servers());
    // Neither name is a part of the other's key.
    let group = unique("group");
    let within = format!("{group}/a-s");
    let (a, b) = (at(&group, "a-s", "a:1", 1), at(&group, "b/1-s", "b:1", 2));
    announce(&properties, &[a, b.clone(), at(&within, "a-s", "other:1", 3)]).expect("written");
    let moved = at(&group, "a-s", "a:2", 4);
    announce(&properties, std::slice::from_ref(&moved)).expect("written");
    let found = announced(&properties, &group).expect("read");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found["a-s"], &found["b/1-s"]), (&Some(moved.clone()), &Some(b.clone())));

    take_back(&properties, &[b]).expect("written");
    let found = announced(&properties, &group).expect("read");
    assert_eq!((&found["a-s"], &found["b/1-s"]), (&Some(moved), &None));
    assert_eq!(announced(&properties, &within).expect("read").len(), 1);
    assert!(announced(&properties, &unique("group")).expect("read").is_empty());
}
