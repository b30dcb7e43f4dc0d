//! A client of the control API, for commands that block.

use std::time::Duration;

use bytes::Bytes;
use forebay_control::{Question, exchange};
use hyper::Method;
use serde_json::Value;

use crate::cli::subscriptions::Gateway;
use crate::exit::{Exit, Failure};

/// A drain is not waited for, but Kafka may be, and other processes of the group.
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
        let question = Question { method, path: path.to_owned(), body };
        let answer = runtime.block_on(async {
            let asked = exchange(&self.address, self.token.as_deref(), question, ANSWER_MAX);
            tokio::time::timeout(PATIENCE, asked).await
        });
        let address = &self.address;
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        };
        let (status, body) = answer.map_err(|error| {
            refused(format!(
                "the gateway's control API at {address}: {error}; is it running, and is --control \
                 its address?"
            ))
        })?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let why = answer["error"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        Err(refused(format!("the gateway at {address} refuses: {why}")))
    }
}

/// A failure to reach the gateway, or its refusal.
fn refused(message: String) -> Failure {
    Failure::new(Exit::Unreachable, message)
}
