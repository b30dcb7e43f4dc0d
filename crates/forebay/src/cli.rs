//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Order;
use crate::logs::LogFormat;

pub(crate) mod cluster;
pub(crate) mod consume;
pub(crate) mod dead_letters;
pub(crate) mod groups;
pub(crate) mod produce;
pub(crate) mod subscriptions;
pub(crate) mod topics;

/// Reads Kafka with a fixed intake and pushes records to services that scale freely.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// How to write logs, which go to standard error
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the gateway, from a file or from flags alone
    #[command(after_help = RUN_EXAMPLES, override_usage = RUN_USAGE)]
    Run(Run),
    /// Runs the embedded Kafka-compatible broker alone
    #[command(after_help = BROKER_EXAMPLES)]
    Broker(Broker),
    /// Checks a configuration file and prints what it comes to
    #[command(after_help = CHECK_EXAMPLES)]
    CheckConfig(CheckConfig),
    /// The main job on real flights, with scaling and crashes, judged by the services' journals
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    /// The service that the demo delivers to
    #[command(hide = true)]
    DemoService(DemoService),
    /// Writes records to a topic from a file or standard input
    #[command(after_help = produce::EXAMPLES)]
    Produce(produce::Produce),
    /// Prints records of a topic
    #[command(after_help = consume::EXAMPLES)]
    Consume(consume::Consume),
    /// Lists, describes, makes and deletes topics
    #[command(after_help = topics::EXAMPLES)]
    Topics(topics::Topics),
    /// Lists and describes consumer groups
    #[command(after_help = groups::EXAMPLES)]
    Groups(groups::Groups),
    /// Lists, shows, sends back and purges dead letters
    #[command(after_help = dead_letters::EXAMPLES)]
    DeadLetters(dead_letters::DeadLetters),
    /// Shows and commands the subscriptions of a running gateway
    #[command(after_help = subscriptions::EXAMPLES)]
    Subscriptions(subscriptions::Subscriptions),
}

impl Command {
    /// Services tell what they do; tools only what goes wrong.
    pub(crate) fn log_level(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Broker(_) | Self::DemoService(_) => "info",
            // It draws where logs would go, and says itself what goes wrong.
            Self::Demo(_) => "off",
            // What librdkafka says of a failure, their own messages say better.
            Self::CheckConfig(_) => "info,librdkafka=off",
            Self::Produce(_)
            | Self::Consume(_)
            | Self::Topics(_)
            | Self::Groups(_)
            | Self::DeadLetters(_)
            | Self::Subscriptions(_) => "warn,librdkafka=off",
        }
    }
}

const RUN_USAGE: &str = "forebay run -c FILE [OPTIONS]
       forebay run --kafka HOST:PORT --topic TOPIC --to URL [OPTIONS]";
const RUN_EXAMPLES: &str = "\
Examples:
  forebay run -c forebay.toml
  forebay run --kafka localhost:9092 --topic payments --to http://localhost:8000/records

Exit codes: 0 asked to end, and done; 2 wrong flags; 3 configuration, or an address in use; 5 the
embedded broker's data is another process's, or was written by a newer version.";
const CHECK_EXAMPLES: &str = "\
The effective configuration, with every default, goes to standard output; what was found goes to
standard error, a line for each with what to do. docs/reference/lint.md explains every rule.

Examples:
  forebay check-config forebay.toml
  forebay check-config forebay.toml --against-cluster
  forebay check-config forebay.toml --output json | jq .findings

Exit codes: 0 nothing was found; 1 something was; 3 the file can't be used; 4 Kafka can't be reached
or refuses.";
const BROKER_EXAMPLES: &str = "\
Examples:
  forebay broker --data /var/lib/forebay --listen 127.0.0.1:9092
  forebay broker --data /tmp/trial --listen 127.0.0.1:0 --ready-file /tmp/ready.json

