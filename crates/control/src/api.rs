//! Health and `/api/v1`: snapshots out, commands in, errors as `{"error": …}`.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use forebay_gateway::{ENDPOINTS_MAX, Gone, Handle, Handles, KafkaState, Snapshot};
use forebay_push::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::commands::Commands;
use crate::group;
use crate::peers::whom;
use crate::peers::{Peers, merge};
use crate::shown::Shown;

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) handles: Handles,
    pub(crate) commands: Commands,
    pub(crate) reloads: mpsc::Sender<Reload>,
    pub(crate) peers: Peers,
}

/// Whom a request is for: `?scope=group`, which is so where nothing is said, or `?scope=process`,
/// and with that the member that is meant, so that nobody answers for another who had its address
/// before.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    #[serde(default)]
    scope: Reach,
    /// A `group.instance.id`.
    instance: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reach {
    #[default]
    Group,
    Process,
}

/// A request's query.
pub(crate) type Scoped = Result<Query<Scope>, QueryRejection>;

impl Scope {
    pub(crate) fn of(scoped: Scoped) -> Result<Self, Refusal> {
        let Query(scope) = scoped.map_err(|error| Refusal::Invalid(error.body_text()))?;
        Ok(scope)
    }

    pub(crate) fn is_process(&self) -> bool {
        self.scope == Reach::Process
    }
}

/// A wish to have the configuration read again; answered with what came of it, or what is wrong.
pub type Reload = oneshot::Sender<Result<Reloaded, String>>;

/// What came of reading a configuration again, in words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reloaded {
    pub changes: Vec<String>,
    /// What stays as it was, and why.
    pub refused: Vec<String>,
}

impl App {
    /// The subscription that a request is about; refused where another member of its group is
    /// meant.
    pub(crate) fn find(&self, name: &str, scope: &Scope) -> Result<Handle, Refusal> {
        let handle = self.handles.find(name).ok_or_else(|| {
            let known: Vec<_> =
                self.handles.all().iter().map(|handle| handle.name().to_owned()).collect();
            Refusal::NoSuchSubscription { name: name.to_owned(), known: known.join(", ") }
        })?;
        match &scope.instance {
            Some(meant) if meant != handle.instance_id() => Err(Refusal::Misdirected {
                meant: meant.clone(),
                here: handle.instance_id().to_owned(),
            }),
            _ => Ok(handle),
        }
    }

    /// A subscription as this process alone has it.
    pub(crate) fn own(&self, handle: &Handle, snapshot: &Snapshot) -> Value {
        let shown = serde_json::to_value(Shown::from(snapshot)).expect("names and numbers");
        let instance = whom::instance(handle.instance_id(), handle.name());
        merge::own(shown, &instance, self.peers.address(handle).as_deref())
    }

    pub(crate) async fn reload(&self) -> Result<Reloaded, String> {
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
    #[error("this is `{here}`, and not `{meant}`")]
    Misdirected { meant: String, here: String },
    /// Another process was asked, and refused.
    #[error("{error}")]
    ByPeer { status: StatusCode, error: String },
    /// Who has to do it could not be asked, or not all could; what was done, and where, is said.
    #[error("{error}")]
    Unfinished { error: String, processes: Value },
    /// It was not said in time that it is still meant.
    #[error("nothing was done: the command was not confirmed in time")]
    Unconfirmed,
    #[error("there is no such path; docs/reference/control-api.md has those that there are")]
    NoSuchPath,
    #[error("this path has another method")]
    OtherMethod,
    #[error("a web page of another origin asks; set control.token where pages are to be let in")]
    Foreign,
    #[error(
        "no valid token: send `authorization: Bearer TOKEN` (control.token); forebay's own commands \
         take it from --token-file or FOREBAY_TOKEN"
    )]
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
            Self::NoSuchSubscription { .. } | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::OtherMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Stopped => StatusCode::GONE,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Unconfirmed => StatusCode::REQUEST_TIMEOUT,
            Self::Misdirected { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::ByPeer { status, .. } => status,
            Self::Unfinished { .. } => StatusCode::BAD_GATEWAY,
        };
        let mut body = json!({ "error": self.to_string() });
        if let Self::Unfinished { processes, .. } = self {
            body["processes"] = processes;
        }
        (status, Json(body)).into_response()
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
                None if snapshot.reading => continue,
                None => "the group has not given it its partitions yet, or they are not read yet"
                    .to_owned(),
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

pub(crate) async fn subscriptions(
    State(app): State<App>,
    scope: Scoped,
) -> Result<Json<Value>, Refusal> {
    let scope = Scope::of(scope)?;
    let mut asked = tokio::task::JoinSet::new();
    for (index, handle) in app.handles.all().into_iter().enumerate() {
        let (app, alone) = (app.clone(), scope.is_process());
        asked.spawn(async move { (index, group::shown(&app, &handle, alone).await) });
    }
    let mut shown = asked.join_all().await;
    shown.sort_by_key(|(index, _)| *index);
    // One that has stopped has nothing to show.
    let shown: Vec<Value> = shown.into_iter().filter_map(|(_, shown)| shown.ok()).collect();
    Ok(Json(json!({ "subscriptions": shown })))
}

pub(crate) async fn subscription(
    State(app): State<App>,
    Path(name): Path<String>,
    scope: Scoped,
) -> Result<Json<Value>, Refusal> {
    let scope = Scope::of(scope)?;
    let handle = app.find(&name, &scope)?;
    group::shown(&app, &handle, scope.is_process()).await.map(Json)
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
    scope: Scoped,
    body: Result<Json<NewEndpoints>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let scope = Scope::of(scope)?;
    let handle = app.find(&name, &scope)?;
    let Json(NewEndpoints { endpoints }) = body?;
    if !(1..=ENDPOINTS_MAX).contains(&endpoints.len()) {
        let count = endpoints.len();
        let message = format!("a target has 1 to {ENDPOINTS_MAX} endpoints, not {count}");
        return Err(Refusal::Invalid(message));
    }
    let parsed = endpoints.iter().map(|url| Endpoint::parse(url, forebay_gateway::REVISION));
    let parsed: Result<Vec<_>, _> = parsed.collect();
    let parsed = parsed.map_err(|error| Refusal::Invalid(error.to_string()))?;
    let own = async {
        handle.endpoints(parsed).await?;
        Ok(app.own(&handle, &handle.snapshot().await?))
    };
    let own = own.await;
    let shown: Vec<&str> = endpoints.iter().map(|url| without_query(url)).collect();
    let command = format!("endpoints {name}: {}", shown.join(" "));
    let body = json!({ "endpoints": endpoints });
    group::everywhere(&app, &handle, &scope, own, (from, command), ("/endpoints", body))
        .await
        .map(Json)
}

/// A URL as it may be shown and kept: there are services whose query is a secret.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

pub(crate) async fn snapshots(app: &App) -> Vec<Snapshot> {
    let mut snapshots = Vec::new();
    for handle in app.handles.all() {
        // One that has stopped has nothing to show.
        snapshots.extend(handle.snapshot().await);
    }
    snapshots
}
