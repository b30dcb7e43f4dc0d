//! What an operator can do over HTTP: pause and resume, decide about a record that is stuck, read
//! from elsewhere, have the changed configuration taken. Each command is recorded, done or refused.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use forebay_gateway::{Handle, Order, Place, Snapshot};
use forebay_kafka::{Admin, OffsetSpec, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::api::{App, Refusal};
use crate::shown::Shown;

/// Commands that are remembered.
const RECORDED_MAX: usize = 1_000;
/// How long Kafka may take to say where a partition begins and ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command that was given, as `GET /api/v1/commands` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recorded {
    at_ms: u64,
    from: String,
    command: String,
    outcome: String,
}

/// The last commands, the oldest first.
#[derive(Default)]
pub(crate) struct Record(Mutex<VecDeque<Recorded>>);

impl Record {
    pub(crate) fn all(&self) -> Vec<Recorded> {
        self.lock().iter().cloned().collect()
    }

    /// Keeps the outcome, says it in the log, and hands it on.
    pub(crate) fn keep<T>(
        &self,
        from: SocketAddr,
        command: String,
        outcome: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let words = match &outcome {
            Ok(_) => "done".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        match &outcome {
            Ok(_) => tracing::info!("{from} commands: {command}: done"),
            Err(_) => tracing::warn!("{from} commands: {command}: refused: {words}"),
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| since.as_millis() as u64);
        let mut kept = self.lock();
        if kept.len() == RECORDED_MAX {
            kept.pop_front();
        }
        kept.push_back(Recorded { at_ms, from: from.to_string(), command, outcome: words });
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Recorded>> {
        self.0.lock().expect("nothing that holds the lock panics")
    }
}

type From = ConnectInfo<SocketAddr>;

pub(crate) async fn recorded(State(app): State<App>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "commands": app.record.all() }))
}

pub(crate) async fn pause(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let outcome = operate(&app, &name, Order::Pause).await;
    app.record.keep(from, format!("pause {name}"), outcome)
}

pub(crate) async fn resume(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let outcome = operate(&app, &name, Order::Resume).await;
    app.record.keep(from, format!("resume {name}"), outcome)
}

/// A record that waits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    topic: String,
    partition: i32,
    offset: i64,
}

pub(crate) async fn decide(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path((name, what)): Path<(String, String)>,
    body: Result<Json<Which>, JsonRejection>,
) -> Result<Json<Decided>, Refusal> {
    let Json(Which { topic, partition, offset }) = body?;
    let command = format!("{what} {name}: {topic}-{partition} offset {offset}");
    let place = Place { partition: TopicPartition::new(topic, partition), offset };
    let order = match what.as_str() {
        "retry" => Order::Retry(place),
        "skip" => Order::Skip(place),
        "dead-letter" => Order::DeadLetter(place),
        _ => {
            let message = format!("`{what}` is none of retry, skip, dead-letter");
            return Err(Refusal::Invalid(message));
        }
    };
    let retries = matches!(order, Order::Retry(_));
    let outcome = obey(&app, &name, order).await.map(|snapshot| {
        let waits = retries && (snapshot.paused || snapshot.overdrawn);
        let waits_for = waits.then_some("nothing is sent before `resume`");
        Json(Decided { waits_for, shown: Shown::from(&snapshot) })
    });
    app.record.keep(from, command, outcome)
}

/// The subscription after a decision about one of its records.
#[derive(Serialize)]
pub(crate) struct Decided {
    #[serde(flatten)]
    shown: Shown,
    /// Why a record that is to be delivered is not delivered yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<&'static str>,
}

async fn operate(app: &App, name: &str, order: Order) -> Result<Json<Shown>, Refusal> {
    obey(app, name, order).await.map(|snapshot| Json(Shown::from(&snapshot)))
}

async fn obey(app: &App, name: &str, order: Order) -> Result<Snapshot, Refusal> {
    let handle = app.find(name)?;
    handle.operate(order).await?.map_err(|error| Refusal::Conflict(error.to_string()))?;
    Ok(handle.snapshot().await?)
}

