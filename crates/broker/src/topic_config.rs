//! Topic configurations: the names that exist, their defaults, and what a value may be.
//!
//! All of Kafka's topic settings are known, can be set and are told back, because clients and
//! tools expect the whole list. The log acts on `segment.bytes`, `segment.ms`,
//! `segment.index.bytes`, `index.interval.bytes`, `max.message.bytes` and
//! `message.timestamp.type`; the others are kept but have no effect yet.

use std::collections::BTreeMap;

use forebay_log::{LogConfig, TimestampType};

use crate::config::BrokerConfig;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("there is no topic configuration {0:?}")]
    Unknown(String),
    #[error("{value:?} is not a value for {name}: {expected}")]
    Value { name: &'static str, value: String, expected: String },
    #[error("{0} is not a list, so nothing can be appended to it or subtracted from it")]
    NotAList(&'static str),
    #[error("{0} needs a value")]
    Missing(String),
}

/// What a setting's values are; the numbers are DescribeConfigs' type codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Bool,
    Int { min: i64 },
    Long { min: i64 },
    Ratio,
    Choice(&'static [&'static str]),
    List(&'static [&'static str]),
}

impl ValueKind {
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Choice(_) => 2,
            Self::Int { .. } => 3,
            Self::Long { .. } => 5,
            Self::Ratio => 6,
            Self::List(_) => 7,
        }
    }

    fn expected(self, value: &str) -> Result<(), String> {
        let number = |min: i64, max: i64| match value.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(()),
            _ => Err(format!("a whole number from {min} to {max}")),
        };
        match self {
            Self::Bool if matches!(value, "true" | "false") => Ok(()),
            Self::Bool => Err("true or false".to_owned()),
            Self::Int { min } => number(min, i32::MAX.into()),
            Self::Long { min } => number(min, i64::MAX),
            Self::Ratio => match value.parse::<f64>() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
                _ => Err("a number from 0 to 1".to_owned()),
            },
            Self::Choice(names) if names.contains(&value) => Ok(()),
            Self::Choice(names) => Err(format!("one of {}", names.join(", "))),
            // An empty list of names stands for free text.
            Self::List([]) => Ok(()),
            Self::List(names) if value.split(',').all(|item| names.contains(&item.trim())) => {
                Ok(())
            }
            Self::List(names) => Err(format!("a list of {}", names.join(", "))),
        }
    }
}

pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) kind: ValueKind,
    /// The broker setting that gives topics their default, where there is one.
    pub(crate) broker_name: Option<&'static str>,
    pub(crate) about: &'static str,
}

const fn setting(
    name: &'static str,
    kind: ValueKind,
    default: &'static str,
    broker_name: &'static str,
    about: &'static str,
) -> Setting {
    let broker_name = if broker_name.is_empty() { None } else { Some(broker_name) };
    Setting { name, default, kind, broker_name, about }
}

const FOREVER: &str = "9223372036854775807";
const ANY: ValueKind = ValueKind::Long { min: -2 };
const POSITIVE: ValueKind = ValueKind::Long { min: 0 };
const INT: ValueKind = ValueKind::Int { min: 0 };

