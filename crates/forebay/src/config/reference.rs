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
        "Directory of the embedded broker's data, beside the configuration file where it is not \
         absolute; made where it is missing, used by one process at a time.",
    ),
    option(
        "control.listen",
        "\"127.0.0.1:8080\"",
        "Where health, metrics and the control API listen; port 0 for any. Off loopback a `token` is \
         needed.",
    ),
    option(
        "control.token",
        "none",
        "What requests must carry as `authorization: Bearer TOKEN`, but for `/livez` and `/readyz`; \
         `{ env = \"NAME\" }` or `{ file = \"PATH\" }`.",
    ),
    option(
        "control.instance",
        "the host's name",
        "Name of this process: `<instance>-<subscription>` is its `group.instance.id`, so it must \
         differ between processes of one group and stay the same over restarts.",
    ),
    option(
        "control.advertise",
        "where it listens",
        "`host:port` at which other processes of a group ask this one, for the answers and commands \
         that are about the whole group. A process that is not alone in its group announces it in \
         `__forebay`. Where the control API listens on all addresses it is the one that Kafka sees; \
         where it listens on loopback, only processes on the same machine can ask.",
    ),
    option("subscription.name", "", "Name of the subscription, in logs, metrics and commands."),
    option("subscription.topics", "", "Topics that are read; plain names."),
    option(
        "subscription.group",
        "the name",
        "Consumer group. Two subscriptions of one process never share one.",
    ),
    option(
        "subscription.consumers",
        "1",
        "Members of the group that this process is, 1 to 16: each has clients, a worker thread's time \
         and partitions of its own, so a subscription with many partitions can use several \
         processors. To the group they are like so many processes; to people they are one \
         subscription. All bounds of the subscription are divided among them and hold for all of them \
         together: `target.in_flight`, `target.in_flight_max`, `target.rate`, `hold.records`, \
         `hold.bytes`, and the 20 records that may be given up beside 1 % of what is accepted; a part \
         that one does not need is not another's. Each costs two Kafka clients, and one more for dead \
         letters and for parked records where there are such. What was learnt of the service's \
         endpoints and its limit is each consumer's own. The first is `<instance>-<subscription>` in \
         the group, further ones have `.2`, `.3` and so on behind that. A changed number is taken by \
         a reload: others come, or the last ones drain and leave, and the rest flow on. Where the \
         process starts with fewer than before, or with `group.protocol = \"consumer\"`, what those \
         had that are missing stands still until their session ends.",
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
        "`at-least-once`: an offset is committed after its record was settled. `at-most-once`: before \
         it is delivered; a record that then fails, or was not delivered when the process died, is \
         lost.",
    ),
    option(
        "subscription.start",
        "\"earliest\"",
        "Where a group without a committed offset begins: `earliest`, `latest`, \
         `{ time = \"2026-01-01T00:00:00Z\" }` (the first record that is no older), or `none` (stand \
         still and say so). `latest` and a time are resolved once, for all partitions of a topic, \
         when the group first meets it, and kept in the topic `__forebay`; partitions that appear \
         later, and topics that were deleted and made anew, begin at their beginning. Kafka's own \
         `auto.offset.reset` under `[kafka]` says it for those subscriptions that do not.",
    ),
    option(
        "subscription.takeover",
        "\"safe\"",
        "What is done with a partition whose former owner ended without a word, as in a crash. \
         `safe`: its deliveries may be at work, so nothing is sent before `target.deadline` and \
         `target.grace` have passed. `fast`: nothing is waited for, and a service may see a key at \
         work for two tenures at once; it can tell by `forebay-tenure`.",
    ),
    option(
        "subscription.target.url",
        "",
        "Where records are delivered: one http:// or https:// address.",
    ),
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
        "subscription.target.discovery",
        "\"list\"",
        "How addresses are found. `list`: as they stand here. `dns`: all that the `url`'s name \
         resolves to, followed as it changes. `vip`: the `url` is a balancer's; its connections are \
         recycled by age, and it is never put aside.",
    ),
    option(
        "subscription.target.recycle",
        "\"1m\"",
        "With `vip`: how long a connection is used, so that new instances behind it get work.",
    ),
    option(
        "subscription.target.in_flight",
        "256",
        "Deliveries that may be unanswered at once, to begin with; 1 to 4096. The limit falls where \
         the service pushes back or lets them time out.",
    ),
    option(
        "subscription.target.in_flight_max",
        "`in_flight` where that is set, else 4096, or `hold.records` where that is less",
        "As far as the limit may grow, where more is accepted for it.",
    ),
    option("subscription.target.rate", "no cap", "Deliveries a second, at most."),
    option(
        "subscription.target.headers",
        "all of them",
        "Names of the record headers that are sent, as `forebay-header-<name>` and in \
         `forebay-headers`: `[\"trace-id\", \"tenant\"]`. Upper and lower case differ; `[]` sends none.",
    ),
    option(
        "subscription.target.max_header_bytes",
        "\"8KiB\"",
        "Largest request line and headers of a delivery; 1KiB to 64KiB. A record whose key and \
         headers need more is not sent: it is rejected. `headers` leaves out what is not wanted.",
    ),
    option(
        "subscription.target.max_value_bytes",
        "\"16MiB\"",
        "Largest value that is delivered. A record with a larger one is not sent: it is \
         rejected.",
    ),
    option(
        "subscription.target.tls.ca",
        "the system's authorities",
        "PEM file of the authorities that sign the certificates of `https://` addresses; no others \
         are trusted then. The system's are found as OpenSSL finds them, or where `SSL_CERT_FILE` \
         and `SSL_CERT_DIR` say. All files of this table are read at the start and at each reload.",
    ),
    option(
        "subscription.target.tls.certificate",
        "none",
        "PEM file of the certificate that is shown to a service that asks for one, with those that \
         lead to its authority behind it; needs `key`.",
    ),
    option(
        "subscription.target.tls.key",
        "none",
        "PEM file of its private key, without a password.",
    ),
    option(
        "subscription.target.tls.server_name",
        "the host in the URL",
        "Whom the service's certificate is to be for, where that is not who the URL names.",
    ),
    option(
        "subscription.retry.attempts",
        "10",
        "Failures charged to a record after which it is given up; a number, or `\"unlimited\"`. A \
         failure that is the target's fault is not charged, nor one where too little else was \
         accepted since to know whose fault it is: such a record is delivered again and again, with \
         pauses, and shows as `evidence`.",
    ),
    option(
        "subscription.retry.on_exhausted",
        "`\"dead-letter\"` with a dead letter topic, else `\"hold\"`",
        "What becomes of a record that failed as often as it may: `dead-letter`, `hold` (its key \
         waits for an operator) or `drop` (it is counted).",
    ),
    option(
        "subscription.retry.on_reject",
        "as for `on_exhausted`",
        "What becomes of a record that the service rejects; the same words.",
    ),
    option(
        "subscription.evidence.wait",
        "\"10m\"",
        "How long a failed record waits uncharged for evidence that the target works; `0s` charges \
         at once, `never` waits for ever.",
    ),
    option(
        "subscription.dead_letter.topic",
        "none",
        "Where records go that are given up; made where it is missing.",
    ),
    option(
        "subscription.dead_letter.names",
        "none",
        "Whose header names a dead letter carries beside ours: `spring` or `kip-1191`.",
    ),
    option(
        "subscription.park.topic",
        "none",
        "Where a failing key and its followers go, in order, while their partition has no room left \
         for others; made where it is missing, and read back by the same subscription, which may \
         hear of a new topic only minutes later (`topic.metadata.refresh.interval.ms`), so make it \
         beforehand. Another topic than those that are read, and than the dead letter topic; it needs \
         `delivery = \"at-least-once\"`, and an order of `key` or `none`. Where it is taken out, or \
         another one named, over a restart while keys are parked, their partitions stand still and say \
         so until it is put back: let `forebay_parked_keys` come to 0 first.",
    ),
    option(
        "subscription.park.after",
        "\"1m\"",
        "How long a record must have failed, by its own fault, before its key may be moved.",
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
        "Records in memory, at most, and no fewer than `in_flight`: half of them in delivery, a \
         quarter in queues, a quarter in librdkafka. Those in delivery are no more than keep the \
         service busy, unless keys are few or stuck; and those read ahead are no more than that \
         either: 2048 in queues or 128 for each partition, 512 of each partition in librdkafka, and by one fetch 1 MiB, 128 KiB of each \
         partition (Kafka's own defaults are 50 MiB and 1 MiB). Where the brokers are far away, \
         larger ones under `[kafka]` help: `\"fetch.max.bytes\"`, `\"max.partition.fetch.bytes\"`.",
    ),
    option("subscription.hold.bytes", "\"64MiB\"", "Bytes in memory, shared out likewise."),
    option(
        "subscription.hold.window",
        "1000000",
        "Offsets of one partition, settled or not, that may be read beyond its oldest unsettled \
         record. Past it the partition is fetched no further, which is shown: a record that fails \
         for ever holds its key at once, and its partition in the end. What is settled beyond that \
         record is stored beside the commit point and not delivered again after a crash; where \
         the holes are so many that they would not fit there, fetching pauses earlier.",
    ),
    option(
        "subscription.commit.mode",
        "\"settled\"",
        "`settled`: what is committed was settled. `auto`: what was fetched is committed on a timer, \
         whatever the answers are, as Kafka's automatic commit does; what is open when the process \
         dies is lost. `commit = \"auto\"` is short for it.",
    ),
    option(
        "subscription.commit.interval",
        "`\"100ms\"`, for `auto` `\"5s\"`",
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
         tables. A relative path of a file is taken from the directory that the configuration \
         file is in.\n\n\
         | key | default | meaning |\n|---|---|---|\n",
    );
    for Documented { key, default, meaning } in OPTIONS {
        let default = match *default {
            "" => "required".to_owned(),
            words
                if words.starts_with(|c: char| c == '`' || c.is_ascii_lowercase())
                    && words.contains(' ') =>
            {
                words.to_owned()
            }
            "none" => "none".to_owned(),
            value => format!("`{value}`"),
        };
        // Writing to a string can't fail.
        let _ = writeln!(page, "| `{key}` | {default} | {meaning} |");
    }
    page
}

/// The page of all rules of `check-config`.
pub(crate) fn lint() -> String {
    let mut page = String::from(
        "# What check-config finds\n\n\
         <!-- Made from crates/forebay/src/lint; a test compares them. -->\n\n\
         `forebay check-config FILE` refuses what can't work (exit 3), then applies these rules to \
         the file; with `--against-cluster` to what the cluster says as well. It exits with 1 if a \
         rule finds something. An *error* will not work, or loses what was promised to be kept; a \
         *warning* works, and does not do what somebody would expect. Each finding names its rule.\n",
    );
    for (cluster, title) in [(false, "From the file"), (true, "From the cluster")] {
        let _ =
            write!(page, "\n## {title}\n\n| rule | | finds | what to do |\n|---|---|---|---|\n");
        for rule in crate::lint::rules().filter(|rule| rule.cluster == cluster) {
            let severity = match rule.severity {
                crate::lint::Severity::Error => "error",
                crate::lint::Severity::Warning => "warning",
            };
            let (name, when, advice) = (rule.name, rule.when, rule.advice);
            let _ = writeln!(page, "| `{name}` | {severity} | {when} | {advice} |");
        }
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
