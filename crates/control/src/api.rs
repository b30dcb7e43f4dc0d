//! Health and `/api/v1`: snapshots out, commands in, errors as `{"error": …}`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use forebay_gateway::{ENDPOINTS_MAX, Gone, Handle, Handles, KafkaState, Snapshot};
use forebay_push::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::command::Record;
use crate::shown::Shown;

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) handles: Handles,
    pub(crate) record: Arc<Record>,
    pub(crate) reloads: mpsc::Sender<Reload>,
}

/// A wish to have the configuration read again; answered with what changed, or what is wrong.
pub type Reload = oneshot::Sender<Result<Vec<String>, String>>;

impl App {
    pub(crate) fn find(&self, name: &str) -> Result<Handle, Refusal> {
        self.handles.find(name).ok_or_else(|| {
            let known: Vec<_> =
                self.handles.all().iter().map(|handle| handle.name().to_owned()).collect();
            Refusal::NoSuchSubscription { name: name.to_owned(), known: known.join(", ") }
        })
    }

    pub(crate) async fn reload(&self) -> Result<Vec<String>, String> {
        let (answer, answered) = oneshot::channel();
        let ends = |_| "the process is about to end".to_owned();
        self.reloads.send(answer).await.map_err(|_| ends(()))?;
        answered.await.map_err(|_| ends(()))?
    }
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no subscription is named `{name}`; there are: {known}")]
    NoSuchSubscription { name: String, known: String },
    #[error("the subscription has stopped")]
    Stopped,
    #[error("{0}")]
    Invalid(String),
    /// Well said, and not possible as things are.
    #[error("{0}")]
    Conflict(String),
    #[error("no valid token: send `authorization: Bearer TOKEN` (control.token)")]
    Unauthorized,
}

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Self {
        Self::Stopped
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchSubscription { .. } => StatusCode::NOT_FOUND,
            Self::Stopped => StatusCode::GONE,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

/// The process runs.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Every subscription reads from Kafka; else 503, and why not.
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    let mut waits = Vec::new();
    for snapshot in snapshots(&app).await {
        let held = snapshot.partitions.iter().find_map(|held| {
            Some(format!("{} stands still: {}", held.partition, held.hold.as_ref()?))
        });
        let reason = match snapshot.kafka {
            KafkaState::Reachable => match held {
                None => continue,
                Some(held) => held,
            },
            KafkaState::Connecting => "Kafka has not answered yet".to_owned(),
            KafkaState::Unreachable { reason }
            | KafkaState::Unavailable { reason }
            | KafkaState::Waiting { reason }
            | KafkaState::Failed { reason } => reason,
        };
        waits.push(json!({ "subscription": snapshot.name, "reason": reason }));
    }
    let status = if waits.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": waits.is_empty(), "waits_for": waits }))).into_response()
}

pub(crate) async fn subscriptions(State(app): State<App>) -> Json<List> {
    Json(List { subscriptions: snapshots(&app).await.iter().map(Shown::from).collect() })
}

#[derive(Serialize)]
pub(crate) struct List {
    subscriptions: Vec<Shown>,
}

pub(crate) async fn subscription(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let snapshot = app.find(&name)?.snapshot().await?;
    Ok(Json(Shown::from(&snapshot)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEndpoints {
    endpoints: Vec<String>,
}

/// Replaces the endpoints of a subscription's target; what is in flight is awaited.
pub(crate) async fn set_endpoints(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    body: Result<Json<NewEndpoints>, JsonRejection>,
) -> Result<Json<Shown>, Refusal> {
    let handle = app.find(&name)?;
    let Json(NewEndpoints { endpoints }) = body?;
    if !(1..=ENDPOINTS_MAX).contains(&endpoints.len()) {
        let count = endpoints.len();
        let message = format!("a target has 1 to {ENDPOINTS_MAX} endpoints, not {count}");
        return Err(Refusal::Invalid(message));
    }
    let parsed = endpoints.iter().map(|url| Endpoint::parse(url, forebay_gateway::REVISION));
    let parsed: Result<Vec<_>, _> = parsed.collect();
    let parsed = parsed.map_err(|error| Refusal::Invalid(error.to_string()))?;
    let outcome = handle.endpoints(parsed).await.map_err(Refusal::from);
    app.record.keep(from, format!("endpoints {name}: {}", endpoints.join(" ")), outcome)?;
    Ok(Json(Shown::from(&handle.snapshot().await?)))
}

pub(crate) async fn snapshots(app: &App) -> Vec<Snapshot> {
    let mut snapshots = Vec::new();
    for handle in app.handles.all() {
        // One that has stopped has nothing to show.
        snapshots.extend(handle.snapshot().await);
    }
    snapshots
}
