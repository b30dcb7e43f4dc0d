//! Rules about what survives the loss of a broker: replication, minimum in sync, elections.
//!
//! For three brokers the safe set is three copies, `min.insync.replicas` of 2, and `acks=all`, which
//! is what Forebay itself always writes with.

use super::facts::Topic;
use super::topics::{Named, seen_topics};
use super::{Hit, Rule, Seen, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "copy-alone",
        severity: Severity::Warning,
        cluster: true,
        when: "a topic has one copy (replication factor 1) in a cluster of several brokers",
        advice: "give it three: a broker that is lost takes the records with it, and one that \
                 restarts stops reading and writing",
        find: copy_alone,
    },
    Rule {
        name: "in-sync-minimum-of-one",
        severity: Severity::Warning,
        cluster: true,
        when: "a topic with several copies has `min.insync.replicas` of 1",
        advice: "set it to 2 with three copies: with 1, acks=all means the leader alone whenever the \
                 others lag, and what was acknowledged can be lost",
        find: minimum_of_one,
    },
    Rule {
        name: "in-sync-minimum-of-all",
        severity: Severity::Warning,
        cluster: true,
        when: "`min.insync.replicas` equals the replication factor",
        advice: "set it one lower (three copies, 2 in sync): as it is, nothing can be written while \
                 any one broker restarts",
        find: minimum_of_all,
    },
    Rule {
        name: "in-sync-minimum-out-of-reach",
        severity: Severity::Error,
        cluster: true,
        when: "`min.insync.replicas` is above the replication factor",
        advice: "lower it, or add copies: nothing can be written with acks=all, ever",
        find: minimum_out_of_reach,
    },
    Rule {
        name: "in-sync-too-few-now",
        severity: Severity::Error,
        cluster: true,
        when: "a partition that dead letters or parked records go to has fewer copies in sync now \
               than `min.insync.replicas`",
        advice: "see which brokers are down or lag; until they are back nothing can be written there, \
                 and records that must go there hold their partition",
        find: too_few_now,
    },
    Rule {
        name: "unclean-election",
        severity: Severity::Warning,
        cluster: true,
        when: "`unclean.leader.election.enable` is true for a topic",
        advice: "set it to false: a leader that lacks records can be elected, and what was \
                 acknowledged and committed is gone or replaced",
        find: unclean_election,
    },
];

/// Copies, and how many must be in sync, where both are known.
fn copies(topic: &Topic) -> Option<(i64, i64)> {
    let copies = i64::try_from(topic.replication).ok()?;
    Some((copies, topic.number("min.insync.replicas")?))
}

fn each(seen: &Seen<'_>, find: impl Fn(&Named<'_>, &Topic) -> Option<String>) -> Vec<Hit> {
    let topics = seen_topics(seen).into_iter();
    topics
        .filter_map(|(it, topic)| {
            let what = find(&it, topic)?;
            Some(Hit::at(it.span, format!("{} `{}` {what}", it.role.name(), it.name)))
        })
        .collect()
}

fn copy_alone(seen: &Seen<'_>) -> Vec<Hit> {
    let brokers = seen.facts().brokers;
    each(seen, |_, topic| {
        let alone = topic.replication == 1 && brokers > 1;
        alone.then(|| format!("has one copy, among {brokers} brokers"))
    })
}

fn minimum_of_one(seen: &Seen<'_>) -> Vec<Hit> {
    each(seen, |_, topic| {
        let (copies, minimum) = copies(topic)?;
        (copies > 1 && minimum == 1).then(|| format!("has {copies} copies and needs 1 in sync"))
    })
}

fn minimum_of_all(seen: &Seen<'_>) -> Vec<Hit> {
    each(seen, |_, topic| {
        let (copies, minimum) = copies(topic)?;
        (copies > 1 && minimum == copies).then(|| format!("needs all of its {copies} copies"))
    })
}

fn minimum_out_of_reach(seen: &Seen<'_>) -> Vec<Hit> {
    each(seen, |_, topic| {
        let (copies, minimum) = copies(topic)?;
        (minimum > copies).then(|| format!("needs {minimum} copies in sync and has {copies}"))
    })
}

fn too_few_now(seen: &Seen<'_>) -> Vec<Hit> {
    each(seen, |it, topic| {
        let (copies, minimum) = copies(topic)?;
        let now = i64::try_from(topic.in_sync).ok()?;
        let few = it.role.is_written() && minimum <= copies && now < minimum;
        few.then(|| format!("has a partition with {now} copies in sync and needs {minimum}"))
    })
}

fn unclean_election(seen: &Seen<'_>) -> Vec<Hit> {
    each(seen, |_, topic| {
        let unclean = topic.settings.get("unclean.leader.election.enable")? == "true";
        unclean.then(|| "may elect a leader that lacks records".to_owned())
    })
}
