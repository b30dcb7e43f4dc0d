//! Who has to seek.

use super::*;

fn seek(topic: Option<&str>, partitions: &[i32]) -> Seek {
    let topic = topic.map(str::to_owned);
    Seek {
        to: Where::Beginning,
        topic,
        partitions: (!partitions.is_empty()).then(|| partitions.to_vec()),
        dry_run: false,
    }
}

fn part(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}

fn peer(instance: &str, has: &[TopicPartition], answers: bool) -> (Peer, Said) {
    let row = |it: &TopicPartition| json!({ "topic": &*it.topic, "partition": it.partition });
    let said = match answers {
        true => Ok(json!({ "partitions": has.iter().map(row).collect::<Vec<_>>() })),
        false => Err("connection refused".to_owned()),
    };
    let peer = Peer {
        instance_id: format!("{instance}-s"),
        instance: instance.to_owned(),
        at: At::Address(format!("{instance}:1")),
        partitions: Some(has.to_vec()),
    };
    (peer, said)
}

fn names(owners: Result<Vec<&Peer>, Refusal>) -> Vec<String> {
    owners.unwrap().into_iter().map(|peer| peer.instance.clone()).collect()
}

#[test]
fn those_seek_who_have_some_of_it() {
    let said = [
        peer("b", &[part("t", 1), part("park", 0)], true),
        peer("c", &[part("park", 1)], true),
        peer("d", &[], true),
    ];
    let owners = |seek: Seek| names(seek.owners(vec![part("t", 0)], Some("park"), &said));
    assert_eq!(owners(seek(None, &[])), ["b"], "the park topic is moved where it is named only");
    assert_eq!(owners(seek(Some("park"), &[])), ["b", "c"]);
    assert_eq!(owners(seek(Some("park"), &[1])), ["c"]);
    assert_eq!(owners(seek(Some("t"), &[0])), Vec::<String>::new(), "it is all here");
}

#[test]
fn a_topic_that_is_not_read_is_refused_with_those_that_are() {
    let topics = ["t".to_owned(), "u".to_owned()];
    let is_of = |topic: Option<&str>| seek(topic, &[]).is_of("s", &topics, Some("park"));
    for known in [None, Some("u"), Some("park")] {
        assert!(is_of(known).is_ok(), "{known:?}");
    }
    let Err(Refusal::Conflict(error)) = is_of(Some("tt")) else { panic!("there is no tt") };
    assert_eq!(error, "s reads no topic `tt`; it reads `t`, `u`, `park`");
}

#[test]
fn a_time_is_written_as_people_read_it() {
    assert_eq!(Where::Time(1_000).to_string(), "the time 1970-01-01T00:00:01Z");
}

#[test]
fn nothing_seeks_where_one_that_has_some_of_it_does_not_answer() {
    let said = [peer("b", &[part("t", 1)], true), peer("c", &[part("t", 2)], false)];
    let owners = |seek: Seek| seek.owners(vec![part("t", 0)], None, &said);
    for concerned in [seek(None, &[]), seek(Some("t"), &[2])] {
        let Err(Refusal::Unfinished { error, .. }) = owners(concerned) else { panic!("c has it") };
        assert!(error.contains("nothing was done") && error.contains("http://c:1"), "{error}");
    }
    assert_eq!(names(owners(seek(Some("t"), &[0, 1]))), ["b"], "c is not concerned");
}

#[test]
fn a_partition_that_is_named_and_nobodys_is_refused() {
    let said = [peer("b", &[part("t", 1)], true)];
    let refused = seek(Some("t"), &[1, 9]).owners(vec![part("t", 0)], None, &said);
    let Err(Refusal::Conflict(error)) = refused else { panic!("nobody has t-9") };
    assert!(error.contains("t-9"), "{error}");
}

#[test]
fn what_is_sent_on_is_read_as_it_was_said() {
    for to in [Where::Beginning, Where::End, Where::Offset(7), Where::Time(9)] {
        let said = Seek { to: to.clone(), ..seek(Some("t"), &[1]) };
        let read: Seek = serde_json::from_value(serde_json::to_value(&said).unwrap()).unwrap();
        assert_eq!((read.to, read.partitions), (to, Some(vec![1])));
    }
}
