//! `forebay groups`: consumer groups, their offsets and members, in the columns of Kafka's own
//! `kafka-consumer-groups`.
//!
//! Lag counts to the end of what read_committed consumers can read.

use std::collections::BTreeMap;

use forebay_kafka::{GroupDescription, Member, OffsetSpec, TopicPartition};
use serde::Serialize;
use serde_json::json;

use crate::cli::cluster::Output;
use crate::cli::groups::{Action, Describe, Groups};
use crate::cluster::{Cluster, failure, hint};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Table, or_dash, print_json};
use crate::process::print;

mod rebalances;

pub(crate) fn run(args: &Groups) -> Outcome {
    match &args.action {
        Action::List { output, cluster } => list(&Cluster::new(cluster)?, *output),
        Action::Describe(args) => describe(&Cluster::new(&args.cluster)?, args),
        Action::Rebalances(args) => rebalances::run(args),
    }
}

fn list(cluster: &Cluster, output: Output) -> Outcome {
    let groups = cluster.admin.groups().map_err(failure)?;
    if output == Output::Json {
        let shown: Vec<_> = groups
            .iter()
            .map(|listing| json!({ "group": listing.group, "state": listing.state }))
            .collect();
        return print_json(&shown);
    }
    let mut table = Table::new(&["GROUP", "STATE"]);
    for listing in groups {
        table.row([listing.group, listing.state]);
    }
    print(&table.render())
}

fn describe(cluster: &Cluster, args: &Describe) -> Outcome {
    let name = args.group.as_str();
    let mut described = cluster.admin.describe_groups(&[name]).map_err(failure)?;
    let Some(group) = described.pop() else { return Err(unknown(cluster, name)?) };
    let rows = rows(cluster, &group)?;
    if rows.is_empty() && group.members.is_empty() && matches!(&*group.state, "Dead" | "Unknown") {
        return Err(unknown(cluster, name)?);
    }
    if args.state {
        state(&group, args.output)
    } else if args.members {
        members(&group, args.output)
    } else {
        offsets(&group, &rows, args.output)
    }
}

/// The failure for a group that nobody knows.
fn unknown(cluster: &Cluster, name: &str) -> Result<Failure, Failure> {
    let groups = cluster.admin.groups().map_err(failure)?;
    let known = groups.iter().map(|listing| listing.group.as_str());
    let hint = hint(name, known, groups.len(), "groups");
    let servers = cluster.properties.servers();
    let message = format!("there is no consumer group `{name}` on {servers}{hint}");
    Ok(Failure::new(Exit::Unreachable, message))
}

/// One partition of a group: committed, owned, or both.
#[derive(Debug, Serialize)]
struct Row<'a> {
    group: &'a str,
    topic: String,
    partition: i32,
    /// Exclusive end of what is done; null where nothing is committed.
    current_offset: Option<i64>,
    log_end_offset: Option<i64>,
    lag: Option<i64>,
    consumer_id: Option<&'a str>,
    host: Option<&'a str>,
    client_id: Option<&'a str>,
}

/// By topic and partition.
fn rows<'a>(cluster: &Cluster, group: &'a GroupDescription) -> Result<Vec<Row<'a>>, Failure> {
    let committed = cluster.admin.group_offsets(&group.group).map_err(failure)?;
    let mut known: BTreeMap<TopicPartition, (Option<i64>, Option<&Member>)> = BTreeMap::new();
    for commit in committed {
        known.entry(commit.partition).or_default().0 = Some(commit.offset);
    }
    for member in &group.members {
        for partition in &member.assignment {
            known.entry(partition.clone()).or_default().1 = Some(member);
        }
    }
    let wanted: Vec<_> =
        known.keys().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
    let ends = cluster.admin.offsets(&wanted).map_err(failure)?;
    let rows = known.into_iter().zip(ends).map(|((partition, (current, owner)), end)| {
        // A topic that was deleted since has no end, and that is no failure of the group's.
        let end = end.offset.ok().flatten();
        Row {
            group: &group.group,
            topic: partition.topic.to_string(),
            partition: partition.partition,
            current_offset: current,
            log_end_offset: end,
            lag: current.zip(end).map(|(current, end)| (end - current).max(0)),
            consumer_id: owner.map(|member| member.member_id.as_str()),
            host: owner.map(|member| member.host.as_str()),
            client_id: owner.map(|member| member.client_id.as_str()),
        }
    });
    Ok(rows.collect())
}

fn offsets(group: &GroupDescription, rows: &[Row<'_>], output: Output) -> Outcome {
    if output == Output::Json {
        return print_json(&rows);
    }
    let mut table = Table::new(&[
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    for row in rows {
        table.row([
            row.group.to_owned(),
            row.topic.clone(),
            row.partition.to_string(),
            or_dash(row.current_offset),
            or_dash(row.log_end_offset),
            or_dash(row.lag),
            or_dash(row.consumer_id),
            or_dash(row.host),
            or_dash(row.client_id),
        ]);
    }
    if group.members.is_empty() {
        crate::logs::say(&format!("consumer group `{}` has no active members", group.group));
    }
    print(&table.render())
}

fn members(group: &GroupDescription, output: Output) -> Outcome {
    let mut members: Vec<&Member> = group.members.iter().collect();
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    if output == Output::Json {
        let partition = |owned: &TopicPartition| json!({ "topic": &*owned.topic, "partition": owned.partition });
        let shown: Vec<_> = members
            .iter()
            .map(|member| {
                json!({
                    "group": group.group,
                    "consumer_id": member.member_id,
                    "instance_id": member.instance_id,
                    "host": member.host,
                    "client_id": member.client_id,
                    "partitions": member.assignment.iter().map(partition).collect::<Vec<_>>(),
                })
            })
            .collect();
        return print_json(&shown);
    }
    let mut table = Table::new(&[
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
    ]);
    for member in members {
        table.row([
            group.group.clone(),
            member.member_id.clone(),
            or_dash(member.instance_id.as_deref()),
            member.host.clone(),
            member.client_id.clone(),
            member.assignment.len().to_string(),
        ]);
    }
    print(&table.render())
}

fn state(group: &GroupDescription, output: Output) -> Outcome {
    let assignor = (!group.assignor.is_empty()).then_some(group.assignor.as_str());
    if output == Output::Json {
        return print_json(&json!({
            "group": group.group,
            "coordinator": group.coordinator,
            "assignment_strategy": assignor,
            "state": group.state,
            "members": group.members.len(),
        }));
    }
    let columns = ["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"];
    let mut table = Table::new(&columns);
    table.row([
        group.group.clone(),
        group.coordinator.clone(),
        or_dash(assignor),
        group.state.clone(),
        group.members.len().to_string(),
    ]);
    print(&table.render())
}
