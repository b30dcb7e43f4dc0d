//! The listener and its routes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use forebay_gateway::Handles;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::api::{App, Refusal, Reload};
use crate::bounded::{Bounded, CONNECTIONS, SILENCE};
use crate::commands::Commands;
use crate::confirm::confirmed;
use crate::origin::is_foreign;
use crate::peers::Peers;
use crate::{api, command, commands, metrics, rebalances, seek};

/// A bound control API.
#[derive(Debug)]
pub struct Control {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why the control API can't listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "the control API cannot listen on {address}: the port is in use; \
         stop what uses it, or set another `control.listen` (port 0 for any)"
    )]
    PortInUse { address: String },
    #[error("the control API cannot listen on {address}: {error}")]
    Other { address: String, error: std::io::Error },
}

impl Control {
    /// Listens, so that the address is known; nothing is answered before [`Control::serve`].
    pub async fn bind(address: &str) -> Result<Self, ListenError> {
        let refuse = |error: std::io::Error| {
            let address = address.to_owned();
            if error.kind() == std::io::ErrorKind::AddrInUse {
                ListenError::PortInUse { address }
            } else {
                ListenError::Other { address, error }
            }
        };
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        Ok(Self { listener, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, serving: Serving) -> std::io::Result<()> {
        let Serving { handles, token, reloads, peers, commands } = serving;
        let announcing = peers.announce(handles.clone());
        let writing = commands.write_forever();
        let app = App { handles, commands: commands.clone(), reloads, peers: peers.clone() };
        let open =
            Router::new().route("/livez", get(api::livez)).route("/readyz", get(api::readyz));
        let guarded = Router::new()
            .route("/metrics", get(metrics::metrics))
            .route("/api/v1/commands", get(commands::all))
            .route("/api/v1/rebalances", get(rebalances::rebalances))
            .route("/api/v1/reload", post(command::reload))
            .route("/api/v1/subscriptions", get(api::subscriptions))
            .route("/api/v1/subscriptions/{name}", get(api::subscription))
            .route("/api/v1/subscriptions/{name}/commands", get(commands::of_one))
            .route("/api/v1/subscriptions/{name}/endpoints", post(api::set_endpoints))
            .route("/api/v1/subscriptions/{name}/pause", post(command::pause))
            .route("/api/v1/subscriptions/{name}/resume", post(command::resume))
            .route("/api/v1/subscriptions/{name}/seek", post(seek::seek))
            .route("/api/v1/subscriptions/{name}/records/{what}", post(command::decide))
            .layer(axum::middleware::from_fn(confirmed))
            .layer(axum::middleware::from_fn_with_state(token.map(Arc::from), authorize));
        let routes = open
            .merge(guarded)
            .fallback(async || Refusal::NoSuchPath)
            .method_not_allowed_fallback(async || Refusal::OtherMethod)
            .with_state(app);
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        // Tapped for nothing: only so is the caller's address known of a listener of one's own.
        let listener = Bounded::new(self.listener, CONNECTIONS, SILENCE).tap_io(|_| ());
        tokio::select! {
            served = async { axum::serve(listener, service).await } => served,
            () = announcing => Ok(()),
            () = writing => Ok(()),
        }
    }
}

/// What the control API works with.
pub struct Serving {
    pub handles: Handles,
    /// What a request has to carry, if anything.
    pub token: Option<String>,
    /// Where wishes to have the configuration read again go.
    pub reloads: mpsc::Sender<Reload>,
    /// The other processes of its groups.
    pub peers: Peers,
    /// Those that are given to it.
    pub commands: Commands,
}

/// Lets a request through that carries the token; where there is none, one that is of no stranger's page.
async fn authorize(
    State(token): State<Option<Arc<str>>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = token else {
        return match is_foreign(request.headers()) {
            true => Refusal::Foreign.into_response(),
            false => next.run(request).await,
        };
    };
    let given = request.headers().get(AUTHORIZATION).map(|given| given.as_bytes());
    let given = given.and_then(|given| given.strip_prefix(b"Bearer "));
    match given.is_some_and(|given| is_same(given, token.as_bytes())) {
        true => next.run(request).await,
        false => Refusal::Unauthorized.into_response(),
    }
}

/// Takes as long wherever the first difference is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && differences == 0
}
