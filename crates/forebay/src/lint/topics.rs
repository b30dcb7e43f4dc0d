//! Rules about the topics that a subscription reads and writes: there, large enough, allowed, and
//! with the order that is asked for.

use std::ops::Range;

use super::facts::Topic;
use super::{Hit, Rule, Seen, Severity};
use crate::config::{Order, Subscription};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "topic-absent",
        severity: Severity::Error,
        cluster: true,
        when: "a topic that is read is not there",
        advice: "make it: `forebay topics create TOPIC --partitions N`",
        find: topic_absent,
    },
    Rule {
        name: "topic-not-to-be-made",
        severity: Severity::Error,
        cluster: true,
        when: "a topic that dead letters or parked records go to is not there, and the gateway can't \
               make it, for the cluster's `default.replication.factor` is above the number of brokers",
        advice: "start the brokers that are missing, or make it with fewer copies: `forebay topics \
                 create TOPIC --partitions N --replication 1`",
        find: topic_not_to_be_made,
    },
    Rule {
        name: "topic-leaderless",
        severity: Severity::Error,
        cluster: true,
        when: "partitions of a topic have no leader now, so that nobody can read or write them",
        advice: "see which brokers are down; `forebay topics describe TOPIC` shows the partitions",
        find: topic_leaderless,
    },
    Rule {
        name: "topic-not-ours",
        severity: Severity::Error,
        cluster: true,
        when: "the cluster's ACLs do not let this client read a topic, or write dead letters or \
               parked records",
        advice: "allow READ on what is read, WRITE on the dead letter topic and both on the park \
                 topic, with `kafka-acls --add --allow-principal … --operation … --topic …`",
        find: topic_not_ours,
    },
    Rule {
        name: "total-order",
        severity: Severity::Warning,
        cluster: true,
        when: "`order = \"partition\"` on a topic with more than one partition",
        advice: "order holds within a partition only: if all records must stay in one order, the \
                 topic needs one partition; if those of a key must, `order = \"key\"` is faster",
        find: total_order,
    },
    Rule {
        name: "flight-above-partitions",
        severity: Severity::Warning,
        cluster: true,
        when: "`order = \"partition\"` with `in_flight` or `in_flight_max` set above the number of \
               partitions",
        advice: "lower it, or add partitions: one record of a partition is in flight at a time",
        find: flight_above_partitions,
    },
    Rule {
        name: "consumers-above-partitions",
        severity: Severity::Warning,
        cluster: true,
        when: "`consumers` is above the number of partitions of all topics that are read, so that \
               some of them have nothing to do",
        advice: "lower it, or add partitions: a partition is one consumer's, and each consumer costs \
                 two Kafka clients and its part of every bound",
        find: consumers_above_partitions,
    },
    Rule {
        name: "partitions-below-park",
        severity: Severity::Warning,
        cluster: true,
        when: "the park topic has more partitions than all topics that are read",
        advice: "give it as many as the topics that are read, or fewer: parked keys are few, and each \
                 partition costs the group an assignment",
        find: partitions_below_park,
    },
];

/// What a topic is to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Read,
    DeadLetter,
    Park,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "topic",
            Self::DeadLetter => "dead letter topic",
            Self::Park => "park topic",
        }
    }

    /// Whether we write to it.
    pub(super) fn is_written(self) -> bool {
        self != Self::Read
    }
}

/// A topic in the place where a subscription names it.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
    pub(super) span: Range<usize>,
    pub(super) subscription: &'a Subscription,
}

/// Every topic that subscriptions name, each as often as it is named.
pub(super) fn named<'a>(seen: &Seen<'a>) -> Vec<Named<'a>> {
    let mut all = Vec::new();
    for subscription in seen.subscriptions() {
        let mut add = |name: &'a str, role, span| {
            all.push(Named { name, role, span, subscription });
        };
        for name in subscription.topics.get_ref() {
            add(name, Role::Read, subscription.topics.span());
        }
        if let Some(letters) = &subscription.dead_letter {
            let topic = &letters.get_ref().topic;
            add(topic.get_ref(), Role::DeadLetter, topic.span());
        }
        if let Some(park) = &subscription.park {
            let topic = &park.get_ref().topic;
            add(topic.get_ref(), Role::Park, topic.span());
        }
    }
    all
}

/// Those of them that are there and can be seen, with what is known of them.
pub(super) fn seen_topics<'a>(seen: &Seen<'a>) -> Vec<(Named<'a>, &'a Topic)> {
    let facts = seen.facts();
    let known = |it: Named<'a>| Some((facts.topics.get(it.name)?, it));
    let known = named(seen).into_iter().filter_map(known);
    known.filter(|(topic, _)| topic.is_seen()).map(|(topic, it)| (it, topic)).collect()
}

