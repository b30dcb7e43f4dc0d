//! Flags of `forebay topics`.

use clap::{Args, Subcommand};

use super::cluster::{Cluster, Output, pair};

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay topics list
  forebay topics describe flights --output json
  forebay topics create flights --partitions 8 --config retention.ms=86400000
  forebay topics delete flights

Exit codes: 0 done; 2 wrong flags; 3 configuration; 4 Kafka can't be reached or refuses, or there is
no such topic.";

#[derive(Debug, Args)]
pub(crate) struct Topics {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Lists all topics, internal ones too
    #[command(after_help = "Example:\n  forebay topics list --kafka localhost:9092")]
    List {
        /// How to print them
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Shows the partitions of a topic, and the settings that are its own
    #[command(after_help = "Example:\n  forebay topics describe flights --output json")]
    Describe {
        topic: String,
        /// How to print it
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Makes a topic
    #[command(after_help = "\
Example:
  forebay topics create flights --partitions 8 --config retention.ms=86400000")]
    Create(Create),
    /// Deletes a topic with all its records, at once
    #[command(after_help = "Example:\n  forebay topics delete flights")]
    Delete {
        topic: String,
        #[command(flatten)]
        cluster: Cluster,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    pub(crate) topic: String,
    /// Number of partitions
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: i32,
    /// Replicas of each partition [default: the broker's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=32767))]
    pub(crate) replication: Option<i32>,
    /// Setting of the topic; may be given more than once
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) configs: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}
