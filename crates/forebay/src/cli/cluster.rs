//! Flags of every command that is a Kafka client.

use std::path::PathBuf;

use clap::Args;

use crate::config::Time;

#[derive(Debug, Args)]
pub(crate) struct Cluster {
    /// Kafka's bootstrap servers [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Kafka")]
    pub(crate) kafka: Option<String>,
    /// Configuration file whose [kafka] says which cluster, and how to log in
    #[arg(
        short,
        long = "config-file",
        value_name = "FILE",
        conflicts_with = "kafka",
        help_heading = "Kafka"
    )]
    pub(crate) config: Option<PathBuf>,
    /// A Kafka client property by its own (Java) name; may be given more than once. Others can see
    /// a command line: secrets belong in a configuration file
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = pair, help_heading = "Kafka")]
    pub(crate) properties: Vec<(String, String)>,
    /// How long to wait for an answer of Kafka's
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Kafka")]
    pub(crate) timeout: Time,
}

/// How to print a result: a table for people may change, JSON is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// `name=value`; the value may be empty and may hold further `=`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write name=value".to_owned()),
    }
}
