//! Every option with its default and meaning, and the reference pages made from what is
//! documented in the code.

use std::fmt::Write;

/// One documented option.
pub(crate) struct Documented {
    /// Tables and key, joined by dots.
    pub(crate) key: &'static str,
    /// As it would be written; empty where there is none.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn option(key: &'static str, default: &'static str, meaning: &'static str) -> Documented {
    Documented { key, default, meaning }
}

/// All options, in the order of a file.
pub(crate) const OPTIONS: &[Documented] = &[
    option(
        "kafka.embedded",
        "false",
        "Starts the embedded broker in this process and reads from it, instead of \
         `\"bootstrap.servers\"`.",
    ),
    option("broker.listen", "\"127.0.0.1:9092\"", "Where the embedded broker listens."),
    option(
        "broker.data",
        "\"forebay-data\"",
        "Directory of the embedded broker's data; made where it is missing, used by one process \
         at a time.",
    ),
    option(
        "control.listen",
        "\"127.0.0.1:8080\"",
        "Where health, metrics and the control API listen; a loopback address, port 0 for any.",
    ),
    option(
        "control.instance",
        "the host's name",
        "Name of this process: `<instance>-<subscription>` is its `group.instance.id`, so it must \
         differ between processes of one group and stay the same over restarts.",
    ),
    option("subscription.name", "", "Name of the subscription, in logs, metrics and commands."),
    option("subscription.topics", "", "Topics that are read; plain names."),
    option(
        "subscription.group",
        "the name",
        "Consumer group. Two subscriptions of one process never share one.",
    ),
    option(
        "subscription.order",
        "\"key\"",
        "What is delivered one after another: the records of a `key`, of a `partition`, or `none`. \
         Records without a key run side by side under `key`.",
    ),
    option(
        "subscription.delivery",
        "\"at-least-once\"",
        "An offset is committed after the service has accepted its record.",
    ),
    option(
        "subscription.start",
        "\"earliest\"",
        "Where a group without a committed offset begins: `earliest`, `latest`, or `none` (stand \
         still and say so). Partitions that appear later begin at their beginning.",
    ),
    option("subscription.target.url", "", "Where records are delivered: one http:// address."),
    option(
        "subscription.target.endpoints",
        "[]",
        "Several addresses instead of `url`; deliveries are balanced over them.",
    ),
    option(
        "subscription.target.deadline",
        "\"30s\"",
        "How long a delivery may take. No answer by then is never a success.",
    ),
    option(
        "subscription.target.grace",
        "\"1s\"",
        "How much longer a key waits after a deadline, for a service that is still at work.",
    ),
    option(
        "subscription.target.in_flight",
        "256",
        "Deliveries that may be unanswered at once; 1 to 4096.",
    ),
    option(
        "subscription.target.max_header_bytes",
        "\"8KiB\"",
        "Largest request line and headers of a delivery; 1KiB to 64KiB. A record whose key and \
         headers need more is not sent: it holds its key and says why.",
    ),
    option(
        "subscription.target.max_value_bytes",
        "\"16MiB\"",
        "Largest value that is delivered. A record with a larger one is not sent: it holds its \
         key and says why.",
    ),
    option(
        "subscription.retry.backoff",
        "\"200ms..30s\"",
        "Pauses between the deliveries of a record that failed: the first, doubling up to the \
         longest, each drawn at random from nothing to that.",
    ),
    option(
        "subscription.hold.records",
        "20000",
        "Records in memory: half of them in delivery, a quarter in queues, a quarter in \
         librdkafka.",
    ),
    option("subscription.hold.bytes", "\"64MiB\"", "Bytes in memory, shared out likewise."),
    option(
        "subscription.hold.window",
        "1000000",
        "Records of one partition, settled or not, that may lie beyond its oldest unsettled one; \
         each costs some 32 bytes. Past it the partition is fetched no further, which is shown: \
         a record that fails for ever holds its key at once, and its partition in the end.",
    ),
    option(
        "subscription.commit.interval",
        "\"100ms\"",
        "Least pause between two commits of a partition; what was settled since the last one is \
         delivered again after a crash.",
    ),
    option(
        "subscription.commit.drain",
        "\"10s\"",
        "How long a partition that is taken away, or a process that ends, waits for its answers.",
    ),
];

/// The page of all options.
pub(crate) fn options() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Made from crates/forebay/src/config/reference.rs; a test compares them. -->\n\n\
         One TOML file. Unknown keys are refused. Under `[kafka]` stand Kafka's own property \
         names in quotes, with Java's meaning; a value that is a secret is written \
         `{ env = \"NAME\" }` or `{ file = \"PATH\" }`. Each `[[subscription]]` has its own \
         tables.\n\n\
         | key | default | meaning |\n|---|---|---|\n",
    );
    for Documented { key, default, meaning } in OPTIONS {
        let default = match *default {
            "" => "required".to_owned(),
            words if words.starts_with("the ") => words.to_owned(),
            value => format!("`{value}`"),
        };
        // Writing to a string can't fail.
        let _ = writeln!(page, "| `{key}` | {default} | {meaning} |");
    }
    page
}

/// The page of all metrics.
pub(crate) fn metrics() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Made from crates/control/src/metrics.rs; a test compares them. -->\n\n\
         `GET /metrics` on the control address, in Prometheus' text format or, where it is asked \
         for, in OpenMetrics.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in forebay_control::METRICS {
        let kind = match metric.kind {
            forebay_control::MetricKind::Counter => "counter",
            forebay_control::MetricKind::Gauge => "gauge",
        };
        let labels = metric.labels.join(", ");
        let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} |", metric.name, metric.help);
    }
    page
}
