//! Each rule where it finds something and beside it where it does not, over a cluster and a file in
//! which nothing is wrong.

use std::collections::BTreeSet;

use forebay_kafka::{Member, Rights};

use super::facts::{Group, Topic};
use super::*;
use crate::config::plan;
use crate::config::problem::Source;

/// A file without a finding: three lines where more can be put.
const FILE: &str = r#"[kafka]
"bootstrap.servers" = "kafka.example:9092"
#kafka

[[subscription]]
name = "payments"
topics = ["payments"]
#subscription

[subscription.target]
url = "http://payments:8080/records"
#target

[subscription.dead_letter]
topic = "payments.dead"
"#;

/// A rule, and what makes it find something or not: lines of the file, and a change of the cluster.
struct Case {
    rule: &'static str,
    finds: World,
    silent: World,
}

#[derive(Clone, Copy)]
struct World {
    kafka: &'static str,
    subscription: &'static str,
    target: &'static str,
    change: fn(&mut Facts),
}

const NOTHING: World = World { kafka: "", subscription: "", target: "", change: |_| {} };

const fn kafka(kafka: &'static str) -> World {
    World { kafka, ..NOTHING }
}

const fn subscription(subscription: &'static str) -> World {
    World { subscription, ..NOTHING }
}

const fn target(target: &'static str) -> World {
    World { target, ..NOTHING }
}

const fn cluster(change: fn(&mut Facts)) -> World {
    World { change, ..NOTHING }
}

impl World {
    const fn and(self, change: fn(&mut Facts)) -> Self {
        Self { change, ..self }
    }

