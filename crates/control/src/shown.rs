//! A snapshot as JSON. Field names are part of the interface; they change with its version only.

use forebay_core::{Cap, Ejection, EndpointState, PartitionStage};
use forebay_gateway::{
    BlockedSnapshot, EndpointSnapshot, Holder, KafkaState, PartitionSnapshot, Snapshot, fault_words,
};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Shown {
    name: String,
    group: String,
    topics: Vec<String>,
    kafka: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka_reason: Option<String>,
    lag: i64,
    lag_partial: bool,
    in_flight: usize,
    in_flight_max: usize,
    in_flight_limit: usize,
    overloads: u64,
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    /// Of `operator`, `budget` and `target`, those that hold it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_by: Vec<&'static str>,
    bottleneck: Bottleneck,
    settled_per_second: u64,
    rebalances: u64,
    /// Members of the group that are no gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign_members: Vec<String>,
    deliveries: Deliveries,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letters: Option<DeadLetters>,
    /// Keys that are parked, of the partitions of this process.
    parked: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    park: Option<Park>,
    /// Records that failed and are not settled: how many, and the oldest.
    troubled: usize,
    troubles: Vec<Blocked>,
    partitions: Vec<Partition>,
    endpoints: Vec<Endpoint>,
    /// Why the endpoints' names can't be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery_error: Option<String>,
}

/// What caps throughput.
#[derive(Serialize)]
struct Bottleneck {
    cap: &'static str,
    words: String,
}

