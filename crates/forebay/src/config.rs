//! The configuration: one TOML file, read strictly.
//!
//! An unknown key, an impossible value or a contradiction is refused with the file, the line and
//! what to do. Every option is documented in `config/reference.rs`, which makes the reference page.
//! Secrets are resolved from the environment or a file and never printed again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Spanned;

pub(crate) mod check;
mod effective;
mod keys;
mod paths;
pub(crate) mod plan;
pub(crate) mod problem;
#[cfg(test)]
mod reference;
pub(crate) mod secret;
pub(crate) mod values;
mod wording;

pub(crate) use problem::ConfigError;
use problem::Source;
use secret::Property;
pub(crate) use values::{Moment, Size, Time, TimeOrNever, TimeRange};

/// The file as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) kafka: Kafka,
    #[serde(default)]
    pub(crate) broker: Broker,
    #[serde(default)]
    pub(crate) control: Control,
    #[serde(default, rename = "subscription")]
    pub(crate) subscriptions: Vec<Spanned<Subscription>>,
    /// The text that it was read from, for what is found wrong later.
    #[serde(skip)]
    pub(crate) source: Source,
}

/// Kafka's own property names, beside the one that is ours.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Kafka {
    /// Runs the embedded broker in this process and reads from it.
    #[serde(default)]
    pub(crate) embedded: bool,
    #[serde(flatten, serialize_with = "secret::shown")]
    pub(crate) properties: std::collections::BTreeMap<String, Property>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Broker {
    pub(crate) listen: String,
    pub(crate) data: PathBuf,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Control {
    pub(crate) listen: Spanned<String>,
    /// What requests must carry; needed off loopback.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::shown_secret")]
    pub(crate) token: Option<Spanned<Property>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<Spanned<String>>,
    /// Where other processes of a group ask this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscription {
    pub(crate) name: Spanned<String>,
    pub(crate) topics: Spanned<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Spanned<String>>,
    #[serde(default = "defaults::consumers")]
    pub(crate) consumers: Spanned<usize>,
    #[serde(default)]
    pub(crate) order: Order,
    #[serde(default)]
    pub(crate) delivery: Delivery,
    /// Kafka's `auto.offset.reset` where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Start>,
    #[serde(default)]
    pub(crate) takeover: Takeover,
    pub(crate) target: Spanned<Target>,
    #[serde(default)]
    pub(crate) retry: Retry,
    #[serde(default)]
    pub(crate) hold: Hold,
    #[serde(default)]
    pub(crate) evidence: Evidence,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter: Option<Spanned<DeadLetter>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) park: Option<Spanned<Park>>,
    #[serde(default, deserialize_with = "Commit::word_or_table")]
    pub(crate) commit: Commit,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Records of one key, one after another; keys side by side
    #[default]
    Key,
    /// All records of a partition, one after another
    Partition,
    /// No order
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Delivery {
    #[default]
    AtLeastOnce,
    AtMostOnce,
}

/// What becomes of a record that is rejected, or fails too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GiveUp {
    DeadLetter,
    Hold,
    Drop,
}

/// How the addresses of a target are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Discovery {
    /// They are what the configuration says.
    #[default]
    List,
    /// They are what the url's name resolves to, followed as it changes.
    Dns,
    /// The url is one balancer's, with instances behind it that are not seen.
    Vip,
}

/// What is committed, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CommitMode {
    /// What is settled, soon after.
    #[default]
    Settled,
    /// What was fetched, on a timer, whatever the answers are.
    Auto,
}

/// A whole number from 1 on, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "`attempts` is a whole number without quotes, or \"unlimited\"")]
pub(crate) enum Attempts {
    Number(u32),
    Word(Unlimited),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unlimited {
    Unlimited,
}

/// What is done with a partition whose former owner ended without a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Takeover {
    /// What it may have sent is waited for.
    #[default]
    Safe,
    Fast,
}

/// Where a group without a committed offset begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    Earliest,
    Latest,
    /// At the first record that is no older.
    Time(Moment),
    /// Nowhere: the partition stands still until an operator says where.
    None,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<Spanned<String>>,
    #[serde(default = "defaults::deadline")]
    pub(crate) deadline: Spanned<Time>,
    #[serde(default = "defaults::grace")]
    pub(crate) grace: Time,
    #[serde(default)]
    pub(crate) discovery: Discovery,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight: Option<Spanned<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight_max: Option<Spanned<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Spanned<u32>>,
    #[serde(default = "defaults::recycle")]
    pub(crate) recycle: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<String>>,
    #[serde(default = "defaults::max_header_bytes")]
    pub(crate) max_header_bytes: Spanned<Size>,
    #[serde(default = "defaults::max_value_bytes")]
    pub(crate) max_value_bytes: Spanned<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Spanned<Tls>>,
}

/// Whom an `https://` target is trusted by, and what it is shown of us.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<Spanned<PathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<Spanned<PathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Spanned<PathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    pub(crate) attempts: Spanned<Attempts>,
    pub(crate) backoff: TimeRange,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_exhausted: Option<Spanned<GiveUp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_reject: Option<Spanned<GiveUp>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Evidence {
    pub(crate) wait: TimeOrNever,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadLetter {
    pub(crate) topic: Spanned<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) names: Option<ForeignNames>,
}

/// Where keys go that fail for long, where their partition needs the room.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Park {
    pub(crate) topic: Spanned<String>,
    #[serde(default = "defaults::park_after")]
    pub(crate) after: Time,
}

/// Whose names dead letters carry beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForeignNames {
    Spring,
    #[serde(rename = "kip-1191")]
    Kip1191,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hold {
    pub(crate) records: Spanned<usize>,
    pub(crate) bytes: Spanned<Size>,
    pub(crate) window: Spanned<usize>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Commit {
    pub(crate) mode: CommitMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<Time>,
    pub(crate) drain: Time,
}

impl Default for Broker {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9092".into(), data: "forebay-data".into() }
    }
}

