//! One request to a control API, on a connection of its own: for the command line, and for other
//! processes of a group. No redirects are followed, and an answer's size is bounded. The caller
//! bounds the time.
//!
//! A command is not obeyed after whoever sent it has given up: its body follows only when the other
//! side asks for it (`expect: 100-continue`). One that is frozen, and finds the command when it goes
//! on, asks in vain; see [`crate::confirm`].

use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Frame;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How long one that is told something may take to ask for it. Together with
/// [`crate::confirm::LATE`] it is less than anybody waits for an answer.
const ASKS: Duration = Duration::from_secs(5);

/// What is asked of a control API.
#[derive(Clone, Debug)]
pub struct Question {
    pub method: Method,
    /// With its query.
    pub path: String,
    /// JSON, of a command; empty where there is none.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It was not sent, or not confirmed: nothing was done, and nothing will be.
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
    let stream = TcpStream::connect(address).await.map_err(|error| unsent(&error))?;
    let (asks, mut asked) = watch::channel(false);
    let (body, sent) = Channel::new(1);
    let request = request(address, token, &question, sent, asks).map_err(|error| unsent(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unsent(&error))?;
    let talk = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), answer_max).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    let (mut talk, mut connection) = (std::pin::pin!(talk), std::pin::pin!(connection));
    let mut late = std::pin::pin!(tokio::time::sleep(ASKS));
    // A question has no body, and asks for nothing to be done.
    let mut held = Some(body).filter(|_| !question.body.is_empty());
    let mut is_open = true;
    loop {
        tokio::select! {
            answer = &mut talk => return answer.map_err(|error: String| match held {
                Some(_) => ExchangeError::NotSent(error),
                None => ExchangeError::NoAnswer(error),
            }),
            // What its end means to the answer is told by the answer.
            _ = &mut connection, if is_open => is_open = false,
            Ok(_) = asked.wait_for(|asked| *asked), if held.is_some() => {
                let mut body = held.take().expect("it is held");
                // Where it can't be sent there is no answer either.
                let _ = body.try_send(Frame::data(question.body.clone()));
            }
            () = &mut late, if held.is_some() => {
                let error = format!("it did not ask for the command within {ASKS:?}, so it will not obey it");
                return Err(ExchangeError::NotSent(error));
            }
        }
    }
}

fn request(
    address: &str,
    token: Option<&str>,
    question: &Question,
    body: Channel<Bytes>,
    asks: watch::Sender<bool>,
) -> Result<Request<Channel<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(question.method.clone())
        .uri(&question.path)
        .header(HOST, address)
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if !question.body.is_empty() {
        let length = question.body.len();
        request = request.header(CONTENT_LENGTH, length).header(EXPECT, "100-continue");
    }
    let mut request = request.body(body)?;
    hyper::ext::on_informational(&mut request, move |answer| {
        if answer.status() == StatusCode::CONTINUE {
            asks.send_replace(true);
        }
    });
    Ok(request)
}