Exit codes: 0 asked to end, and done; 2 wrong flags; 3 the address is in use or can't be had; 5 the
data is another process's, or was written by a newer version.";
const DEMO_EXAMPLES: &str = "\
Examples:
  forebay demo
  forebay demo --output json
  forebay demo --kafka localhost:9092
  forebay demo --input orders.csv --key customer --rate 1000";

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Configuration file
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["kafka", "topic", "to", "group", "consumers", "order"])]
    pub(crate) config: Option<PathBuf>,
    /// Kafka's bootstrap servers
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "config")]
    pub(crate) kafka: Option<String>,
    /// A Kafka client property by its own (Java) name; may be given more than once. Others can see
    /// a command line: secrets belong in a configuration file
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = cluster::pair, requires = "kafka")]
    pub(crate) properties: Vec<(String, String)>,
    /// Topic to read; may be given more than once
    #[arg(long, required_unless_present = "config")]
    pub(crate) topic: Vec<String>,
    /// Where to deliver; may be given more than once
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    pub(crate) to: Vec<String>,
    /// Consumer group, and the name of the subscription; the first topic's name where none is given
    #[arg(long, requires = "kafka")]
    pub(crate) group: Option<String>,
    /// Consumers that share its partitions in this process, each on a thread [default: 1]
    #[arg(long, value_name = "N", requires = "kafka")]
    pub(crate) consumers: Option<usize>,
    /// What is delivered one after another
    #[arg(long, value_enum, default_value = "key", requires = "kafka")]
    pub(crate) order: Order,
    /// Where health, metrics and the control API listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) control: Option<String>,
    /// Name of this process in its groups, different for each and the same over restarts
    /// [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    #[command(flatten)]
    pub(crate) ready: ReadyFile,
    #[command(flatten)]
    pub(crate) child: Child,
}

#[derive(Debug, Args)]
pub(crate) struct Broker {
    /// Directory of its data; made where it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub(crate) listen: String,
    /// Partitions of topics that come into being when they are asked for
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: i32,
    #[command(flatten)]
    pub(crate) ready: ReadyFile,
    #[command(flatten)]
    pub(crate) child: Child,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    pub(crate) file: PathBuf,
    /// May stand before the file, as other commands have it
    #[arg(short = 'c', long = "config", hide = true)]
    _config: bool,
    /// Asks the cluster as well: topics, their settings, groups and rights
    #[arg(long)]
    pub(crate) against_cluster: bool,
    /// How long to wait for an answer of Kafka's
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) timeout: crate::config::Time,
    /// How to print what was found
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ReadyFile {
    /// Gets a JSON object with addresses and pid once everything listens
    #[arg(long = "ready-file", value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
}

/// For processes that must not outlive whoever started them.
#[derive(Debug, Args)]
pub(crate) struct Child {
    /// Ends once standard input closes
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Runs on this cluster instead of the embedded broker, with a topic of its own
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) kafka: Option<String>,
    /// CSV file to replay instead of the flights; may be compressed with zstd
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) input: Option<PathBuf>,
    /// Column whose value is a record's key
    #[arg(long, value_name = "COLUMN", requires = "input")]
    pub(crate) key: Option<String>,
    /// Records a second [default: all of them in 64 s, at most 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Replays no more than fits into this time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: Option<u32>,
    /// Has the gateway keep no order, so that promises are broken
    #[arg(long, hide = true)]
    pub(crate) without_order: bool,
    /// What to print at the end
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs; stable
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DemoService {
    #[arg(long)]
    pub(crate) journal: PathBuf,
    /// How long the work on a record takes
    #[arg(long)]
    pub(crate) work_ms: u64,
    /// Records that are worked on at a time
    #[arg(long)]
    pub(crate) workers: usize,
    #[command(flatten)]
    pub(crate) ready: ReadyFile,
    #[command(flatten)]
    pub(crate) child: Child,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_checked_with_or_without_a_flag_before_it() {
        for args in [&["f.toml"][..], &["-c", "f.toml"], &["--config", "f.toml"]] {
            let args = ["forebay", "check-config"].iter().chain(args);
            let Ok(Cli { command: Command::CheckConfig(check), .. }) = Cli::try_parse_from(args)
            else {
                panic!("it is taken");
            };
            assert_eq!(check.file, PathBuf::from("f.toml"));
        }
    }

    #[test]
    fn consumers_are_for_flags_alone() {
        let parsed = |args: &[&str]| {
            let args = ["forebay", "run", "--consumers", "3"].iter().chain(args);
            Cli::try_parse_from(args)
        };
        let flags = ["--kafka", "k:1", "--topic", "t", "--to", "http://s/"];
        let Command::Run(run) = parsed(&flags).unwrap().command else { panic!("it runs") };
        assert_eq!(run.consumers, Some(3));
        assert!(parsed(&["-c", "f.toml"]).is_err(), "a file says how many");
    }
}