/// Those that are not there.
fn absent<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Named<'a>> {
    let there = &seen.facts().topics;
    named(seen).into_iter().filter(move |it| !there.contains_key(it.name))
}

/// Whether the cluster's own number of copies can be had, as far as it tells that number.
fn can_be_made(seen: &Seen<'_>) -> bool {
    let facts = seen.facts();
    let copies = facts.number("default.replication.factor").unwrap_or(1);
    usize::try_from(copies).is_ok_and(|copies| copies <= facts.brokers)
}

/// What the gateway makes when it starts, in words.
pub(crate) fn made_by_gateway(seen: &Seen<'_>) -> Vec<String> {
    let written = absent(seen).filter(|it| it.role.is_written() && can_be_made(seen));
    written.map(|it| format!("the {} `{}`", it.role.name(), it.name)).collect()
}

fn topic_absent(seen: &Seen<'_>) -> Vec<Hit> {
    let read = absent(seen).filter(|it| !it.role.is_written());
    read.map(|it| Hit::topic(it.span, it.name, format!("there is no topic `{}`", it.name)))
        .collect()
}

fn topic_not_to_be_made(seen: &Seen<'_>) -> Vec<Hit> {
    let written = absent(seen).filter(|it| it.role.is_written() && !can_be_made(seen));
    let facts = seen.facts();
    let copies = facts.number("default.replication.factor").unwrap_or_default();
    written
        .map(|it| {
            let (role, name, brokers) = (it.role.name(), it.name, facts.brokers);
            let what =
                format!("no {role} `{name}`, and {copies} copies of it for {brokers} brokers");
            Hit::topic(it.span, name, what)
        })
        .collect()
}

fn topic_leaderless(seen: &Seen<'_>) -> Vec<Hit> {
    let some = seen_topics(seen).into_iter().filter(|(_, topic)| topic.leaderless > 0);
    some.map(|(it, topic)| {
        let (dead, all) = (topic.leaderless, topic.partitions);
        let what = format!("{dead} of {all} partitions of `{}` have no leader", it.name);
        Hit::topic(it.span, it.name, what)
    })
    .collect()
}

fn topic_not_ours(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for it in named(seen) {
        let Some(topic) = seen.facts().topics.get(it.name) else { continue };
        let read = it.role != Role::DeadLetter && !topic.rights.read;
        let write = it.role.is_written() && !topic.rights.write;
        if topic.rights.known && (read || write) {
            let rights = match (read, write) {
                (true, true) => "READ and WRITE",
                (true, false) => "READ",
                _ => "WRITE",
            };
            let what = format!("no right to {rights} for the {} `{}`", it.role.name(), it.name);
            hits.push(Hit::at(it.span, what));
        }
    }
    hits
}

fn by_partition<'a>(seen: &Seen<'a>) -> impl Iterator<Item = &'a Subscription> + use<'a> {
    seen.subscriptions().filter(|it| it.order == Order::Partition)
}

/// Partitions of all topics that a subscription reads, where all are known.
fn partitions(seen: &Seen<'_>, subscription: &Subscription) -> Option<usize> {
    let of = |name: &String| Some(seen.facts().topics.get(name)?.partitions).filter(|it| *it > 0);
    subscription.topics.get_ref().iter().map(of).sum()
}

fn total_order(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for subscription in by_partition(seen) {
        for name in subscription.topics.get_ref() {
            let partitions = seen.facts().topics.get(name).map_or(0, |topic| topic.partitions);
            if partitions > 1 {
                let what = format!("`{name}` has {partitions} partitions, each with its own order");
                hits.push(Hit::at(subscription.topics.span(), what));
            }
        }
    }
    hits
}

fn flight_above_partitions(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for subscription in by_partition(seen) {
        let Some(partitions) = partitions(seen, subscription) else { continue };
        let target = subscription.target.get_ref();
        let set = [&target.in_flight, &target.in_flight_max].into_iter().flatten();
        for given in set.filter(|given| *given.get_ref() > partitions) {
            let what = format!("{} in flight over {partitions} partitions", given.get_ref());
            hits.push(Hit::at(given.span(), what));
        }
    }
    hits
}

fn consumers_above_partitions(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for subscription in seen.subscriptions() {
        let (consumers, span) = (*subscription.consumers.get_ref(), subscription.consumers.span());
        let Some(partitions) = partitions(seen, subscription) else { continue };
        if consumers > partitions.max(1) {
            let what = format!("{consumers} consumers for {partitions} partitions");
            hits.push(Hit::at(span, what));
        }
    }
    hits
}

fn partitions_below_park(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (it, topic) in seen_topics(seen) {
        let Some(read) = partitions(seen, it.subscription) else { continue };
        if it.role == Role::Park && topic.partitions > read {
            let what = format!("{} partitions to park the keys of {read}", topic.partitions);
            hits.push(Hit::at(it.span, what));
        }
    }
    hits
}
