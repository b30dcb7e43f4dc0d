//! `/metrics`: every metric once, with its meaning, in Prometheus' text or in OpenMetrics.
//!
//! The figures are read from snapshots when they are asked for, so the data path counts nothing
//! twice. [`METRICS`] is also the reference page's source.

use std::fmt::Write;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::IntoResponse;
use forebay_core::{Cap, EndpointState};
use forebay_gateway::{Cause, KafkaState, PartitionSnapshot, Snapshot};

use crate::api::{App, snapshots};

/// What a metric is called and means.
#[derive(Debug)]
pub struct Metric {
    /// As exposed.
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    read: fn(&Snapshot, &mut Samples<'_>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Grows until the process ends; its name ends in `_total`.
    Counter,
    Gauge,
}

/// Where a metric's samples are written.
struct Samples<'a> {
    text: &'a mut String,
    name: &'static str,
    labels: &'static [&'static str],
}

const SUBSCRIPTION: &[&str] = &["subscription"];
const PARTITION: &[&str] = &["subscription", "topic", "partition"];
const ENDPOINT: &[&str] = &["subscription", "endpoint"];

/// All metrics, in the order in which they are exposed.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "forebay_kafka_reachable",
        kind: MetricKind::Gauge,
        help: "1 while Kafka answers this subscription.",
        labels: SUBSCRIPTION,
        read: |all, samples| {
            samples.one(&[&all.name], u8::from(all.kafka == KafkaState::Reachable));
        },
    },
    Metric {
        name: "forebay_deliveries_total",
        kind: MetricKind::Counter,
        help: "Deliveries that ended, by verdict.",
        labels: &["subscription", "verdict"],
        read: |all, samples| {
            let counts = &all.counts;
            for (verdict, count) in [
                ("accept", counts.accepted),
                ("retry", counts.retry),
                ("reject", counts.rejected),
                ("back_pressure", counts.back_pressure),
                ("target_fault", counts.target_fault),
                ("unknown", counts.unknown),
            ] {
                samples.one(&[&all.name, verdict], count);
            }
        },
    },
    Metric {
        name: "forebay_settled_total",
        kind: MetricKind::Counter,
        help: "Records that reached their end.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.counts.settled),
    },
    Metric {
        name: "forebay_late_answers_total",
        kind: MetricKind::Counter,
        help: "Answers that came late, twice or for a former tenure, and changed nothing.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.counts.late),
    },
    Metric {
        name: "forebay_given_up_total",
        kind: MetricKind::Counter,
        help: "Records settled without an accept: dead-lettered, dropped by rule, skipped by an operator, or failed where once is the most.",
        labels: &["subscription", "how"],
        read: |all, samples| {
            let counts = &all.counts;
            for (how, count) in [
                ("dead_letter", counts.dead_lettered),
                ("drop", counts.dropped),
                ("skip", counts.skipped),
                ("abandon", counts.abandoned),
            ] {
                samples.one(&[&all.name, how], count);
            }
        },
    },
    Metric {
        name: "forebay_dead_letters_failed_total",
        kind: MetricKind::Counter,
        help: "Dead letters that Kafka did not take; each is written again.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.counts.dead_letters_failed),
    },
    Metric {
        name: "forebay_parked_records_total",
        kind: MetricKind::Counter,
        help: "Records settled because the park topic has them.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.counts.parked),
    },
    Metric {
        name: "forebay_parked_keys",
        kind: MetricKind::Gauge,
        help: "Keys of a partition whose records go to the park topic until it is done with them.",
        labels: PARTITION,
        read: |all, samples| {
            samples.each(all, |partition| Some(partition.parked as i64));
        },
    },
    Metric {
        name: "forebay_troubled_records",
        kind: MetricKind::Gauge,
        help: "Records that have failed and are not settled.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.troubled),
    },
    Metric {
        name: "forebay_oldest_trouble_seconds",
        kind: MetricKind::Gauge,
        help: "How long ago the oldest of them failed for the first time.",
        labels: SUBSCRIPTION,
        read: |all, samples| {
            let oldest = all.troubles.first().map_or(0, |blocked| blocked.age.as_secs());
            samples.one(&[&all.name], oldest);
        },
    },
    Metric {
        name: "forebay_held",
        kind: MetricKind::Gauge,
        help: "1 while an operator, a spent budget of dead letters or a target at fault (or each of its endpoints) holds it.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], u8::from(!all.held.is_empty())),
    },
    Metric {
        name: "forebay_capped_seconds_total",
        kind: MetricKind::Counter,
        help: "Time in which this was what kept more from being sent: records (all that was fetched is sent), keys, partitions, service, in_flight, rate, target or operator; of several consumers added up.",
        labels: &["subscription", "cap"],
        read: |all, samples| {
            for (cap, time) in Cap::ALL.into_iter().zip(all.caps.times) {
                samples.one(&[&all.name, cap_name(cap)], time.as_secs_f64());
            }
        },
    },
    Metric {
        name: "forebay_overloads_total",
        kind: MetricKind::Counter,
        help: "Answers that asked for less, or did not come in time.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.overloads),
    },
    Metric {
        name: "forebay_in_flight_limit",
        kind: MetricKind::Gauge,
        help: "Deliveries that may be in flight now, as far as it was learnt.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.in_flight_limit),
    },
    Metric {
        name: "forebay_in_flight",
        kind: MetricKind::Gauge,
        help: "Deliveries that are out and unanswered.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.in_flight),
    },
    Metric {
        name: "forebay_in_flight_max",
        kind: MetricKind::Gauge,
        help: "Bound on deliveries in flight.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.in_flight_max),
    },
    Metric {
        name: "forebay_assignments_total",
        kind: MetricKind::Counter,
        help: "Partitions that were assigned to this process, each time counted.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.assignments),
    },
    Metric {
        name: "forebay_rebalances_total",
        kind: MetricKind::Counter,
        help: "Changes of the group's assignment that this process saw, each of its consumers its own, by cause: start, subscription_added (or a consumer of it), stop, members (another came or went), session_lost, fenced, partitions (a topic got some, came, went or was made anew).",
        labels: &["subscription", "cause"],
        read: |all, samples| {
            for cause in Cause::ALL {
                samples.one(&[&all.name, cause.name()], all.rebalances.of(cause));
            }
        },
    },
    Metric {
        name: "forebay_rebalance_still_seconds_total",
        kind: MetricKind::Counter,
        help: "Time in which partitions stood still for rebalances, added up: from being revoked until they are fetched again by a consumer of this process; of those that go to another process until they are given back, of those that come from there since they were assigned.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.rebalances.still.as_secs_f64()),
    },
    Metric {
        name: "forebay_rebalance_still_partitions",
        kind: MetricKind::Gauge,
        help: "Partitions that stand still for a rebalance now, those among them that no consumer of this process has yet again; for up to 90 s those too that another process has, where Kafka does not tell who is in the group.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.rebalances.still_now),
    },
    Metric {
        name: "forebay_foreign_members",
        kind: MetricKind::Gauge,
        help: "Members of the group that are no gateways: what they are assigned is not delivered.",
        labels: SUBSCRIPTION,
        read: |all, samples| samples.one(&[&all.name], all.foreign_members.len()),
    },
    Metric {
        name: "forebay_partition_commit_point",
        kind: MetricKind::Gauge,
        help: "Exclusive end of what is done, acknowledged by Kafka.",
        labels: PARTITION,
        read: |all, samples| samples.each(all, |partition| Some(partition.commit_point)),
    },
    Metric {
        name: "forebay_partition_lag",
        kind: MetricKind::Gauge,
        help: "Log end offset minus commit point.",
        labels: PARTITION,
        read: |all, samples| samples.each(all, PartitionSnapshot::lag),
    },
    Metric {
        name: "forebay_partition_retention_margin",
        kind: MetricKind::Gauge,
        help: "Commit point minus the log's first offset: what retention may still delete before it takes a record that is not done.",
        labels: PARTITION,
        read: |all, samples| samples.each(all, PartitionSnapshot::retention_margin),
    },
    Metric {
        name: "forebay_partition_retention_passed",
        kind: MetricKind::Gauge,
        help: "1 where retention has deleted records beyond the commit point.",
        labels: PARTITION,
        read: |all, samples| {
            samples.each(all, |partition| {
                partition.retention_margin().map(|margin| i64::from(margin < 0))
            });
        },
    },
    Metric {
        name: "forebay_partition_held_records",
        kind: MetricKind::Gauge,
        help: "Records that are fetched and not settled.",
        labels: PARTITION,
        read: |all, samples| samples.each(all, |partition| Some(partition.held as i64)),
    },
    Metric {
        name: "forebay_partition_held_bytes",
        kind: MetricKind::Gauge,
        help: "Bytes of the records that are fetched and not settled.",
        labels: PARTITION,
        read: |all, samples| samples.each(all, |partition| Some(partition.held_bytes as i64)),
    },
    Metric {
        name: "forebay_partition_blocked",
        kind: MetricKind::Gauge,
        help: "1 while the partition's oldest unsettled record has failed before, or it is held.",
        labels: PARTITION,
        read: |all, samples| {
            samples.each(all, |partition| {
                Some(i64::from(partition.blocked.is_some() || partition.hold.is_some()))
            });
        },
    },
    Metric {
        name: "forebay_partition_window_full",
        kind: MetricKind::Gauge,
        help: "1 while nothing more is fetched, for `hold.window` records lie beyond the commit point.",
        labels: PARTITION,
        read: |all, samples| samples.each(all, |partition| Some(i64::from(partition.window_full))),
    },
    Metric {
        name: "forebay_partition_completion_map_bytes",
        kind: MetricKind::Gauge,
        help: "Bytes beside the commit that saying what is settled beyond it takes at most.",
        labels: PARTITION,
        read: |all, samples| {
            samples.each(all, |partition| i64::try_from(partition.map_weight).ok());
        },
    },
    Metric {
        name: "forebay_endpoint_well",
        kind: MetricKind::Gauge,
        help: "1 while the endpoint gets deliveries, 0 while it is at fault, ejected or leaving.",
        labels: ENDPOINT,
        read: |all, samples| {
            for endpoint in &all.endpoints {
                let well = endpoint.state == EndpointState::Well;
                samples.one(&[&all.name, &endpoint.url], u8::from(well));
            }
        },
    },
    Metric {
        name: "forebay_endpoint_latency_seconds",
        kind: MetricKind::Gauge,
        help: "How long the endpoint takes, smoothed over its last answers.",
        labels: ENDPOINT,
        read: |all, samples| {
            for endpoint in &all.endpoints {
                samples.one(&[&all.name, &endpoint.url], endpoint.latency.as_secs_f64());
            }
        },
    },
    Metric {
        name: "forebay_endpoint_in_flight",
        kind: MetricKind::Gauge,
        help: "Deliveries to the endpoint that are out and unanswered.",
        labels: ENDPOINT,
        read: |all, samples| {
            for endpoint in &all.endpoints {
                samples.one(&[&all.name, &endpoint.url], endpoint.in_flight);
            }
        },
    },
];