/// Where to read from.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Where {
    Beginning,
    End,
    Offset(i64),
    /// The first record whose timestamp is no earlier; milliseconds since the epoch.
    Time(i64),
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Beginning => f.write_str("the beginning"),
            Self::End => f.write_str("the end"),
            Self::Offset(offset) => write!(f, "offset {offset}"),
            Self::Time(ms) => write!(f, "the time {ms}"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seek {
    to: Where,
    /// Where none is named all but the park topic: its offsets and times are those of moves, and
    /// what waits there has been settled where it is from.
    topic: Option<String>,
    /// All partitions of this process where none is named.
    #[serde(default)]
    partitions: Vec<i32>,
    #[serde(default)]
    dry_run: bool,
}

/// A partition's way.
#[derive(Debug, Serialize)]
pub(crate) struct Moved {
    topic: String,
    partition: i32,
    /// The commit point until now.
    from: i64,
    to: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Sought {
    partitions: Vec<Moved>,
    dry_run: bool,
}

pub(crate) async fn seek(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
    body: Result<Json<Seek>, JsonRejection>,
) -> Result<Json<Sought>, Refusal> {
    let Json(seek) = body?;
    let handle = app.find(&name)?;
    let partitions = plan(&handle, &seek).await?;
    if seek.dry_run {
        return Ok(Json(Sought { partitions, dry_run: true }));
    }
    let place = |moved: &Moved| Place {
        partition: TopicPartition::new(moved.topic.as_str(), moved.partition),
        offset: moved.to,
    };
    let (places, count) = (partitions.iter().map(place).collect(), partitions.len());
    let outcome = match handle.seek(places).await? {
        Ok(()) => Ok(Json(Sought { partitions, dry_run: false })),
        Err(error) => Err(Refusal::Conflict(error.to_string())),
    };
    let partitions = match count {
        1 => "1 partition".to_owned(),
        count => format!("{count} partitions"),
    };
    app.record.keep(from, format!("seek {name} to {} ({partitions})", seek.to), outcome)
}

/// Where each partition would go: only within what the log holds.
async fn plan(handle: &Handle, seek: &Seek) -> Result<Vec<Moved>, Refusal> {
    let snapshot = handle.snapshot().await?;
    let topic_is_meant = |topic: &str| match &seek.topic {
        Some(named) => named == topic,
        None => snapshot.park_topic.as_deref() != Some(topic),
    };
    let chosen = snapshot.partitions.iter().filter(|held| {
        topic_is_meant(&held.partition.topic)
            && (seek.partitions.is_empty() || seek.partitions.contains(&held.partition.partition))
    });
    let chosen: Vec<_> = chosen.map(|held| (held.partition.clone(), held.commit_point)).collect();
    if chosen.is_empty() {
        return Err(Refusal::Conflict("this process has none of these partitions".to_owned()));
    }
    let (properties, to) = (handle.properties().clone(), seek.to.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let admin = Admin::new(&properties, PATIENCE).map_err(|error| error.to_string())?;
        let list = |spec| {
            let wanted: Vec<_> = chosen.iter().map(|(held, _)| (held.clone(), spec)).collect();
            let listed = admin.offsets(&wanted).map_err(|error| error.to_string())?;
            let offsets = listed.into_iter().map(|listed| listed.offset);
            offsets.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
        };
        let (first, end) = (list(OffsetSpec::Earliest)?, list(OffsetSpec::Latest)?);
        let wanted = match to {
            Where::Beginning => first.clone(),
            Where::End => end.clone(),
            Where::Offset(offset) => vec![Some(offset); chosen.len()],
            Where::Time(ms) => list(OffsetSpec::Time(ms))?,
        };
        let rows = chosen.into_iter().zip(wanted).zip(first.into_iter().zip(end));
        rows.map(|(((held, from), wanted), (first, end))| {
            let (first, end) = (first.unwrap_or(0), end.unwrap_or(0));
            let to = wanted.unwrap_or(end);
            if !(first..=end).contains(&to) {
                return Err(format!("{held} holds offsets {first} to {end}, and not {to}"));
            }
            Ok(Moved { topic: held.topic.to_string(), partition: held.partition, from, to })
        })
        .collect::<Result<Vec<_>, String>>()
    });
    let looked = looked.await.map_err(|_| Refusal::Stopped)?;
    looked.map_err(Refusal::Conflict)
}

/// Has the configuration read again, as SIGHUP does.
pub(crate) async fn reload(
    State(app): State<App>,
    ConnectInfo(from): From,
) -> Result<Json<serde_json::Value>, Refusal> {
    let outcome = match app.reload().await {
        Ok(changes) => Ok(Json(serde_json::json!({ "changes": changes }))),
        Err(error) => Err(Refusal::Conflict(error)),
    };
    app.record.keep(from, "reload".to_owned(), outcome)
}
