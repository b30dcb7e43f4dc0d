//! Flags of `forebay dead-letters`.

use clap::{Args, Subcommand, ValueEnum};

use super::cluster::{Cluster, Output};
use super::produce::Rate;
use crate::config::Time;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay dead-letters list --topic payments.dead --since 2h
  forebay dead-letters show --topic payments.dead --offset 3:1207
  forebay dead-letters redrive -c forebay.toml --subscription payments --status 400 --dry-run
  forebay dead-letters purge --topic payments.dead --key account-7

A letter is open until it is sent back or purged. Either is written into the dead letter topic
itself, as a mark: a record with the letter's key, no value, and the letter's offset in a header.

Exit codes: 0 done; 2 wrong flags; 3 configuration; 4 Kafka can't be reached or refused a record;
130 interrupted, what was sent back is marked.";

#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Lists open letters: where they are from, and why they were given up
    #[command(after_help = LIST)]
    List(List),
    /// Shows all of a letter, with headers and value
    #[command(after_help = SHOW)]
    Show(Show),
    /// Sends open letters back to the topics that they are from
    #[command(after_help = REDRIVE)]
    Redrive(Redrive),
    /// Marks open letters as wanted no more
    #[command(after_help = PURGE)]
    Purge(Purge),
}

const LIST: &str = "\
JSON is an object a line. The table escapes control characters and cuts long keys and reasons off.

Examples:
  forebay dead-letters list --topic payments.dead --why exhausted --since 2026-01-01T00:00:00Z
  forebay dead-letters list --topic payments.dead --all --output json | jq .reason";

const SHOW: &str = "\
Example:
  forebay dead-letters show --topic payments.dead --offset 3:1207 --output json";

const REDRIVE: &str = "\
A letter goes back to its topic as the record that it was: key, value, own headers and timestamp.
The header forebay-origin tells where it first lay, so its idempotency key stays the same. A record
older than half of its topic's retention.ms gets the present time, else it would be removed at once.

It goes to the partition that it is from, for the rest of its key is there, whoever produced it and
by whatever partitioner. --by-key lets the key decide instead, as Java's default partitioner does:
for a topic that has got more partitions since, if its producers use that partitioner.

Letters of a key go back in the order in which they died, each once the one before it is
acknowledged; one that Kafka refuses keeps the later ones of its key where they are. Once a letter
is acknowledged it is marked, and the next run leaves it out. What is killed between the two leaves
at most 256 letters sent back and not marked; they go back once more. Letters that are written
while it runs are left to the next run. Two runs at a time on one topic send letters back twice.

Examples:
  forebay dead-letters redrive --topic payments.dead --dry-run
  forebay dead-letters redrive --topic payments.dead --limit 10
  forebay dead-letters redrive --topic payments.dead --revision v7 --rate 100/s";

const PURGE: &str = "\
Records stay in the topic until its retention removes them; list --all shows purged ones too.

Examples:
  forebay dead-letters purge --topic payments.dead --offset 3:1207
  forebay dead-letters purge --topic payments.dead --until 30d --dry-run
  forebay dead-letters purge --topic payments.dead --everything";

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Also those that were sent back or purged
    #[arg(long)]
    pub(crate) all: bool,
    /// Ends after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Which, by partition and offset in the dead letter topic; may be given more than once
    #[arg(long = "offset", value_name = "P:O", required = true)]
    pub(crate) offsets: Vec<Offset>,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Redrive {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Sends to the partition of the key instead of the one that the letter is from
    #[arg(long)]
    pub(crate) by_key: bool,
    #[command(flatten)]
    pub(crate) pace: Work,
}

#[derive(Debug, Args)]
pub(crate) struct Purge {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// All open letters, where nothing else says which
    #[arg(long)]
    pub(crate) everything: bool,
    #[command(flatten)]
    pub(crate) pace: Work,
}

/// How letters are worked through.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// Only lists what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Most letters in a time: 100/s, 300/m
    #[arg(long, value_name = "N/s")]
    pub(crate) rate: Option<Rate>,
    /// Ends after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// How to print the summary
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

/// Where the letters are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Dead letter topic; not needed with a configuration file that has only one
    #[arg(long, required_unless_present = "config")]
    pub(crate) topic: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// Which letters; all conditions that are given must hold.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which letters")]
pub(crate) struct Selection {
    /// Failed last at or after this: 2026-01-01T00:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Failed last before this
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// With this key
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Whose reason contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Given up for this
    #[arg(long, value_enum)]
    pub(crate) why: Option<Why>,
    /// Last answered with this HTTP status
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<u16>,
    /// Last delivered to this revision
    #[arg(long)]
    pub(crate) revision: Option<String>,
    /// Of this subscription
    #[arg(long, value_name = "NAME")]
    pub(crate) subscription: Option<String>,
    /// Of this consumer group
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// At this partition and offset of the dead letter topic; may be given more than once
    #[arg(long = "offset", value_name = "P:O")]
    pub(crate) offsets: Vec<Offset>,
}

/// Why a record was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Why {
    /// The service rejected it
    Rejected,
    /// It failed as often as it may
    Exhausted,
    /// An operator said so
    Command,
}

impl Why {
    /// As letters spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Command => "command",
        }
    }
}

/// A letter's place in the dead letter topic: `3:1207`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Offset {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl std::str::FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (partition, offset) = text.split_once(':')?;
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            (partition >= 0 && offset >= 0).then_some(Self { partition, offset })
        };
        parse().ok_or_else(|| "write partition and offset: 3:1207".to_owned())
    }
}

/// Milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(time.as_millisecond()));
        }
        let ago = text.trim_end_matches("ago").trim_end();
        let ago: Time = ago
            .parse()
            .map_err(|_| "write 2026-01-01T00:00:00Z, or how long ago: 10m, 2h, 30d".to_owned())?;
        let ago = i64::try_from(ago.0.as_millis()).map_err(|error| error.to_string())?;
        Ok(Self(jiff::Timestamp::now().as_millisecond().saturating_sub(ago)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written() {
        let offset = Offset { partition: 3, offset: 1207 };
        assert_eq!("3:1207".parse(), Ok(offset));
        assert_eq!(offset.to_string(), "3:1207");
        for wrong in ["", "3", "3:", ":7", "-1:7", "3:-7", "a:b", "3:7:9"] {
            assert!(wrong.parse::<Offset>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_a_date_or_a_while_ago() {
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Moment(1000)));
        let now = jiff::Timestamp::now().as_millisecond();
        for ago in ["2h", "2h ago", "7200s"] {
            let Moment(ms) = ago.parse().unwrap();
            assert!((now - 7_200_000..now - 7_190_000).contains(&ms), "{ago}: {ms}");
        }
        for wrong in ["", "ago", "yesterday", "-2h", "2", "2026-01-01"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