const fn cap_name(cap: Cap) -> &'static str {
    match cap {
        Cap::Records => "records",
        Cap::Keys => "keys",
        Cap::Partitions => "partitions",
        Cap::Service => "service",
        Cap::InFlight => "in_flight",
        Cap::Rate => "rate",
        Cap::Target => "target",
        Cap::Operator => "operator",
    }
}

impl Samples<'_> {
    fn one(&mut self, values: &[&str], sample: impl std::fmt::Display) {
        debug_assert_eq!(values.len(), self.labels.len());
        let labels = self.labels.iter().zip(values).map(|(label, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{label}=\"{value}\"")
        });
        let labels = labels.collect::<Vec<_>>().join(",");
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "{}{{{labels}}} {sample}", self.name);
    }

    fn each(&mut self, all: &Snapshot, read: impl Fn(&PartitionSnapshot) -> Option<i64>) {
        for partition in &all.partitions {
            if let Some(sample) = read(partition) {
                let number = partition.partition.partition.to_string();
                self.one(&[&all.name, &partition.partition.topic, &number], sample);
            }
        }
    }
}

pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let open = accept.contains("application/openmetrics-text");
    let kind = if open {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    ([(CONTENT_TYPE, kind)], expose(&snapshots(&app).await, open))
}

/// OpenMetrics names a counter's family without its `_total`, and ends with a mark.
fn expose(all: &[Snapshot], open: bool) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let family = if open { metric.name.trim_end_matches("_total") } else { metric.name };
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        let _ = writeln!(text, "# HELP {family} {}\n# TYPE {family} {kind}", metric.help);
        let mut samples = Samples { text: &mut text, name: metric.name, labels: metric.labels };
        for snapshot in all {
            (metric.read)(snapshot, &mut samples);
        }
    }
    if open {
        text.push_str("# EOF\n");
    }
    text
}
