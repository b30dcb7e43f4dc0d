//! A client of the control API: one request, one connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::cli::subscriptions::Gateway;
use crate::exit::{Exit, Failure};

/// A drain is not waited for, but Kafka may be.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_MAX: usize = 64 << 20;

pub(crate) struct Client {
    address: String,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(gateway: &Gateway) -> Result<Self, Failure> {
        let token = match &gateway.token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display()))
            })?),
            None => std::env::var("FOREBAY_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim_end_matches(['\r', '\n']).to_owned());
        Ok(Self { address: gateway.control.clone(), token })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Bytes::new())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body.to_string().into())
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::of(Exit::Usage))?;
        let answer = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await
        });
        let address = &self.address;
        let (status, body) = answer
            .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
            .map_err(|error| {
                refused(format!(
                    "the gateway's control API at {address}: {error}; is it running, and is \
                     --control its address?"
                ))
            })?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let why = answer["error"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        Err(refused(format!("the gateway at {address} refuses: {why}")))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let stream = TcpStream::connect(&self.address).await.map_err(|error| words(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| words(&error))?;
        // It ends with the runtime.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(|error| words(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| words(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

/// A failure to reach the gateway, or its refusal.
fn refused(message: String) -> Failure {
    Failure::new(Exit::Unreachable, message)
}