#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    setting("cleanup.policy", ValueKind::List(&["delete", "compact"]), "delete", "log.cleanup.policy", "What happens to old segments."),
    setting("compression.gzip.level", ValueKind::Int { min: -1 }, "-1", "compression.gzip.level", "Level where the broker compresses with gzip."),
    setting("compression.lz4.level", ValueKind::Int { min: 1 }, "9", "compression.lz4.level", "Level where the broker compresses with lz4."),
    setting("compression.type", ValueKind::Choice(&["producer"]), "producer", "compression.type", "Batches stay as their producer compressed them."),
    setting("compression.zstd.level", ValueKind::Int { min: -131_072 }, "3", "compression.zstd.level", "Level where the broker compresses with zstd."),
    setting("delete.retention.ms", POSITIVE, "86400000", "log.cleaner.delete.retention.ms", "How long tombstones stay in a compacted topic."),
    setting("file.delete.delay.ms", POSITIVE, "60000", "log.segment.delete.delay.ms", "Time before a removed file is deleted."),
    setting("flush.messages", POSITIVE, FOREVER, "log.flush.interval.messages", "Records between syncs; group sync serves instead."),
    setting("flush.ms", POSITIVE, FOREVER, "log.flush.interval.ms", "Time between syncs; group sync serves instead."),
    setting("follower.replication.throttled.replicas", ValueKind::List(&[]), "", "", "Replicas whose replication is throttled on followers."),
    setting("index.interval.bytes", INT, "4096", "log.index.interval.bytes", "Bytes of log for each index entry."),
    setting("leader.replication.throttled.replicas", ValueKind::List(&[]), "", "", "Replicas whose replication is throttled on leaders."),
    setting("local.retention.bytes", ANY, "-2", "log.local.retention.bytes", "Size kept locally with tiered storage."),
    setting("local.retention.ms", ANY, "-2", "log.local.retention.ms", "Time kept locally with tiered storage."),
    setting("max.compaction.lag.ms", ValueKind::Long { min: 1 }, FOREVER, "log.cleaner.max.compaction.lag.ms", "Longest time a record stays uncompacted."),
    setting("max.message.bytes", INT, "1048588", "message.max.bytes", "Largest record batch."),
    setting("message.timestamp.after.max.ms", POSITIVE, "3600000", "log.message.timestamp.after.max.ms", "How far ahead of the broker's clock a timestamp may be."),
    setting("message.timestamp.before.max.ms", POSITIVE, FOREVER, "log.message.timestamp.before.max.ms", "How far behind the broker's clock a timestamp may be."),
    setting("message.timestamp.type", ValueKind::Choice(&["CreateTime", "LogAppendTime"]), "CreateTime", "log.message.timestamp.type", "Whose clock timestamps are from."),
    setting("min.cleanable.dirty.ratio", ValueKind::Ratio, "0.5", "log.cleaner.min.cleanable.ratio", "Share of uncompacted log that starts compaction."),
    setting("min.compaction.lag.ms", POSITIVE, "0", "log.cleaner.min.compaction.lag.ms", "Shortest time a record stays uncompacted."),
    setting("min.insync.replicas", ValueKind::Int { min: 1 }, "1", "min.insync.replicas", "Replicas that must have a record before it is acknowledged."),
    setting("preallocate", ValueKind::Bool, "false", "log.preallocate", "Whether segment files are made at full size."),
    setting("remote.log.copy.disable", ValueKind::Bool, "false", "", "Whether tiered storage takes no new segments."),
    setting("remote.log.delete.on.disable", ValueKind::Bool, "false", "", "Whether disabling tiered storage deletes what it holds."),
    setting("remote.storage.enable", ValueKind::Bool, "false", "", "Whether old segments go to tiered storage."),
    setting("retention.bytes", ValueKind::Long { min: -1 }, "-1", "log.retention.bytes", "Size of a partition beyond which old segments go."),
    setting("retention.ms", ValueKind::Long { min: -1 }, "604800000", "log.retention.ms", "Age beyond which segments go."),
    setting("segment.bytes", ValueKind::Int { min: 1024 }, "1073741824", "log.segment.bytes", "Size of a segment file."),
    setting("segment.index.bytes", ValueKind::Int { min: 4 }, "10485760", "log.index.size.max.bytes", "Size of a segment's index."),
    setting("segment.jitter.ms", POSITIVE, "0", "log.roll.jitter.ms", "Random part of segment.ms."),
    setting("segment.ms", ValueKind::Long { min: 1 }, "604800000", "log.roll.ms", "Age at which a segment is closed."),
    setting("unclean.leader.election.enable", ValueKind::Bool, "false", "unclean.leader.election.enable", "Whether a replica that lags may lead."),
];

pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Where a value is from; the numbers are DescribeConfigs' source codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    Broker = 4,
    Default = 5,
}

#[derive(Clone, Debug)]
pub(crate) struct TopicConfig {
    /// Set by the broker's own configuration, where it differs from Kafka's default.
    broker: BTreeMap<&'static str, String>,
    topic: BTreeMap<&'static str, String>,
    log: LogConfig,
}

