//! Whom to ask, for every state in which a group can be seen.

use forebay_kafka::Member;
use serde_json::json;

use super::*;

fn fellow(instance_id: Option<&str>, numbers: &[i32], is_kin: bool) -> Fellow {
    let assignment = numbers.iter().map(|number| TopicPartition::new("t", *number)).collect();
    let member = Member {
        member_id: format!("{instance_id:?}-uuid"),
        client_id: "client".to_owned(),
        host: "/10.0.0.9".to_owned(),
        instance_id: instance_id.map(str::to_owned),
        assignment,
    };
    Fellow { member, is_kin }
}

fn announcement(instance_id: &str, address: &str, at_ms: i64) -> Announcement {
    let (group, instance_id) = ("g".to_owned(), instance_id.to_owned());
    Announcement { group, instance_id, address: address.to_owned(), at_ms }
}

fn announced(all: &[(&str, Option<&str>)]) -> Announced {
    let row = |(id, address): &(&str, Option<&str>)| {
        (id.to_string(), address.map(|address| announcement(id, address, 0)))
    };
    Ok(all.iter().map(row).collect())
}

fn peer(instance: &str, numbers: Option<&[i32]>) -> Peer {
    let row =
        |numbers: &[i32]| numbers.iter().map(|number| TopicPartition::new("t", *number)).collect();
    Peer {
        instance_id: format!("{instance}-s"),
        instance: instance.to_owned(),
        at: At::Address(format!("{instance}:1")),
        partitions: numbers.map(row),
    }
}

fn shows(numbers: &[i32]) -> Said {
    let row = |number: &i32| json!({ "topic": "t", "partition": number, "stage": "active" });
    Ok(json!({ "partitions": numbers.iter().map(row).collect::<Vec<_>>() }))
}

#[test]
fn whoever_is_alone_has_nobody_to_tell() {
    let alone = [fellow(Some("a-s"), &[0, 1], true)];
    assert!(!has_company("a-s", "s", Some(&alone), false));
    let foreign = [fellow(Some("a-s"), &[0], true), fellow(Some("x"), &[1], false)];
    assert!(!has_company("a-s", "s", Some(&foreign), false));
    let two = [fellow(Some("a-s"), &[0], true), fellow(Some("b-s"), &[1], true)];
    assert!(has_company("a-s", "s", Some(&two), false));
    assert!(!has_company("a-s", "s", None, false), "nothing is known yet");
    assert!(has_company("a-s", "s", None, true), "such a group never tells");
}

#[test]
fn those_whom_kafka_names_are_asked_where_they_said_that_they_answer() {
    let fellows = [
        fellow(Some("c-s"), &[2], true),
        fellow(Some("a-s"), &[0], true),
        fellow(Some("b-s"), &[1], true),
        fellow(Some("d-s"), &[], true),
        fellow(None, &[3], true),
        fellow(Some(""), &[5], true),
        fellow(Some("x"), &[4], false),
    ];
    // One that announced itself, and is not in the group, is nobody.
    let book = announced(&[("b-s", Some("b:1")), ("c-s", None), ("gone-s", Some("gone:1"))]);
    let found = peers("a-s", "s", Some(&fellows), &book, 0);
    let names: Vec<&str> = found.iter().map(|peer| peer.instance.as_str()).collect();
    assert_eq!(names, ["b", "c", "d"]);
    assert_eq!(found[0].at, At::Address("b:1".to_owned()));
    assert_eq!(found[0].partitions, Some(vec![TopicPartition::new("t", 1)]));
    assert_eq!(found[1].at, At::Ended);
    let At::Unknown(why) = &found[2].at else { panic!("{found:?}") };
    assert!(why.contains("10.0.0.9"), "{why}");

    let unreadable = Err("no right to read".to_owned());
    let found = peers("a-s", "s", Some(&fellows), &unreadable, 0);
    let At::Unknown(why) = &found[0].at else { panic!("{found:?}") };
    assert!(why.contains("no right to read") && why.contains("10.0.0.9"), "{why}");
}

#[test]
fn a_process_with_several_consumers_is_one() {
    let own = [fellow(Some("a-s"), &[0], true), fellow(Some("a-s.2"), &[1], true)];
    assert!(!has_company("a-s", "s", Some(&own), false), "they are its own");
    let fellows = [
        fellow(Some("a-s.2"), &[0], true),
        fellow(Some("b-s.3"), &[5], true),
        fellow(Some("b-s"), &[4], true),
        fellow(Some("c-s.2"), &[2], true),
    ];
    assert!(has_company("a-s", "s", Some(&fellows), false));
    let book = announced(&[("b-s", Some("b:1")), ("c-s", Some("c:1"))]);
    let found = peers("a-s", "s", Some(&fellows), &book, 0);
    let ids: Vec<&str> = found.iter().map(|peer| peer.instance_id.as_str()).collect();
    assert_eq!(ids, ["b-s", "c-s"], "each by its first one, be that in the group or not");
    assert_eq!((found[0].instance.as_str(), &found[1].at), ("b", &At::Address("c:1".to_owned())));
    let rows = [4, 5].map(|number| TopicPartition::new("t", number));
    assert_eq!(found[0].partitions.as_deref(), Some(&rows[..]));
}

