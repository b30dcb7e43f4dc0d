//! Health and `/api/v1`: snapshots out, commands in, errors as `{"error": …}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use forebay_gateway::{ENDPOINTS_MAX, Gone, Handle, KafkaState, Snapshot};
use forebay_push::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::shown::Shown;

pub(crate) type Subscriptions = Arc<[Handle]>;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no subscription is named `{name}`; there are: {known}")]
    NoSuchSubscription { name: String, known: String },
    #[error("the subscription has stopped")]
    Stopped,
    #[error("{0}")]
    Invalid(String),
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
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

/// The process runs.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Every subscription reads from Kafka; else 503, and why not.
pub(crate) async fn readyz(State(all): State<Subscriptions>) -> Response {
    let mut waits = Vec::new();
    for snapshot in snapshots(&all).await {
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
            | KafkaState::Failed { reason } => reason,
        };
        waits.push(json!({ "subscription": snapshot.name, "reason": reason }));
    }
    let status = if waits.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": waits.is_empty(), "waits_for": waits }))).into_response()
}

pub(crate) async fn subscriptions(State(all): State<Subscriptions>) -> Json<List> {
    Json(List { subscriptions: snapshots(&all).await.iter().map(Shown::from).collect() })
}

#[derive(Serialize)]
pub(crate) struct List {
    subscriptions: Vec<Shown>,
}

pub(crate) async fn subscription(
    State(all): State<Subscriptions>,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let snapshot = find(&all, &name)?.snapshot().await?;
    Ok(Json(Shown::from(&snapshot)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEndpoints {
    endpoints: Vec<String>,
}

/// Replaces the endpoints of a subscription's target; what is in flight is awaited.
pub(crate) async fn set_endpoints(
    State(all): State<Subscriptions>,
    Path(name): Path<String>,
    body: Result<Json<NewEndpoints>, JsonRejection>,
) -> Result<Json<Shown>, Refusal> {
    let handle = find(&all, &name)?;
    let Json(NewEndpoints { endpoints }) = body?;
    if !(1..=ENDPOINTS_MAX).contains(&endpoints.len()) {
        let count = endpoints.len();
        let message = format!("a target has 1 to {ENDPOINTS_MAX} endpoints, not {count}");
        return Err(Refusal::Invalid(message));
    }
    let parsed = endpoints.iter().map(|url| Endpoint::parse(url, forebay_gateway::REVISION));
    let parsed: Result<Vec<_>, _> = parsed.collect();
    handle.endpoints(parsed.map_err(|error| Refusal::Invalid(error.to_string()))?).await?;
    Ok(Json(Shown::from(&handle.snapshot().await?)))
}

pub(crate) async fn snapshots(all: &[Handle]) -> Vec<Snapshot> {
    let mut snapshots = Vec::with_capacity(all.len());
    for handle in all {
        // One that has stopped has nothing to show.
        snapshots.extend(handle.snapshot().await);
    }
    snapshots
}

fn find<'a>(all: &'a [Handle], name: &str) -> Result<&'a Handle, Refusal> {
    all.iter().find(|handle| handle.name() == name).ok_or_else(|| Refusal::NoSuchSubscription {
        name: name.to_owned(),
        known: all.iter().map(Handle::name).collect::<Vec<_>>().join(", "),
    })
}
