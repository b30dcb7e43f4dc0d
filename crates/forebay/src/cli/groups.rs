//! Flags of `forebay groups`.

use clap::{Args, Subcommand};

use super::cluster::{Cluster, Output};
use super::subscriptions::Gateway;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay groups list
  forebay groups describe payments
  forebay groups describe payments --members --output json
  forebay groups rebalances payments --control 10.0.0.7:8080

Exit codes: 0 done; 2 wrong flags; 3 configuration; 4 Kafka or the gateway can't be reached or
refuses, or there is no such group.";

#[derive(Debug, Args)]
pub(crate) struct Groups {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Lists all consumer groups with their states
    #[command(after_help = "Example:\n  forebay groups list --kafka localhost:9092")]
    List {
        /// How to print them
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Shows offsets and lag of a group, or its members, or its state
    #[command(after_help = DESCRIBE)]
    Describe(Describe),
    /// Shows the rebalances that a running gateway saw: why, what moved, how long it stood still
    #[command(after_help = REBALANCES)]
    Rebalances(Rebalances),
}

const DESCRIBE: &str = "\
The columns are those of kafka-consumer-groups --describe; - stands where there is nothing to show:
no commit, or no member that owns the partition.

Examples:
  forebay groups describe payments
  forebay groups describe payments --state";

#[derive(Debug, Args)]
pub(crate) struct Describe {
    pub(crate) group: String,
    /// Shows its members
    #[arg(long, conflicts_with = "state")]
    pub(crate) members: bool,
    /// Shows its state and coordinator
    #[arg(long)]
    pub(crate) state: bool,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

const REBALANCES: &str = "\
The gateway knows those since it started, the latest 100 of each subscription. Causes: start,
subscription_added, stop, members (another came or went), session_lost, fenced, partitions (a topic
got some, came, went or was made anew). STILL-MS is the longest that a partition stood still: from
being revoked to being given back, or from being assigned to being fetched.

Examples:
  forebay groups rebalances
  forebay groups rebalances payments --output json";

#[derive(Debug, Args)]
pub(crate) struct Rebalances {
    /// Only those of this group
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}