impl Default for Control {
    fn default() -> Self {
        let listen = unplaced("127.0.0.1:8080".into());
        Self { listen, token: None, instance: None, advertise: None }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: unplaced(Attempts::Number(10)),
            backoff: "200ms..30s".parse().expect("a valid default"),
            on_exhausted: None,
            on_reject: None,
        }
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            records: unplaced(20_000),
            bytes: unplaced(Size(64 << 20)),
            window: unplaced(1_000_000),
        }
    }
}

impl Default for Evidence {
    fn default() -> Self {
        Self { wait: TimeOrNever(Some(std::time::Duration::from_secs(600))) }
    }
}

impl Default for Commit {
    fn default() -> Self {
        let drain = "10s".parse().expect("a valid default");
        Self { mode: CommitMode::Settled, interval: None, drain }
    }
}

impl Commit {
    /// `commit = "auto"` is short for a table with that mode.
    fn word_or_table<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = Commit;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`\"auto\"`, `\"settled\"` or a table")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Commit, E> {
                let mode = CommitMode::deserialize(serde::de::value::StrDeserializer::new(word))?;
                Ok(Commit { mode, ..Commit::default() })
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, map: M) -> Result<Commit, M::Error> {
                Commit::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_any(Either)
    }

    /// How long between two commits: soon where it is for what is settled, and Kafka's default for
    /// automatic commits.
    pub(crate) fn interval(&self) -> std::time::Duration {
        let default = match self.mode {
            CommitMode::Settled => std::time::Duration::from_millis(100),
            CommitMode::Auto => std::time::Duration::from_secs(5),
        };
        self.interval.map_or(default, |interval| interval.0)
    }
}

impl Control {
    /// The name of this process in its groups: the host's, for one process on each host is the usual
    /// case.
    pub(crate) fn instance(&self) -> String {
        if let Some(name) = &self.instance {
            return name.get_ref().clone();
        }
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        if name.is_empty() { "forebay".to_owned() } else { name.to_owned() }
    }
}

impl Attempts {
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Word(Unlimited::Unlimited) => u32::MAX,
        }
    }
}

pub(crate) mod defaults {
    use super::{Size, Spanned, Time, unplaced};

    pub(super) fn consumers() -> Spanned<usize> {
        unplaced(1)
    }

    pub(crate) fn deadline() -> Spanned<Time> {
        unplaced("30s".parse().expect("a valid default"))
    }

    pub(super) fn grace() -> Time {
        "1s".parse().expect("a valid default")
    }

    pub(super) fn park_after() -> Time {
        "1m".parse().expect("a valid default")
    }

    pub(super) fn recycle() -> Time {
        "1m".parse().expect("a valid default")
    }

    pub(super) fn max_header_bytes() -> Spanned<Size> {
        unplaced(Size(8 << 10))
    }

    pub(super) fn max_value_bytes() -> Spanned<Size> {
        unplaced(Size(16 << 20))
    }
}

/// A value that stands in no file: a default, or a flag.
pub(crate) fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let whole = std::path::absolute(path).map_err(unreadable)?;
        let mut config = Self::parse(Source { name: path.display().to_string(), text })?;
        config.place_in(whole.parent().unwrap_or(&whole));
        Ok(config)
    }

    pub(crate) fn parse(source: Source) -> Result<Self, ConfigError> {
        let lists = keys::lists_for_tables(&source.text);
        if !lists.is_empty() {
            let problem = |(table, key): (String, String)| {
                let message = format!("`{table}` is a table, as in {{ {key} = … }}, not a list");
                source.problem_of(table.rsplit('.').next().unwrap_or_default(), message)
            };
            return Err(source.found(lists.into_iter().map(problem).collect()));
        }
        let mut config: Self =
            toml::from_str(&source.text).map_err(|error| source.refuses(&error))?;
        config.source = source;
        config.check()?;
        Ok(config)
    }

    /// Again, after flags have changed something.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let problems = check::check(self);
        if problems.is_empty() { Ok(()) } else { Err(self.source.found(problems)) }
    }
}

impl Subscription {
    pub(crate) fn group(&self) -> &str {
        self.group.as_ref().map_or(self.name.get_ref(), |group| group.get_ref())
    }

    /// What becomes of a record by this rule.
    pub(crate) fn gives_up(&self, rule: Option<&Spanned<GiveUp>>) -> GiveUp {
        match rule {
            Some(rule) => *rule.get_ref(),
            None if self.dead_letter.is_some() => GiveUp::DeadLetter,
            None => GiveUp::Hold,
        }
    }

    /// Deliveries in flight to begin with, and at most. One number alone is both; none is more than
    /// may be held.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        let target = self.target.get_ref();
        let number = |given: &Option<Spanned<usize>>| given.as_ref().map(|given| *given.get_ref());
        let held = |default: usize| default.min(*self.hold.records.get_ref());
        match (number(&target.in_flight), number(&target.in_flight_max)) {
            (Some(first), Some(most)) => (first, most),
            (Some(only), None) => (only, only),
            (None, Some(most)) => (IN_FLIGHT.min(most), most),
            (None, None) => (held(IN_FLIGHT), held(IN_FLIGHT_MAX)),
        }
    }
}

/// Deliveries in flight where nothing is said: to begin with, and as far as that may grow.
const IN_FLIGHT: usize = 256;
pub(crate) const IN_FLIGHT_MAX: usize = 4_096;

impl Target {
    /// All addresses: `url`, then `endpoints`.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.url.iter().chain(&self.endpoints)
    }
}

#[cfg(test)]
mod tests;
