//! Flags of `forebay produce`.

use std::path::PathBuf;

use clap::Args;

use super::cluster::{Cluster, Output, pair};
use crate::input::Format;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forebay produce --topic orders --partitions 8 --input orders.ndjson --key customer
  seq 100 | forebay produce --topic lines --partitions 1
  tail -f app.log | forebay produce --topic logs --partitions 1 --header host=web-1

With --partitions a missing topic is made; to a topic that is there, leave it out or say what it has:
  forebay produce --topic flights --input january.csv.zst --key tailnum
  forebay produce --topic flights --input flights.csv --key tailnum --null-key NA --rate 5000/s

Values: a line of `lines` and of `ndjson` as it stands, without its line end; a row of `csv` as a
JSON object of strings, by the names in the header. See --value and --raw for others.
Keys: an empty CSV field and JSON's null are a null key; so is any text given with --null-key.
Zstandard is recognised and decompressed.

The first line that can't be read ends the command: nothing after it is sent, what was sent before
is waited for and counted.

Exit codes: 0 every record was acknowledged by all in-sync replicas; 2 wrong flags or a malformed
line; 3 configuration; 4 Kafka can't be reached or refused a record; 130 interrupted, what was queued is flushed.";

#[derive(Debug, Args)]
pub(crate) struct Produce {
    /// Topic to write to
    #[arg(long)]
    pub(crate) topic: String,
    /// File to read, or - for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// What the file holds [default: by its name: .csv, .ndjson, .jsonl, else lines]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Column (csv) or field (ndjson) that holds the key; without it keys are null
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// A text that stands for a null key, such as NA; may be given more than once
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) null_key: Vec<String>,
    /// Column (csv) or field (ndjson) that is the value, instead of the whole row or line
    #[arg(long, value_name = "NAME")]
    pub(crate) value: Option<String>,
    /// The value of a csv row is the row as it stands in the file
    #[arg(long, conflicts_with = "value")]
    pub(crate) raw: bool,
    /// Header of every record; may be given more than once
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) headers: Vec<(String, String)>,
    /// Most records in a time: 5000/s, 300/m
    #[arg(long, value_name = "N/s")]
    pub(crate) rate: Option<Rate>,
    /// Makes the topic with so many partitions if there is none of that name
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: Option<i32>,
    /// How to print the summary
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// Records in a second, more than none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(pub(crate) f64);

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, seconds) = match text.split_once('/') {
            None | Some((_, "s")) => (text.trim_end_matches("/s"), 1.0),
            Some((number, "m")) => (number, 60.0),
            Some((number, "h")) => (number, 3600.0),
            Some(_) => return Err("write 5000/s, 300/m or 10/h".to_owned()),
        };
        match number.parse::<u32>() {
            Ok(number) if number > 0 => Ok(Self(f64::from(number) / seconds)),
            _ => Err("write a whole number above 0 and a unit: 5000/s, 300/m, 10/h".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_reads_as_it_is_written() {
        assert_eq!("5000/s".parse(), Ok(Rate(5000.0)));
        assert_eq!("50".parse(), Ok(Rate(50.0)));
        assert_eq!("30/m".parse(), Ok(Rate(0.5)));
        for wrong in ["", "/s", "0", "-1/s", "5/parsec", "1.5/s", "5/s/s"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
