//! Flags of `forebay groups`.

use clap::{Args, Subcommand};

use super::cluster::{Cluster, Output};

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay groups list
  forebay groups describe payments
  forebay groups describe payments --members --output json

Exit codes: 0 done; 2 wrong flags; 4 Kafka can't be reached or refuses, or there is no such group.";

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
