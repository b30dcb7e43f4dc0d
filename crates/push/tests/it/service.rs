//! A scripted service: a listener on a free port of the loopback, and a script for each connection.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_push::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

pub(crate) struct Service {
    pub(crate) endpoint: Endpoint,
    accepted: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Service {
    /// Runs `script` for each connection, side by side.
    pub(crate) async fn start<F>(script: impl Fn(Peer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has free ports");
        let url = format!("http://{}/records?x=1", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("the listener stays");
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Peer { stream, unread: Vec::new() }));
            }
        });
        let endpoint = Endpoint::parse(&url, "v1").unwrap();
        Self { endpoint, accepted, task: task.abort_handle() }
    }

    /// Answers each request on each connection with `response`.
    pub(crate) async fn answering(response: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.say(response).await;
            }
        })
        .await
    }

    /// Answers whatever comes first with `response`, and waits for the client to leave.
    pub(crate) async fn answering_any(response: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            peer.more().await;
            peer.say(response).await;
            peer.closed().await;
        })
        .await
    }

    /// Answers one request with `response`, then ends the connection.
    pub(crate) async fn answering_once(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |mut peer| {
            let response = response.clone();
            async move {
                peer.request().await;
                peer.say(response).await;
            }
        })
        .await
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        let (host, port) = (self.endpoint.host(), self.endpoint.port());
        std::net::SocketAddr::new(host.parse().expect("an address"), port)
    }

    /// Connections taken so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The client, as the service sees it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// Head and body of the next request; none once the client has closed.
    pub(crate) async fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.unread.drain(..head_end).collect()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.more().await?;
        }
        Some((head, self.unread.drain(..length).collect()))
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.unread).await.unwrap_or(0);
        (read > 0).then_some(())
    }

    /// Says it, or finds that nobody listens any more.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Returns once the client has closed the connection.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_some() {}
    }
}