#[test]
fn where_kafka_names_nobody_those_are_asked_who_announced_themselves_lately() {
    let now = 100 * 3_600_000;
    let all = [
        announcement("a-s", "a:1", now),
        announcement("b-s", "b:1", now - 3_600_000),
        announcement("c-s", "c:1", now - SILENT_MAX_MS - 1),
    ];
    let mut book: BTreeMap<String, Option<Announcement>> =
        all.into_iter().map(|it| (it.instance_id.clone(), Some(it))).collect();
    book.insert("d-s".to_owned(), None);
    let found = peers("a-s", "s", None, &Ok(book), now);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].instance.as_str(), &found[0].partitions), ("b", &None));
    assert_eq!(peers("a-s", "s", None, &Err("why".to_owned()), now), []);
}

#[test]
fn no_more_are_asked_than_there_may_be() {
    let row = |number: i32| {
        let id = format!("i{number:04}-s");
        (id.clone(), Some(announcement(&id, "a:1", 0)))
    };
    let book: BTreeMap<_, _> = (0..2 * PEERS_MAX as i32).map(row).collect();
    assert_eq!(peers("a-s", "s", None, &Ok(book), 0).len(), PEERS_MAX);
}

#[test]
fn a_token_leaves_this_machine_and_a_command_without_one_does_not() {
    for local in ["127.0.0.1:1", "[::1]:1", "localhost:1", "127.9.9.9:80"] {
        assert_eq!(may_ask(local, false), Ok(()), "{local}");
    }
    for remote in ["10.0.0.1:1", "host-b:8080", "[2001:db8::1]:1", "127.0.0.1.example:1", ""] {
        assert!(may_ask(remote, false).is_err(), "{remote}");
        assert_eq!(may_ask(remote, true), Ok(()), "{remote}");
    }
}

#[test]
fn a_process_says_where_others_can_reach_it() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(advertised(Some("host:1"), at("0.0.0.0:2"), None), Some("host:1".into()));
    assert_eq!(advertised(None, at("10.0.0.1:2"), Some("/10.0.0.9")), Some("10.0.0.1:2".into()));
    assert_eq!(advertised(None, at("0.0.0.0:2"), Some("/10.0.0.9")), Some("10.0.0.9:2".into()));
    assert_eq!(
        advertised(None, at("[::]:2"), Some("/2001:db8::9")),
        Some("[2001:db8::9]:2".into())
    );
    assert_eq!(advertised(None, at("0.0.0.0:2"), None), None, "nobody could go there");
    assert_eq!(advertised(None, at("0.0.0.0:2"), Some("somewhere")), None);
}

#[test]
fn an_instance_is_named_as_its_configuration_names_it() {
    assert_eq!(instance("host-b-payments", "payments"), "host-b");
    assert_eq!(instance("payments", "payments"), "payments");
    assert_eq!(instance("other", "payments"), "other");
}

#[test]
fn a_partition_is_owned_by_who_says_so_and_else_by_whom_kafka_named() {
    let wanted = |number| TopicPartition::new("t", number);
    let fellows = [
        fellow(Some("x"), &[7], false),
        // This process, as Kafka saw it before.
        fellow(Some("a-s"), &[8], true),
        // What answered as one of ours is no stranger.
        fellow(Some("b-s"), &[9], false),
    ];
    let said = [
        // Kafka's word is older than its own.
        (peer("b", Some(&[1])), shows(&[2])),
        (peer("c", Some(&[2, 3])), Err("connection refused".to_owned())),
    ];
    let owner_of = |number| owner(&wanted(number), &said, Some(&fellows));
    assert_eq!(owner_of(2), Owner::Peer(&said[0].0));
    assert_eq!(owner_of(3), Owner::Unreachable(&said[1].0, "connection refused".to_owned()));
    assert_eq!(owner_of(1), Owner::Nobody, "it moved, and nobody says that it has come");
    assert!(matches!(owner_of(7), Owner::Foreign(_)));
    for nobodys in [8, 9, 10] {
        assert_eq!(owner_of(nobodys), Owner::Nobody, "{nobodys}");
    }
}

#[test]
fn one_that_drains_a_partition_is_asked_only_where_nobody_else_has_it() {
    let draining = |number| {
        Ok(json!({ "partitions": [{ "topic": "t", "partition": number, "stage": "draining" }] }))
    };
    let said = [(peer("b", None), draining(1)), (peer("c", None), shows(&[1]))];
    assert_eq!(owner(&TopicPartition::new("t", 1), &said, None), Owner::Peer(&said[1].0));
    let said = [(peer("b", None), draining(1)), (peer("c", None), shows(&[2]))];
    assert_eq!(owner(&TopicPartition::new("t", 1), &said, None), Owner::Peer(&said[0].0));
}

#[test]
fn where_nothing_tells_what_a_silent_process_has_it_may_be_anything() {
    let said = [(peer("b", None), Err("no answer".to_owned())), (peer("c", None), shows(&[1]))];
    let Owner::Unknown(who) = owner(&TopicPartition::new("t", 2), &said, None) else {
        panic!("it may be b's")
    };
    assert_eq!(who, ["b at http://b:1: no answer"]);
    assert_eq!(owner(&TopicPartition::new("t", 1), &said, None), Owner::Peer(&said[1].0));
}

#[test]
fn an_answer_that_makes_no_sense_owns_nothing() {
    for nonsense in
        [json!(null), json!([]), json!({ "partitions": 5 }), json!({ "partitions": [1] })]
    {
        let said = [(peer("b", Some(&[])), Ok(nonsense))];
        assert_eq!(owner(&TopicPartition::new("t", 1), &said, None), Owner::Nobody);
    }
}
