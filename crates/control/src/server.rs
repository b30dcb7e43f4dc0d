//! The listener and its routes.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::{get, post};
use forebay_gateway::Handle;
use tokio::net::TcpListener;

use crate::{api, metrics};

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
    pub async fn serve(self, subscriptions: Vec<Handle>) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/livez", get(api::livez))
            .route("/readyz", get(api::readyz))
            .route("/metrics", get(metrics::metrics))
            .route("/api/v1/subscriptions", get(api::subscriptions))
            .route("/api/v1/subscriptions/{name}", get(api::subscription))
            .route("/api/v1/subscriptions/{name}/endpoints", post(api::set_endpoints))
            .with_state(subscriptions.into());
        axum::serve(self.listener, routes).await
    }
}
