//! Questions to a cluster.

use std::time::{Duration, Instant};

use forebay_kafka::{Admin, NewTopic, OffsetSpec, TopicPartition};

use crate::cluster::{self, Broker, admin, fill, properties, topic, topic_with, unique};
use crate::worker::{Worker, config};

#[test]
fn topics_are_made_listed_described_and_deleted() {
    let admin = admin();
    let name = topic_with("admin", 3, &[("retention.ms", "12345000")]);
    assert!(admin.topics().expect("topics").iter().any(|topic| topic.name == name));
    let described = admin.describe_topic(&name).expect("described").expect("it exists");
    let numbers: Vec<i32> = described.partitions.iter().map(|layout| layout.partition).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert!(described.partitions.iter().all(|layout| layout.replicas == layout.in_sync));
    let configs = admin.topic_configs(&name).expect("configs");
    let find = |name: &str| configs.iter().find(|entry| entry.name == name).expect("known");
    assert_eq!(find("retention.ms").value.as_deref(), Some("12345000"));
    assert!(!find("retention.ms").is_default && find("segment.bytes").is_default);
    admin.delete_topic(&name).expect("deleted");
    let began = Instant::now();
    while admin.describe_topic(&name).expect("described").is_some() {
        assert!(began.elapsed() < cluster::PATIENCE);
    }
}

#[test]
fn errors_name_the_question_and_the_cluster() {
    let admin = admin();
    let name = topic("twice", 1);
    let again = NewTopic {
        name: name.clone(),
        partitions: 1,
        replication: 1,
        configs: std::collections::BTreeMap::new(),
    };
    let error = admin.create_topic(&again).expect_err("it exists").to_string();
    assert!(error.contains(&format!("create topic {name}")), "{error}");
    assert!(error.contains(cluster::servers()) && error.contains("exists"), "{error}");
    let many = NewTopic { name: unique("rf"), replication: 7, ..again };
    let error = admin.create_topic(&many).expect_err("one broker").to_string();
    assert!(error.to_lowercase().contains("replication"), "{error}");
    assert!(admin.delete_topic(&unique("none")).is_err());
    assert!(admin.topic_configs(&unique("none")).is_err());
    assert_eq!(admin.describe_topic(&unique("none")).expect("asked"), None);
}

#[test]
fn groups_are_listed_and_described_with_their_members() {
    let topic = topic("groups", 2);
    let group = unique("group");
    let member = forebay_kafka::IntakeConfig {
        instance_id: Some("host-a".to_owned()),
        ..config(&topic, &group)
    };
    let mut worker = Worker::start(member);
    worker.until_assigned(2);
    let admin = admin();
    let listed = admin.groups().expect("groups");
    let listed = listed.iter().find(|listed| listed.group == group).expect("listed");
    assert_eq!(listed.state, "Stable");
    let missing = unique("none");
    let described = admin.describe_groups(&[&group]).expect("described");
    assert_eq!(described[0].assignor, "cooperative-sticky");
    assert_eq!(described[0].members.len(), 1, "who only fetches is no member");
    let member = &described[0].members[0];
    assert_eq!(member.instance_id.as_deref(), Some("host-a"));
    assert!(member.host.contains("127.0.0.1"), "{}", member.host);
    let mut assignment = member.assignment.clone();
    assignment.sort();
    assert_eq!(assignment, [TopicPartition::new(&*topic, 0), TopicPartition::new(&*topic, 1)]);
    let dead = admin.describe_groups(&[&missing]).expect("described");
    assert_eq!((dead[0].state.as_str(), dead[0].members.len()), ("Dead", 0));
    assert_eq!(admin.group_offsets(&missing).expect("offsets"), []);
    worker.close();
}

#[test]
fn offsets_are_listed_by_end_and_by_time_for_many_partitions() {
    let topic = topic("offsets", 2);
    fill(&topic, 0, 0..10);
    let admin = admin();
    let at = |partition| TopicPartition::new(&*topic, partition);
    let answers = admin
        .offsets(&[(at(0), OffsetSpec::Earliest), (at(1), OffsetSpec::Latest)])
        .expect("offsets");
    let offsets: Vec<_> =
        answers.iter().map(|answer| *answer.offset.as_ref().expect("an offset")).collect();
    assert_eq!(offsets, [Some(0), Some(0)]);
    let one = |spec| {
        let answers = admin.offsets(&[(at(0), spec)]).expect("offsets");
        *answers[0].offset.as_ref().expect("an offset")
    };
    assert_eq!(one(OffsetSpec::Latest), Some(10));
    assert_eq!(one(OffsetSpec::Time(0)), Some(0));
    assert_eq!(one(OffsetSpec::Time(i64::MAX / 2)), None);
}

#[test]
fn the_cluster_has_an_id() {
    assert!(!admin().cluster_id().expect("an id").is_empty());
}

#[test]
fn questions_to_nobody_end_in_time_and_say_so() {
    let timeout = Duration::from_millis(300);
    let admin = Admin::new(&properties("127.0.0.1:1"), timeout).expect("an admin client");
    let began = Instant::now();
    for error in [
        admin.topics().expect_err("nobody"),
        admin.groups().expect_err("nobody"),
        admin.group_offsets("g").expect_err("nobody"),
        admin.cluster_id().expect_err("nobody"),
    ] {
        assert!(error.is_unreachable(), "{error:?}");
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_question_that_no_coordinator_answered_harms_nobody_when_there_is_one_again() {
    let mut broker = Broker::start(None);
    let patience = Duration::from_secs(2);
    let admin = Admin::new(&properties(&broker.servers), patience).expect("a client");
    let group = unique("group");
    let until_answered = || {
        let end = Instant::now() + cluster::PATIENCE;
        while let Err(error) = admin.describe_groups(&[&group]) {
            assert!(Instant::now() < end, "{error}");
        }
    };
    until_answered();
    broker.kill();
    assert!(admin.describe_groups(&[&group]).is_err_and(|error| error.is_unreachable()));
    broker.restart();
    until_answered();
}
