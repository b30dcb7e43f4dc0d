//! Rules about membership in a group: sessions, who else is there, and how long offsets are kept.

use forebay_gateway::first_id;

use super::{Hit, Rule, Seen, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "session-is-the-brokers",
        severity: Severity::Error,
        cluster: false,
        when: "`group.protocol = \"consumer\"` (KIP-848) with `session.timeout.ms` or \
               `heartbeat.interval.ms`",
        advice: "leave them out: under this protocol the broker decides, by \
                 group.consumer.session.timeout.ms and group.consumer.heartbeat.interval.ms, or by \
                 the group's own consumer.session.timeout.ms",
        find: session_is_the_brokers,
    },
    Rule {
        name: "session-refused",
        severity: Severity::Error,
        cluster: true,
        when: "`session.timeout.ms` is outside of what the brokers allow \
               (group.min.session.timeout.ms to group.max.session.timeout.ms)",
        advice: "set `session.timeout.ms` to something within; else no member may join",
        find: session_refused,
    },
    Rule {
        name: "brokers-session-too-short",
        severity: Severity::Warning,
        cluster: true,
        when: "`group.protocol = \"consumer\"` (KIP-848) where the brokers' \
               group.consumer.session.timeout.ms is below 10 s",
        advice: "raise it (45000 is Kafka's default), or the group's own consumer.session.timeout.ms: \
                 a restart of the gateway that takes longer moves its partitions to others",
        find: brokers_session_too_short,
    },
    Rule {
        name: "foreign-member",
        severity: Severity::Error,
        cluster: true,
        when: "the group has members that are no gateway's",
        advice: "give the subscription a `group` of its own, or stop the others: they take \
                 partitions, and what they read is not delivered",
        find: foreign_member,
    },
    Rule {
        name: "metadata-too-small",
        severity: Severity::Error,
        cluster: true,
        when: "the brokers' offset.metadata.max.bytes is below 4096, Kafka's default",
        advice: "raise offset.metadata.max.bytes on the brokers to 4096: commits that tell of parked \
                 keys would be refused",
        find: metadata_too_small,
    },
    Rule {
        name: "offsets-forgotten",
        severity: Severity::Warning,
        cluster: true,
        when: "the brokers' offsets.retention.minutes is below a day",
        advice: "raise it (10080, a week, is Kafka's default): a gateway that was down for longer \
                 begins where `start` says, not where it was",
        find: offsets_forgotten,
    },
    Rule {
        name: "group-not-ours",
        severity: Severity::Error,
        cluster: true,
        when: "the cluster's ACLs do not let this client read with the group",
        advice: "allow READ on the group, with `kafka-acls --add --allow-principal … --operation \
                 Read --group …`",
        find: group_not_ours,
    },
];

fn session_is_the_brokers(seen: &Seen<'_>) -> Vec<Hit> {
    if seen.text("group.protocol") != Some("consumer") {
        return Vec::new();
    }
    let given = ["session.timeout.ms", "heartbeat.interval.ms"].into_iter();
    let given = given.filter(|name| seen.text(name).is_some());
    given.map(|name| Hit::key(name, format!("{name} is not the client's to say"))).collect()
}

fn session_refused(seen: &Seen<'_>) -> Vec<Hit> {
    if seen.text("group.protocol") == Some("consumer") {
        return Vec::new();
    }
    let session = seen.number("session.timeout.ms", 45_000);
    let least = seen.facts().number("group.min.session.timeout.ms").unwrap_or(i64::MIN);
    let most = seen.facts().number("group.max.session.timeout.ms").unwrap_or(i64::MAX);
    let hit = || {
        let what = format!("a session of {session} ms, where brokers take {least} to {most}");
        Hit::key("session.timeout.ms", what)
    };
    (!(least..=most).contains(&session)).then(hit).into_iter().collect()
}

fn brokers_session_too_short(seen: &Seen<'_>) -> Vec<Hit> {
    if seen.text("group.protocol") != Some("consumer") {
        return Vec::new();
    }
    let session = seen.facts().number("group.consumer.session.timeout.ms");
    let short = session.filter(|session| *session < 10_000);
    let hit =
        |session| Hit::key("group.protocol", format!("brokers have a session of {session} ms"));
    short.map(hit).into_iter().collect()
}

/// Gateways are static members, named after their process and the subscription.
fn foreign_member(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for subscription in seen.subscriptions() {
        let Some(group) = seen.facts().groups.get(subscription.group()) else { continue };
        let name = subscription.name.get_ref();
        let is_ours = |id: &String| first_id(id, name).is_some();
        let foreign =
            group.members.iter().filter(|member| !member.instance_id.as_ref().is_some_and(is_ours));
        let foreign: Vec<String> =
            foreign.map(|member| format!("{} at {}", member.client_id, member.host)).collect();
        if !foreign.is_empty() {
            let span = subscription.group.as_ref().unwrap_or(&subscription.name).span();
            let group = subscription.group();
            hits.push(Hit::at(span, format!("group `{group}` also has {}", foreign.join(", "))));
        }
    }
    hits
}

fn metadata_too_small(seen: &Seen<'_>) -> Vec<Hit> {
    let needed = i64::try_from(forebay_wire::commit_metadata::MAX_LEN).expect("a few KiB");
    let most = seen.facts().number("offset.metadata.max.bytes");
    let small = most.filter(|most| *most < needed);
    let hit = |most| Hit::key("bootstrap.servers", format!("brokers take {most} bytes"));
    small.map(hit).into_iter().collect()
}

fn offsets_forgotten(seen: &Seen<'_>) -> Vec<Hit> {
    let kept = seen.facts().number("offsets.retention.minutes").filter(|kept| *kept < 24 * 60);
    let hit = |kept| {
        let what = format!("brokers forget a group's offsets {kept} minutes after its end");
        Hit::key("bootstrap.servers", what)
    };
    kept.map(hit).into_iter().collect()
}

fn group_not_ours(seen: &Seen<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for subscription in seen.subscriptions() {
        let Some(group) = seen.facts().groups.get(subscription.group()) else { continue };
        if group.rights.known && !group.rights.read {
            let span = subscription.group.as_ref().unwrap_or(&subscription.name).span();
            let what = format!("no right to read with group `{}`", subscription.group());
            hits.push(Hit::at(span, what));
        }
    }
    hits
}
