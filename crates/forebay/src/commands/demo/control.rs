//! The gateway's control API, as far as the demo needs it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;

use crate::exit::{Exit, Failure};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running gateway with one subscription.
#[derive(Clone, Debug)]
pub(super) struct Control {
    address: SocketAddr,
    path: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Subscription {
    pub(super) partitions: Vec<Partition>,
    pub(super) endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Partition {
    stage: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Endpoint {
    state: String,
}

impl Subscription {
    pub(super) fn active(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.stage == "active").count()
    }

    /// Whether no endpoint that was taken off the list still works on something.
    pub(super) fn is_drained(&self) -> bool {
        self.endpoints.iter().all(|endpoint| endpoint.state != "leaving")
    }
}

impl Control {
    pub(super) fn new(address: SocketAddr, subscription: &str) -> Self {
        Self { address, path: format!("/api/v1/subscriptions/{subscription}") }
    }

    pub(super) async fn subscription(&self) -> Result<Subscription, Failure> {
        self.ask(Method::GET, &self.path, Bytes::new()).await
    }

    /// Replaces the target's endpoints.
    pub(super) async fn set_endpoints(&self, urls: &[String]) -> Result<Subscription, Failure> {
        let body = json!({ "endpoints": urls }).to_string();
        self.ask(Method::POST, &format!("{}/endpoints", self.path), body.into()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Subscription, Failure> {
        let asked = format!("{method} http://{}{path}", self.address);
        let answer = tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await;
        let answer = answer.unwrap_or_else(|_| anyhow::bail!("no answer within {PATIENCE:?}"));
        let refused = |reason: &dyn std::fmt::Display| {
            Failure::new(Exit::Unreachable, format!("the gateway's control API, {asked}: {reason}"))
        };
        let (status, body) = answer.map_err(|error| refused(&error))?;
        if status != StatusCode::OK {
            return Err(refused(&format!("{status}: {}", String::from_utf8_lossy(&body))));
        }
        serde_json::from_slice(&body).map_err(|error| refused(&error))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
