//! A command that its sender has given up is not obeyed, however late this process comes to read it.
//!
//! A process that was frozen finds in its sockets what was sent meanwhile, and can't tell by it how old
//! that is. So whoever wants it (`expect: 100-continue`) is asked whether they still mean it: the body
//! comes for that question alone, and soon, or nothing is done. No clock is compared with another's.

use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::api::Refusal;

/// How long it may take to confirm a command; later this process may have been frozen once more.
pub(crate) const LATE: Duration = Duration::from_secs(2);
/// Longest body of a command, bytes.
const BODY_MAX: usize = 2 << 20;

/// Hands on what is still wanted.
pub(crate) async fn confirmed(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    // What has begun ends, and is kept, also when nobody waits for its answer any more.
    let obeyed = tokio::spawn(async move {
        match confirm(request).await {
            Ok(request) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        }
    });
    obeyed.await.unwrap_or_else(|_| Refusal::Stopped.into_response())
}

async fn confirm(request: Request) -> Result<Request, Refusal> {
    if !request.headers().contains_key(EXPECT) {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let (length, asked_at) = (body.size_hint().exact(), Instant::now());
    let body = to_bytes(body, BODY_MAX).await.ok();
    // A connection that is cut off may end a body like its end does.
    let whole = body.filter(|body| length.is_none_or(|length| length == body.len() as u64));
    match whole.filter(|_| asked_at.elapsed() <= LATE) {
        Some(body) => Ok(Request::from_parts(head, Body::from(body))),
        None => {
            let path = head.uri.path();
            tracing::warn!("{path} is not obeyed: whoever sent it does not confirm it");
            Err(Refusal::Unconfirmed)
        }
    }
}

#[cfg(test)]
mod tests;