    const fn and_target(self, target: &'static str) -> Self {
        Self { target, ..self }
    }
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Three brokers, three copies, two in sync, a week of retention, and all rights.
fn sound() -> Facts {
    let rights = Rights { known: true, read: true, write: true };
    let topic = Topic {
        partitions: 6,
        replication: 3,
        in_sync: 3,
        leaderless: 0,
        settings: settings(&[
            ("min.insync.replicas", "2"),
            ("max.message.bytes", "1048588"),
            ("retention.ms", "604800000"),
            ("cleanup.policy", "delete"),
            ("unclean.leader.election.enable", "false"),
        ]),
        rights,
    };
    let topics = ["payments", "payments.dead", "payments.park"];
    Facts {
        brokers: 3,
        settings: settings(&[
            ("group.min.session.timeout.ms", "6000"),
            ("group.max.session.timeout.ms", "1800000"),
            ("offset.metadata.max.bytes", "4096"),
            ("offsets.retention.minutes", "10080"),
        ]),
        topics: topics.iter().map(|name| ((*name).to_owned(), topic.clone())).collect(),
        groups: [("payments".to_owned(), Group { members: Vec::new(), rights })].into(),
        unknown: Vec::new(),
    }
}

fn set(facts: &mut Facts, topic: &str, name: &str, value: &str) {
    let topic = facts.topics.get_mut(topic).expect("one of the three");
    topic.settings.insert(name.to_owned(), value.to_owned());
}

fn dead(facts: &mut Facts) -> &mut Topic {
    facts.topics.get_mut("payments.dead").expect("one of the three")
}

fn member(instance: Option<&str>) -> Member {
    Member {
        member_id: "m".into(),
        client_id: "somebody".into(),
        host: "/192.0.2.7".into(),
        instance_id: instance.map(str::to_owned),
        assignment: Vec::new(),
    }
}

fn join(facts: &mut Facts, instance: Option<&str>) {
    facts.groups.get_mut("payments").expect("the group").members.push(member(instance));
}

const PARK: &str = "park = { topic = \"payments.park\" }";
const LETTERS: &str = "payments.dead";

const CASES: &[Case] = &[
    Case {
        rule: "drain-outlasts-rebalance",
        finds: subscription("commit = { drain = \"5m\" }"),
        silent: subscription("commit = { drain = \"4m\" }"),
    },
    Case {
        rule: "deadline-outlasts-drain",
        finds: target("deadline = \"40s\""),
        silent: subscription("commit = { drain = \"40s\" }").and_target("deadline = \"40s\""),
    },
    Case {
        rule: "pause-outlasts-deadline",
        finds: subscription("retry = { backoff = \"31s..60s\" }"),
        silent: subscription("retry = { backoff = \"30s..60s\" }"),
    },
    Case {
        rule: "park-after-give-up",
        finds: subscription(
            "retry = { attempts = 2 }\npark = { topic = \"payments.park\", after = \"2m\" }",
        ),
        silent: subscription("retry = { attempts = 2 }\npark = { topic = \"payments.park\" }"),
    },
    Case {
        rule: "poll-interval-raised",
        finds: kafka("\"max.poll.interval.ms\" = 600000"),
        silent: World {
            subscription: "commit = { drain = \"6m\" }",
            ..kafka("\"max.poll.interval.ms\" = 600000")
        },
    },
    Case {
        rule: "session-too-short",
        finds: kafka("\"session.timeout.ms\" = 9999"),
        silent: kafka("\"session.timeout.ms\" = 10000"),
    },
    Case {
        rule: "calls-end-before-requests",
        finds: kafka("\"default.api.timeout.ms\" = 29999"),
        silent: kafka("\"default.api.timeout.ms\" = 30000"),
    },
    Case {
        rule: "fetch-waits",
        finds: kafka("\"fetch.min.bytes\" = 2\n\"fetch.max.wait.ms\" = 1001"),
        silent: kafka("\"fetch.max.wait.ms\" = 1001"),
    },
    Case {
        rule: "automatic-commit-loses",
        finds: subscription("commit = \"auto\""),
        silent: subscription("commit = \"settled\""),
    },
    Case {
        rule: "order-across-topics",
        finds: subscription("order = \"partition\"").and(one_partition),
        silent: subscription("order = \"partition\"").and(one_partition),
    },
    Case { rule: "password-in-clear", finds: kafka(PLAIN_CLEAR), silent: kafka(PLAIN_OVER_TLS) },
    Case {
        rule: "host-name-unchecked",
        finds: kafka(
            "\"security.protocol\" = \"SSL\"\n\"ssl.endpoint.identification.algorithm\" = \"\"",
        ),
        silent: kafka(
            "\"security.protocol\" = \"SSL\"\n\
             \"ssl.endpoint.identification.algorithm\" = \"https\"",
        ),
    },
    Case { rule: "token-unsigned", finds: kafka(UNSIGNED), silent: kafka(FROM_FILE) },
    Case { rule: "secret-in-file", finds: kafka(WRITTEN_OUT), silent: kafka(PLAIN_OVER_TLS) },
    Case {
        rule: "advertised-elsewhere",
        finds: kafka("[control]\nadvertise = \"gateway-1.example:8080\""),
        silent: kafka(
            "[control]\nlisten = \"0.0.0.0:8080\"\nadvertise = \"gateway-1.example:8080\"\n\
             token = { env = \"TOKEN\" }",
        ),
    },
    Case {
        rule: "session-is-the-brokers",
        finds: kafka("\"group.protocol\" = \"consumer\"\n\"session.timeout.ms\" = 30000"),
        silent: kafka("\"group.protocol\" = \"consumer\""),
    },
    Case {
        rule: "session-refused",
        finds: kafka("\"session.timeout.ms\" = 1800001"),
        silent: kafka("\"session.timeout.ms\" = 300000"),
    },
    Case {
        rule: "brokers-session-too-short",
        finds: kafka("\"group.protocol\" = \"consumer\"")
            .and(|facts| broker(facts, "group.consumer.session.timeout.ms", "9999")),
        silent: kafka("\"group.protocol\" = \"consumer\"")
            .and(|facts| broker(facts, "group.consumer.session.timeout.ms", "10000")),
    },
    Case {
        rule: "foreign-member",
        finds: cluster(|facts| join(facts, None)),
        silent: cluster(|facts| join(facts, Some("host-a-payments"))),
    },
    Case {
        rule: "metadata-too-small",
        finds: cluster(|facts| broker(facts, "offset.metadata.max.bytes", "4095")),
        silent: cluster(|facts| broker(facts, "offset.metadata.max.bytes", "8192")),
    },
    Case {
        rule: "offsets-forgotten",
        finds: cluster(|facts| broker(facts, "offsets.retention.minutes", "1439")),
        silent: cluster(|facts| broker(facts, "offsets.retention.minutes", "1440")),
    },
    Case {
        rule: "group-not-ours",
        finds: cluster(|facts| group(facts).rights = Rights::NONE),
        silent: cluster(|facts| group(facts).rights = Rights::default()),
    },
    Case {
        rule: "topic-absent",
        finds: cluster(|facts| drop(facts.topics.remove("payments"))),
        silent: cluster(|facts| drop(facts.topics.remove(LETTERS))),
    },
    Case {
        rule: "topic-not-to-be-made",
        finds: cluster(|facts| without_letters(facts, "4")),
        silent: cluster(|facts| without_letters(facts, "3")),
    },
    Case {
        rule: "topic-leaderless",
        finds: cluster(|facts| dead(facts).leaderless = 1),
        silent: NOTHING,
    },
    Case {
        rule: "topic-not-ours",
        finds: cluster(|facts| dead(facts).rights.write = false),
        silent: cluster(|facts| dead(facts).rights.read = false),
    },
    Case {
        rule: "total-order",
        finds: subscription("order = \"partition\""),
        silent: subscription("order = \"partition\"").and(one_partition),
    },
    Case {
        rule: "flight-above-partitions",
        finds: subscription("order = \"partition\"").and_target("in_flight = 2").and(one_partition),
        silent: subscription("order = \"partition\"")
            .and_target("in_flight = 1")
            .and(one_partition),
    },
    Case {
        rule: "consumers-above-partitions",
        finds: subscription("consumers = 7"),
        silent: subscription("consumers = 6"),
    },
    Case {
        rule: "partitions-below-park",
        finds: subscription(PARK).and(|facts| parked(facts).partitions = 7),
        silent: subscription(PARK).and(|facts| parked(facts).partitions = 6),
    },
    Case {
        rule: "copy-alone",
        finds: cluster(lone),
        silent: cluster(|facts| {
            lone(facts);
            facts.brokers = 1;
        }),
    },
    Case {
        rule: "in-sync-minimum-of-one",
        finds: cluster(|facts| set(facts, LETTERS, "min.insync.replicas", "1")),
        silent: cluster(|facts| drop(dead(facts).settings.remove("min.insync.replicas"))),
    },
    Case {
        rule: "in-sync-minimum-of-all",
        finds: cluster(|facts| set(facts, LETTERS, "min.insync.replicas", "3")),
        silent: cluster(|facts| set(facts, LETTERS, "min.insync.replicas", "2")),
    },
    Case {
        rule: "in-sync-minimum-out-of-reach",
        finds: cluster(|facts| set(facts, "payments", "min.insync.replicas", "4")),
        silent: cluster(|facts| set(facts, "payments", "min.insync.replicas", "2")),
    },
    Case {
        rule: "in-sync-too-few-now",
        finds: cluster(|facts| dead(facts).in_sync = 1),
        silent: cluster(|facts| dead(facts).in_sync = 2),
    },
    Case {
        rule: "unclean-election",
        finds: cluster(|facts| set(facts, "payments", "unclean.leader.election.enable", "true")),
        silent: NOTHING,
    },
    Case {
        rule: "letter-too-large",
        finds: cluster(|facts| set(facts, "payments", "max.message.bytes", "2000000")),
        silent: kafka("\"max.request.size\" = 2065536").and(|facts| {
            set(facts, "payments", "max.message.bytes", "2000000");
            set(facts, LETTERS, "max.message.bytes", "2065536");
        }),
    },
    Case {
        rule: "value-too-large",
        finds: target("max_value_bytes = \"1MiB\""),
        silent: target("max_value_bytes = \"2MiB\""),
    },
    Case {
        rule: "retries-outlast-retention",
        finds: cluster(|facts| set(facts, "payments", "retention.ms", "600000")),
        silent: cluster(|facts| set(facts, "payments", "retention.ms", "-1")),
    },
    Case {
        rule: "letters-kept-briefly",
        finds: cluster(|facts| set(facts, LETTERS, "retention.ms", "604799999")),
        silent: cluster(|facts| set(facts, LETTERS, "retention.ms", "-1")),
    },
    Case {
        rule: "parked-kept-briefly",
        finds: subscription(PARK)
            .and(|facts| set(facts, "payments.park", "retention.ms", "86399999")),
        silent: subscription(PARK)
            .and(|facts| set(facts, "payments.park", "retention.ms", "86400000")),
    },
    Case {
        rule: "written-topic-compacted",
        finds: cluster(|facts| set(facts, LETTERS, "cleanup.policy", "compact,delete")),
        silent: cluster(|facts| set(facts, "payments", "cleanup.policy", "compact,delete")),
    },
];

const PLAIN_CLEAR: &str = r#""security.protocol" = "SASL_PLAINTEXT"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "ann"
"sasl.password" = { file = "/dev/null" }"#;
const PLAIN_OVER_TLS: &str = r#""security.protocol" = "SASL_SSL"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "ann"
"sasl.password" = { file = "/dev/null" }"#;
const WRITTEN_OUT: &str = r#""security.protocol" = "SASL_SSL"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "ann"
"sasl.password" = "hush""#;
const UNSIGNED: &str = r#""security.protocol" = "SASL_SSL"
"sasl.mechanism" = "OAUTHBEARER"
"sasl.jaas.config" = { env = "CARGO_PKG_NAME" }"#;
const FROM_FILE: &str = r#""security.protocol" = "SASL_SSL"
"sasl.mechanism" = "OAUTHBEARER"
"sasl.oauthbearer.token.endpoint.url" = "file:///run/token""#;

fn broker(facts: &mut Facts, name: &str, value: &str) {
    facts.settings.insert(name.to_owned(), value.to_owned());
}

fn without_letters(facts: &mut Facts, copies: &str) {
    facts.topics.remove(LETTERS);
    broker(facts, "default.replication.factor", copies);
}

fn group(facts: &mut Facts) -> &mut Group {
    facts.groups.get_mut("payments").expect("the group")
}

fn parked(facts: &mut Facts) -> &mut Topic {
    facts.topics.get_mut("payments.park").expect("one of the three")
}

fn one_partition(facts: &mut Facts) {
    facts.topics.get_mut("payments").expect("one of the three").partitions = 1;
}

/// One copy, and so nothing to say about the others.
fn lone(facts: &mut Facts) {
    let topic = dead(facts);
    (topic.replication, topic.in_sync) = (1, 1);
    topic.settings.insert("min.insync.replicas".into(), "1".into());
}

/// What all rules find in a world.
fn found(rule: &str, world: World, finds: bool) -> Vec<Finding> {
    let mut text = FILE
        .replace("#kafka", world.kafka)
        .replace("#subscription", world.subscription)
        .replace("#target", world.target);
    if rule == "order-across-topics" && finds {
        text = text.replace("[\"payments\"]", "[\"payments\", \"payments.park\"]");
    }
    let source = Source { name: "forebay.toml".into(), text };
    let config = Config::parse(source).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut given = plan::given(&config, "").unwrap_or_else(|error| panic!("{rule}: {error}"));
    if rule == "token-unsigned" && finds {
        let jaas = "x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"ann\";";
        given.insert("sasl.jaas.config".into(), jaas.into());
    }
    let mut facts = sound();
    (world.change)(&mut facts);
    if rule == "order-across-topics" && finds {
        parked(&mut facts).partitions = 1;
    }
    lint(&Seen { config: &config, given: &given, facts: Some(&facts) })
}

#[test]
fn each_rule_finds_what_it_is_for_and_only_that() {
    for case in CASES {
        let names = |world, finds| -> BTreeSet<&str> {
            found(case.rule, world, finds).iter().map(|finding| finding.rule).collect()
        };
        assert_eq!(names(case.finds, true), [case.rule].into(), "{} finds", case.rule);
        assert!(
            names(case.silent, false).is_empty(),
            "{}: {:?}",
            case.rule,
            names(case.silent, false)
        );
    }
}

#[test]
fn every_rule_has_one_case_and_one_name() {
    let named: Vec<&str> = rules().map(|rule| rule.name).collect();
    let cases: Vec<&str> = CASES.iter().map(|case| case.rule).collect();
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
    assert_eq!(cases, named, "in the order of the reference");
}

#[test]
fn a_sound_file_and_cluster_have_no_findings() {
    let findings = found("none", NOTHING, false);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn our_own_example_has_no_findings() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/forebay.toml");
    let config = Config::load(&path).unwrap();
    let given = plan::given(&config, "").unwrap();
    let findings = lint(&Seen { config: &config, given: &given, facts: None });
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_default_that_is_written_out_is_found_no_worse_than_one_that_is_not() {
    assert!(found("none", target("deadline = \"30s\""), false).is_empty());
    assert!(!found("none", target("deadline = \"31s\""), false).is_empty());
}

#[test]
fn the_advice_about_a_topic_names_it() {
    let findings = found("none", cluster(|facts| drop(facts.topics.remove("payments"))), false);
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert!(finding.advice.contains("`forebay topics create payments --partitions N`"));
}

#[test]
fn without_a_cluster_only_the_file_is_judged() {
    let text = FILE.replace("#kafka", "\"session.timeout.ms\" = 9000");
    let config = Config::parse(Source { name: "forebay.toml".into(), text }).unwrap();
    let given = plan::given(&config, "").unwrap();
    let findings = lint(&Seen { config: &config, given: &given, facts: None });
    let names: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(names, ["session-too-short"]);
    let span = findings[0].span.clone().expect("it stands in the file");
    assert_eq!(&config.source.text[span], "\"session.timeout.ms\"");
}

#[test]
fn what_a_cluster_hides_is_not_found_wrong() {
    let hidden = cluster(|facts| {
        facts.settings.clear();
        for topic in facts.topics.values_mut() {
            topic.settings.clear();
            topic.rights = Rights::default();
        }
        facts.groups.clear();
    });
    let findings = found("none", hidden, false);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn the_time_that_retries_take_is_the_sum_of_their_pauses() {
    let of = |retry: &str| {
        let text = FILE.replace("#subscription", &format!("retry = {{ {retry} }}"));
        let config = Config::parse(Source { name: "f".into(), text }).unwrap();
        retries(config.subscriptions[0].get_ref()).map(|time| time.as_millis())
    };
    assert_eq!(of("attempts = 1"), Some(0));
    assert_eq!(of("attempts = 4, backoff = \"100ms..10s\""), Some(100 + 200 + 400));
    assert_eq!(of("attempts = 5, backoff = \"100ms..250ms\""), Some(100 + 200 + 250 + 250));
    assert_eq!(of("attempts = \"unlimited\""), None);
    assert!(of("attempts = 4000000000").is_some());
}
