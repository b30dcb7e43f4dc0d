//! `forebay topics`: lists, describes, makes and deletes topics.

use std::collections::BTreeMap;

use forebay_kafka::{
    Admin, ConfigEntry, ListedOffset, NewTopic, OffsetSpec, TopicDescription, TopicPartition,
};
use serde_json::json;

use crate::cli::cluster::Output;
use crate::cli::topics::{Action, Create, Topics};
use crate::cluster::{Cluster, failure};
use crate::exit::{Failure, Outcome};
use crate::output::{Table, or_dash, print_json};
use crate::process::print;

pub(crate) fn run(args: &Topics) -> Outcome {
    match &args.action {
        Action::List { output, cluster } => list(&Cluster::new(cluster)?, *output),
        Action::Describe { topic, output, cluster } => {
            describe(&Cluster::new(cluster)?, topic, *output)
        }
        Action::Create(args) => create(&Cluster::new(&args.cluster)?, args),
        Action::Delete { topic, cluster } => {
            let cluster = Cluster::new(cluster)?;
            cluster.topic(topic)?;
            cluster.admin.delete_topic(topic).map_err(failure)?;
            print(&format!("deleted topic {topic}\n"))
        }
    }
}

fn list(cluster: &Cluster, output: Output) -> Outcome {
    let topics = cluster.admin.topics().map_err(failure)?;
    let replication = |topic: &TopicDescription| {
        topic.partitions.iter().map(|layout| layout.replicas.len()).max().unwrap_or(0)
    };
    if output == Output::Json {
        let shown: Vec<_> = topics
            .iter()
            .map(|topic| {
                json!({
                    "topic": topic.name,
                    "partitions": topic.partitions.len(),
                    "replication": replication(topic),
                })
            })
            .collect();
        return print_json(&shown);
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICATION"]);
    for topic in &topics {
        let (partitions, replication) = (topic.partitions.len(), replication(topic));
        table.row([topic.name.clone(), partitions.to_string(), replication.to_string()]);
    }
    print(&table.render())
}

fn describe(cluster: &Cluster, name: &str, output: Output) -> Outcome {
    let topic = cluster.topic(name)?;
    let beginnings = ends(&cluster.admin, &topic, OffsetSpec::Earliest)?;
    let ends = ends(&cluster.admin, &topic, OffsetSpec::Latest)?;
    let configs = cluster.admin.topic_configs(name).map_err(failure)?;
    let own: BTreeMap<&str, Option<&str>> = configs
        .iter()
        .filter(|config| !config.is_default)
        .map(|ConfigEntry { name, value, .. }| (name.as_str(), value.as_deref()))
        .collect();
    let layouts = topic.partitions.iter().zip(beginnings.iter().zip(&ends));
    if output == Output::Json {
        let partitions: Vec<_> = layouts
            .map(|(layout, (beginning, end))| {
                json!({
                    "partition": layout.partition,
                    "leader": layout.leader,
                    "replicas": layout.replicas,
                    "in_sync": layout.in_sync,
                    "beginning": beginning,
                    "end": end,
                })
            })
            .collect();
        return print_json(&json!({ "topic": name, "partitions": partitions, "configs": own }));
    }
    let mut table = Table::new(&["PARTITION", "LEADER", "REPLICAS", "IN-SYNC", "BEGINNING", "END"]);
    for (layout, (beginning, end)) in layouts {
        table.row([
            layout.partition.to_string(),
            layout.leader.to_string(),
            ids(&layout.replicas),
            ids(&layout.in_sync),
            or_dash(*beginning),
            or_dash(*end),
        ]);
    }
    let mut text = table.render();
    for (name, value) in own {
        text.push_str(&format!("{name}={}\n", value.unwrap_or("(hidden)")));
    }
    print(&text)
}

fn create(cluster: &Cluster, args: &Create) -> Outcome {
    let topic = NewTopic {
        name: args.topic.clone(),
        partitions: args.partitions,
        replication: args.replication.unwrap_or(-1),
        configs: args.configs.iter().cloned().collect(),
    };
    cluster.admin.create_topic(&topic).map_err(failure)?;
    print(&format!("created topic {} with {} partitions\n", topic.name, topic.partitions))
}

/// One end of the log for each partition; `None` where its leader is away.
fn ends(
    admin: &Admin,
    topic: &TopicDescription,
    spec: OffsetSpec,
) -> Result<Vec<Option<i64>>, Failure> {
    let wanted: Vec<_> = topic
        .partitions
        .iter()
        .map(|layout| (TopicPartition::new(topic.name.as_str(), layout.partition), spec))
        .collect();
    let listed = admin.offsets(&wanted).map_err(failure)?;
    Ok(listed.into_iter().map(|ListedOffset { offset, .. }| offset.ok().flatten()).collect())
}

fn ids(brokers: &[i32]) -> String {
    let ids: Vec<String> = brokers.iter().map(ToString::to_string).collect();
    ids.join(",")
}
