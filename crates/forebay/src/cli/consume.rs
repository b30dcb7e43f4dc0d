//! Flags of `forebay consume`.

use clap::Args;

use super::cluster::{Cluster, Output};
use super::dead_letters::Moment;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay consume --topic flights
  forebay consume --topic flights --from end --follow
  forebay consume --topic flights --partition 3 --from 15000 --count 10 --output json
  forebay consume --topic flights --from 2026-01-01T00:00:00Z --output json | jq .value
  forebay consume --topic flights --group trial --count 100

Without --follow it ends where the topic ended when it was asked. JSON is an object a line: topic,
partition, offset, timestamp (ms since the epoch), key, value, headers; each text has an encoding
beside it, utf8 or base64. In the table, control characters are escaped and null shows as -.

With --group it joins that group, starts at its committed offsets (--from where there are none) and
commits what it has printed; as a member has no end, say --count or --follow.

Exit codes: 0 done; 2 wrong flags; 3 configuration; 4 Kafka can't be reached, or there is no such
topic, partition or offset; 130 interrupted.";

#[derive(Debug, Args)]
pub(crate) struct Consume {
    /// Topic to read
    #[arg(long)]
    pub(crate) topic: String,
    /// Where to start: beginning, end, an offset, or a time: 2026-01-01T00:00:00Z, or 2h for 2 hours ago
    #[arg(long, value_name = "WHERE", default_value = "beginning")]
    pub(crate) from: From,
    /// Only this partition; may be given more than once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Vec<i32>,
    /// Ends after so many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Goes on with what is written later
    #[arg(long)]
    pub(crate) follow: bool,
    /// Consumer group to read and commit as
    #[arg(long, conflicts_with = "partition")]
    pub(crate) group: Option<String>,
    /// How to print records
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// Where to start in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Beginning,
    End,
    Offset(i64),
    /// Milliseconds since the epoch.
    Time(i64),
}

impl std::str::FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Ok(offset) = text.parse::<u64>() {
            return i64::try_from(offset).map(Self::Offset).map_err(|error| error.to_string());
        }
        text.parse::<Moment>().map(|Moment(ms)| Self::Time(ms)).map_err(|_| {
            "write beginning, end, an offset, 2026-01-01T00:00:00Z, or how long ago: 10m, 2h, 30d"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_reads_as_it_is_written() {
        assert_eq!("beginning".parse(), Ok(From::Beginning));
        assert_eq!("42".parse(), Ok(From::Offset(42)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(From::Time(1000)));
        assert_eq!("1970-01-01T01:00:00+01:00".parse(), Ok(From::Time(0)));
        let now = jiff::Timestamp::now().as_millisecond();
        let Ok(From::Time(ms)) = "2h".parse() else { panic!("2h is a time") };
        assert!((now - 7_200_000..now - 7_190_000).contains(&ms), "{ms}");
        for wrong in ["", "-1", "yesterday", "2026-01-01"] {
            assert!(wrong.parse::<From>().is_err(), "{wrong}");
        }
    }
}
