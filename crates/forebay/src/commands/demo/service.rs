//! The small service that the demo delivers to: it writes a journal, works a little, answers 200.
//!
//! Like many a real service it works on a few records at a time and lets others wait, so that more
//! instances do more. Work that has begun is finished and written down even if nobody waits for its
//! answer any more: that is how repetitions come to light.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::journal::{Arrival, Writer, digest};
use crate::cli::DemoService;
use crate::exit::{Exit, Failure, Outcome};
use crate::process::{Ready, Signals, end_with_stdin};

/// Kafka's own default for a record is 1 MiB; the gateway's largest value is 16 MiB.
const BODY_MAX: usize = 16 << 20;

struct Service {
    journal: Writer,
    workers: Semaphore,
    work: Duration,
}

pub(crate) async fn run(args: DemoService) -> Outcome {
    let mut signals = Signals::listen().map_err(Failure::of(Exit::Usage))?;
    if args.child.until_stdin_closes {
        end_with_stdin();
    }
    let journal = Writer::create(&args.journal).map_err(Failure::of(Exit::Usage))?;
    let service = Arc::new(Service {
        journal,
        workers: Semaphore::new(args.workers),
        work: Duration::from_millis(args.work_ms),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::of(Exit::Usage))?;
    let address = listener.local_addr().map_err(Failure::of(Exit::Usage))?;
    if let Some(path) = &args.ready.path {
        let pid = std::process::id();
        Ready { service: Some(address), pid, ..Ready::default() }.write(path)?;
    }
    let routes = Router::new().route("/records", post(deliver)).with_state(service);
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async move {
        signals.next().await;
    });
    serving.await.map_err(Failure::of(Exit::Usage))?;
    Ok(Exit::Done)
}

async fn deliver(State(service): State<Arc<Service>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    // Without its whole body a request was never made.
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else {
        return StatusCode::PAYLOAD_TOO_LARGE;
    };
    let Some(arrival) = arrival(&head.headers, &body.to_bytes()) else {
        return StatusCode::BAD_REQUEST;
    };
    // A task of its own, for this one ends with its connection.
    let work = tokio::spawn(async move { service.accept(arrival).await });
    match work.await {
        Ok(Ok(())) => StatusCode::OK,
        // What can't be written down must not be accepted.
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Service {
    async fn accept(&self, arrival: Arrival) -> std::io::Result<()> {
        let delivery = self.journal.started(arrival)?;
        let working = self.workers.acquire().await.expect("it is never closed");
        tokio::time::sleep(self.work).await;
        drop(working);
        self.journal.accepted(delivery)
    }
}

/// None where the request is not one of delivery contract v1.
fn arrival(headers: &HeaderMap, body: &Bytes) -> Option<Arrival> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = match text("forebay-key") {
        Some(key) => Some(percent_decode_str(key).decode_utf8().ok()?.into_owned()),
        None => None,
    };
    Some(Arrival {
        topic: text("forebay-topic")?.to_owned(),
        partition: text("forebay-partition")?.parse().ok()?,
        offset: text("forebay-offset")?.parse().ok()?,
        key,
        digest: digest(body),
        tenure: text("forebay-tenure")?.parse().ok()?,
        attempt: text("forebay-attempt")?.parse().ok()?,
    })
}
