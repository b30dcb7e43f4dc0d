//! Flags of `forebay subscriptions`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::cluster::Output;
use super::consume::From;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay subscriptions list
  forebay subscriptions show payments
  forebay subscriptions pause payments
  forebay subscriptions skip payments payments-3:1042
  forebay subscriptions seek payments --to 2026-01-01T00:00:00Z --dry-run
  forebay subscriptions commands payments --output json
  forebay subscriptions reload --control 10.0.0.7:8080 --token-file /run/secrets/forebay

Exit codes: 0 done; 2 wrong flags; 4 the gateway can't be reached or refuses.";

#[derive(Debug, Args)]
pub(crate) struct Subscriptions {
    #[command(subcommand)]
    pub(crate) action: Action,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

/// Where the gateway is.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Control address of the gateway; of several processes in a group, any of them
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) control: String,
    /// File with the token that the gateway asks for [env: FOREBAY_TOKEN holds the token itself]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) token_file: Option<PathBuf>,
    /// How to print what is shown
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Lists the subscriptions of a gateway's groups, with lag, rate and what caps them
    List,
    /// Shows one: partitions, endpoints, and records that are in trouble
    Show { name: String },
    /// Sends nothing more until it is resumed; what is in flight ends
    Pause { name: String },
    /// Goes on after a pause, or after the budget of dead letters was spent
    Resume { name: String },
    /// Reads from elsewhere: drains, commits the new place, and goes on there
    Seek(Seek),
    /// Delivers a record that waits now, and forgives its failures
    Retry(Record),
    /// Settles a record that waits as if it had been accepted
    Skip(Record),
    /// Sends a record that waits to the dead letter topic
    DeadLetter(Record),
    /// Lists the latest commands that the group was given, done or refused, oldest first
    Commands {
        /// Only those about this one, and about its processes
        name: Option<String>,
    },
    /// Has the gateway read its configuration file again
    Reload,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// Where the record is
    #[arg(value_name = "TOPIC-PARTITION:OFFSET")]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Seek {
    pub(crate) name: String,
    /// beginning, end, an offset, or a time: 2026-01-01T00:00:00Z, or 2h for 2 hours ago
    #[arg(long, value_name = "WHERE")]
    pub(crate) to: From,
    /// Only this topic; the park topic moves only where it is named here
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Only this partition; may be given more than once
    #[arg(long, value_name = "N")]
    pub(crate) partition: Vec<i32>,
    /// Only says what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `topic-partition:offset`; a topic's name may hold dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').and_then(|(partition, offset)| {
            let (topic, partition) = partition.rsplit_once('-')?;
            let partition = partition.parse().ok().filter(|number| *number >= 0)?;
            let offset = offset.parse().ok().filter(|number| *number >= 0)?;
            Some(Self { topic: topic.to_owned(), partition, offset })
        });
        parts.ok_or_else(|| "write topic-partition:offset, as in payments-3:1042".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_logs_write_it() {
        let place = Place { topic: "a-b".into(), partition: 3, offset: 1_042 };
        assert_eq!("a-b-3:1042".parse(), Ok(place));
        for wrong in ["payments", "payments-3", "payments:4", "payments-x:1", "p-1:-1"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
