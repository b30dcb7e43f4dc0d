//! A service that answers as it is told to, and writes down what it saw before it answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::sync::oneshot;

use super::journal::{Journal, Seen};

/// An instance of the service; dropping it closes its port and all connections.
pub(crate) struct Service {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Clone)]
struct Behaviour {
    journal: Journal,
    /// What it answers.
    status: Arc<AtomicU16>,
    delay: Duration,
    /// Only the failing record's place; everything else is accepted.
    picky: Option<Arc<Mutex<(i32, i64)>>>,
}

impl Service {
    /// Accepts everything after `delay`.
    pub(crate) fn start(journal: &Journal, delay: Duration) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), journal, delay, None)
    }

    /// Comes back on the address of one that was dropped.
    pub(crate) fn start_at(address: SocketAddr, journal: &Journal, delay: Duration) -> Self {
        Self::listen(address, journal, delay, None)
    }

    /// Answers as [`Service::answer`] says for one record, and accepts all others.
    pub(crate) fn start_picky(journal: &Journal, place: (i32, i64)) -> Self {
        let picky = Some(Arc::new(Mutex::new(place)));
        Self::listen("127.0.0.1:0".parse().unwrap(), journal, Duration::ZERO, picky)
    }

    fn listen(
        address: SocketAddr,
        journal: &Journal,
        delay: Duration,
        picky: Option<Arc<Mutex<(i32, i64)>>>,
    ) -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let behaviour =
            Behaviour { journal: journal.clone(), status: status.clone(), delay, picky };
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(address).await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let routes = axum::Router::new()
                    .route("/records", post(receive))
                    .layer(axum::extract::DefaultBodyLimit::disable())
                    .with_state(behaviour);
                let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
                // Dropped or told, it ends at once, as a process that is killed does.
                let _ = stopped.await;
                serving.abort();
            });
        });
        let address = told.recv().unwrap();
        Self { address, status, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/records", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers this status.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A service that panicked has failed the test already.
            let _ = thread.join();
        }
    }
}

async fn receive(
    State(behaviour): State<Behaviour>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name| header(name).and_then(|value| value.parse::<i64>().ok()).unwrap_or(-1);
    if !behaviour.delay.is_zero() {
        tokio::time::sleep(behaviour.delay).await;
    }
    let (partition, offset) = (number("forebay-partition") as i32, number("forebay-offset"));
    let chosen =
        behaviour.picky.as_ref().is_none_or(|place| *place.lock().unwrap() == (partition, offset));
    let told = behaviour.status.load(Ordering::SeqCst);
    let status = if chosen { told } else { 200 };
    behaviour.journal.write(Seen {
        partition,
        offset,
        key: header("forebay-key").unwrap_or_default().to_owned(),
        tenure: number("forebay-tenure"),
        attempt: number("forebay-attempt") as u32,
        headers: headers
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())
            })
            .collect(),
        body: body.to_vec(),
        accepted: status == 200,
    });
    StatusCode::from_u16(status).unwrap()
}
