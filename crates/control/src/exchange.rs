//! One request to a control API, on a connection of its own: for the command line, and for other
//! processes of a group. No redirects are followed, and an answer's size is bounded. The caller
//! bounds the time.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What is asked of a control API.
#[derive(Clone, Debug)]
pub struct Question {
    pub method: Method,
    /// With its query.
    pub path: String,
    /// JSON; empty where there is none.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Nothing was sent, so nothing was done.
    #[error("{0}")]
    NotSent(String),
    /// It was sent, or may have been: what was asked may be done.
    #[error("{0}")]
    NoAnswer(String),
}

/// Asks the control API at `address` (`host:port`). An answer of more than `answer_max` bytes is
/// none.
pub async fn exchange(
    address: &str,
    token: Option<&str>,
    question: Question,
    answer_max: usize,
) -> Result<(StatusCode, Bytes), ExchangeError> {
    let unsent = |error: &dyn std::error::Error| ExchangeError::NotSent(error.to_string());
    let unheard = |error: &dyn std::error::Error| ExchangeError::NoAnswer(error.to_string());
    let stream = TcpStream::connect(address).await.map_err(|error| unsent(&error))?;
    let mut request = Request::builder()
        .method(question.method)
        .uri(question.path)
        .header(HOST, address)
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(question.body)).map_err(|error| unsent(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unsent(&error))?;
    let talk = async {
        let answer = sender.send_request(request).await.map_err(|error| unheard(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), answer_max).collect().await;
        let body = body.map_err(|error| ExchangeError::NoAnswer(error.to_string()))?;
        Ok((status, body.to_bytes()))
    };
    let mut talk = std::pin::pin!(talk);
    let mut connection = std::pin::pin!(connection);
    // What the connection's end means to the answer is told by the answer.
    tokio::select! {
        answer = &mut talk => return answer,
        _ = &mut connection => {}
    }
    talk.await
}