impl TopicConfig {
    pub(crate) fn defaults(config: &BrokerConfig) -> Self {
        let mut broker = BTreeMap::new();
        let mut differs = |name: &'static str, value: String| {
            if find(name).is_some_and(|setting| setting.default != value) {
                broker.insert(name, value);
            }
        };
        differs("max.message.bytes", config.max_message_bytes.to_string());
        differs("segment.bytes", config.segment_bytes.to_string());
        let mut defaults = Self { broker, topic: BTreeMap::new(), log: LogConfig::default() };
        defaults.log = defaults.log_config();
        defaults
    }

    /// These defaults with a topic's own settings over them.
    pub(crate) fn with(&self, overrides: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut topic = BTreeMap::new();
        for (name, value) in overrides {
            let setting = find(name).ok_or_else(|| ConfigError::Unknown(name.clone()))?;
            setting.kind.expected(value).map_err(|expected| ConfigError::Value {
                name: setting.name,
                value: value.clone(),
                expected,
            })?;
            topic.insert(setting.name, value.clone());
        }
        let mut config = Self { broker: self.broker.clone(), topic, log: self.log };
        config.log = config.log_config();
        Ok(config)
    }

    pub(crate) fn log(&self) -> LogConfig {
        self.log
    }

    pub(crate) fn value(&self, setting: &'static Setting) -> (&str, Source) {
        if let Some(value) = self.topic.get(setting.name) {
            return (value, Source::Topic);
        }
        match self.broker.get(setting.name) {
            Some(value) => (value, Source::Broker),
            None => (setting.default, Source::Default),
        }
    }

    /// The value without the topic's own.
    pub(crate) fn inherited(&self, setting: &'static Setting) -> (&str, Source) {
        match self.broker.get(setting.name) {
            Some(value) => (value, Source::Broker),
            None => (setting.default, Source::Default),
        }
    }

    fn log_config(&self) -> LogConfig {
        let text = |name| find(name).map(|setting| self.value(setting).0).unwrap_or_default();
        let bytes = |name| text(name).parse::<u32>().expect("values are checked when they are set");
        LogConfig {
            segment_bytes: bytes("segment.bytes"),
            segment_ms: text("segment.ms").parse().expect("values are checked when they are set"),
            index_interval_bytes: bytes("index.interval.bytes"),
            segment_index_bytes: bytes("segment.index.bytes"),
            max_message_bytes: bytes("max.message.bytes"),
            timestamp_type: match text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            ..LogConfig::default()
        }
    }
}

/// The operations of IncrementalAlterConfigs (KIP-339).
pub(crate) fn apply(
    settings: &mut BTreeMap<String, String>,
    name: &str,
    operation: i8,
    value: Option<&str>,
) -> Result<(), ConfigError> {
    let setting = find(name).ok_or_else(|| ConfigError::Unknown(name.to_owned()))?;
    if operation == 1 {
        settings.remove(name);
        return Ok(());
    }
    let value = value.ok_or_else(|| ConfigError::Missing(name.to_owned()))?;
    let changed = match operation {
        0 => value.to_owned(),
        _ => edit_list(setting, settings.get(name), operation == 2, value)?,
    };
    settings.insert(name.to_owned(), changed);
    Ok(())
}

fn edit_list(
    setting: &Setting,
    current: Option<&String>,
    append: bool,
    value: &str,
) -> Result<String, ConfigError> {
    if !matches!(setting.kind, ValueKind::List(_)) {
        return Err(ConfigError::NotAList(setting.name));
    }
    let current = current.map_or(setting.default, String::as_str);
    let mut items: Vec<&str> = current.split(',').filter(|item| !item.is_empty()).collect();
    for item in value.split(',') {
        items.retain(|present| *present != item);
        if append {
            items.push(item);
        }
    }
    Ok(items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> TopicConfig {
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = BrokerConfig { segment_bytes: 4096, ..BrokerConfig::new(listen, "unused") };
        TopicConfig::defaults(&config)
    }

    fn one(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn every_default_is_a_valid_value() {
        for setting in SETTINGS {
            assert_eq!(setting.kind.expected(setting.default), Ok(()), "{}", setting.name);
        }
    }

    #[test]
    fn a_topic_value_wins_over_the_broker_and_the_broker_over_the_default() {
        let broker = defaults();
        assert_eq!(broker.log().segment_bytes, 4096);
        let topic = broker.with(&one("segment.bytes", "8192")).unwrap();
        assert_eq!(topic.log().segment_bytes, 8192);
        let setting = find("segment.bytes").unwrap();
        assert_eq!(topic.value(setting), ("8192", Source::Topic));
        assert_eq!(topic.inherited(setting), ("4096", Source::Broker));
        assert_eq!(topic.value(find("retention.ms").unwrap()).1, Source::Default);
    }

    #[test]
    fn unknown_names_and_impossible_values_are_refused() {
        let refused = |name, value| defaults().with(&one(name, value)).unwrap_err();
        assert!(matches!(refused("segment.byts", "1"), ConfigError::Unknown(_)));
        assert!(matches!(refused("segment.bytes", "many"), ConfigError::Value { .. }));
        assert!(matches!(refused("cleanup.policy", "shred"), ConfigError::Value { .. }));
    }

    #[test]
    fn lists_grow_and_shrink_and_other_values_do_not() {
        let mut settings = BTreeMap::new();
        apply(&mut settings, "cleanup.policy", 2, Some("compact")).unwrap();
        assert_eq!(settings["cleanup.policy"], "delete,compact");
        apply(&mut settings, "cleanup.policy", 3, Some("delete")).unwrap();
        assert_eq!(settings["cleanup.policy"], "compact");
        apply(&mut settings, "cleanup.policy", 1, None).unwrap();
        assert!(settings.is_empty());
        let refused = apply(&mut settings, "retention.ms", 2, Some("1")).unwrap_err();
        assert_eq!(refused, ConfigError::NotAList("retention.ms"));
    }
}