#[derive(Serialize)]
struct DeadLetters {
    topic: String,
    written: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Deliveries {
    sent: u64,
    accepted: u64,
    retry: u64,
    rejected: u64,
    back_pressure: u64,
    target_fault: u64,
    unknown: u64,
    late: u64,
    settled: u64,
    dead_lettered: u64,
    parked: u64,
    dropped: u64,
    skipped: u64,
    abandoned: u64,
}

/// The park topic.
#[derive(Serialize)]
struct Park {
    topic: String,
    written: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    stage: &'static str,
    tenure: i64,
    commit_point: i64,
    log_start: Option<i64>,
    log_end: Option<i64>,
    retention_margin: Option<i64>,
    retention_passed: bool,
    lag: Option<i64>,
    held: usize,
    held_bytes: usize,
    in_flight: usize,
    parked: usize,
    window_full: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<Blocked>,
}

#[derive(Serialize)]
struct Blocked {
    topic: String,
    partition: i32,
    offset: i64,
    state: &'static str,
    age_ms: u64,
    deliveries: u32,
    attempts_charged: u32,
    endpoint: String,
    status: Option<u16>,
    reason: String,
}

#[derive(Serialize)]
struct Endpoint {
    url: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    in_flight: usize,
    limit: usize,
    latency_ms: f64,
}

impl From<&Snapshot> for Shown {
    fn from(snapshot: &Snapshot) -> Self {
        let (kafka, kafka_reason) = kafka_state(&snapshot.kafka);
        let counts = &snapshot.counts;
        Self {
            name: snapshot.name.clone(),
            group: snapshot.group.clone(),
            topics: snapshot.topics.clone(),
            kafka,
            kafka_reason,
            lag: snapshot.partitions.iter().filter_map(PartitionSnapshot::lag).sum(),
            lag_partial: snapshot.lag_partial,
            in_flight: snapshot.in_flight,
            in_flight_max: snapshot.in_flight_max,
            in_flight_limit: snapshot.in_flight_limit,
            overloads: snapshot.overloads,
            paused: snapshot.paused,
            held: (!snapshot.held.is_empty()).then(|| {
                let words: Vec<_> = snapshot.held.iter().map(|held| &*held.words).collect();
                words.join("; ")
            }),
            held_by: snapshot.held.iter().map(|held| held.by.name()).collect(),
            bottleneck: bottleneck(snapshot),
            settled_per_second: snapshot.settled_per_second,
            rebalances: snapshot.rebalances.all(),
            foreign_members: snapshot.foreign_members.clone(),
            deliveries: Deliveries {
                sent: counts.deliveries,
                accepted: counts.accepted,
                retry: counts.retry,
                rejected: counts.rejected,
                back_pressure: counts.back_pressure,
                target_fault: counts.target_fault,
                unknown: counts.unknown,
                late: counts.late,
                settled: counts.settled,
                dead_lettered: counts.dead_lettered,
                parked: counts.parked,
                dropped: counts.dropped,
                skipped: counts.skipped,
                abandoned: counts.abandoned,
            },
            dead_letters: snapshot.dead_letter_topic.clone().map(|topic| DeadLetters {
                topic,
                written: counts.dead_lettered,
                failed: counts.dead_letters_failed,
                error: snapshot.dead_letters_fail.clone(),
            }),
            parked: snapshot.partitions.iter().map(|partition| partition.parked).sum(),
            park: snapshot.park_topic.clone().map(|topic| Park {
                topic,
                written: counts.parked,
                failed: counts.parks_failed,
                error: snapshot.park_fails.clone(),
            }),
            troubled: snapshot.troubled,
            troubles: snapshot.troubles.iter().map(Blocked::from).collect(),
            partitions: snapshot.partitions.iter().map(Partition::from).collect(),
            endpoints: snapshot.endpoints.iter().map(Endpoint::from).collect(),
            discovery_error: snapshot.discovery_fails.clone(),
        }
    }
}

impl From<&PartitionSnapshot> for Partition {
    fn from(partition: &PartitionSnapshot) -> Self {
        Self {
            topic: partition.partition.topic.to_string(),
            partition: partition.partition.partition,
            stage: match partition.stage {
                PartitionStage::Claiming => "claiming",
                PartitionStage::Waiting => "waiting",
                PartitionStage::Active => "active",
                PartitionStage::Draining => "draining",
            },
            tenure: partition.tenure,
            commit_point: partition.commit_point,
            log_start: partition.log_start,
            log_end: partition.log_end,
            retention_margin: partition.retention_margin(),
            retention_passed: partition.retention_margin().is_some_and(|margin| margin < 0),
            lag: partition.lag(),
            held: partition.held,
            held_bytes: partition.held_bytes,
            in_flight: partition.in_flight,
            parked: partition.parked,
            window_full: partition.window_full,
            hold: partition.hold.as_ref().map(ToString::to_string),
            blocked: partition.blocked.as_ref().map(Blocked::from),
        }
    }
}

impl From<&BlockedSnapshot> for Blocked {
    fn from(blocked: &BlockedSnapshot) -> Self {
        Self {
            topic: blocked.partition.topic.to_string(),
            partition: blocked.partition.partition,
            offset: blocked.offset,
            state: blocked.state,
            age_ms: blocked.age.as_millis() as u64,
            deliveries: blocked.deliveries,
            attempts_charged: blocked.charged,
            endpoint: blocked.endpoint.clone(),
            status: blocked.status,
            reason: blocked.words.clone(),
        }
    }
}

impl From<&EndpointSnapshot> for Endpoint {
    fn from(endpoint: &EndpointSnapshot) -> Self {
        let (state, fault) = match endpoint.state {
            EndpointState::Well => ("well", None),
            EndpointState::Leaving => ("leaving", None),
            EndpointState::Ejected { why: Ejection::Failing, .. } => {
                ("ejected", Some("most of its answers are failures, and those of others are not"))
            }
            EndpointState::Ejected { why: Ejection::Slow, .. } => {
                ("ejected", Some("it takes ten times as long as the others"))
            }
            EndpointState::AtFault { fault, .. } => ("at-fault", Some(fault_words(fault))),
        };
        Self {
            url: endpoint.url.clone(),
            state,
            fault,
            in_flight: endpoint.in_flight,
            limit: endpoint.limit,
            latency_ms: endpoint.latency.as_secs_f64() * 1_000.0,
        }
    }
}

/// What would have to grow for more throughput; a hold before anything that was so lately. Where all
/// that is fetched is sent, it is Kafka, the intake, or nothing at all: there is no more.
fn bottleneck(snapshot: &Snapshot) -> Bottleneck {
    let behind = snapshot.partitions.iter().filter_map(PartitionSnapshot::lag).sum::<i64>() > 0;
    let held = |by| snapshot.held.iter().any(|held| held.by == by);
    let cap = match () {
        () if held(Holder::Operator) || held(Holder::Budget) => Cap::Operator,
        () if held(Holder::Target) => Cap::Target,
        () => snapshot.caps.lately(&snapshot.held),
    };
    let (cap, words) = match (cap, &snapshot.kafka) {
        (Cap::Records, KafkaState::Reachable) if behind => {
            ("intake", "reading from Kafka: all that was fetched is sent")
        }
        (Cap::Records, KafkaState::Reachable) => ("none", "nothing: there are no more records"),
        (Cap::Records, KafkaState::Connecting) => ("kafka", "Kafka, which has not answered yet"),
        (Cap::Records, kafka) => {
            let reason = kafka_state(kafka).1.unwrap_or_default();
            return Bottleneck { cap: "kafka", words: format!("Kafka: {reason}") };
        }
        (Cap::Keys, _) => ("keys", "the keys: each record that is held waits for one of its key"),
        (Cap::Partitions, _) => (
            "partitions",
            "the number of partitions: each record waits for the one before it (order = \"partition\")",
        ),
        (Cap::Service, _) => ("service", "the service, which refuses more or lets it time out"),
        (Cap::InFlight, _) => {
            ("in-flight", "the bound on deliveries in flight (target.in_flight_max)")
        }
        (Cap::Rate, _) => ("rate", "the rate cap (target.rate)"),
        (Cap::Target, _) => ("target", "the target, which is at fault"),
        (Cap::Operator, _) => ("operator", "an operator, who has to resume it"),
    };
    Bottleneck { cap, words: words.to_owned() }
}

fn kafka_state(state: &KafkaState) -> (&'static str, Option<String>) {
    match state {
        KafkaState::Connecting => ("connecting", None),
        KafkaState::Reachable => ("reachable", None),
        KafkaState::Unreachable { reason } => ("unreachable", Some(reason.clone())),
        KafkaState::Unavailable { reason } => ("unavailable", Some(reason.clone())),
        KafkaState::Waiting { reason } => ("waiting", Some(reason.clone())),
        KafkaState::Failed { reason } => ("failed", Some(reason.clone())),
    }
}
