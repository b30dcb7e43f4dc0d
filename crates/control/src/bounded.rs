//! A listener that keeps so many connections at a time, and none on which nothing moves for long.
//!
//! Deliveries need descriptors, too: whoever only opens connections here must not take them, and
//! those that wait behind are let in when the silent ones are closed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time.
pub(crate) const CONNECTIONS: usize = 256;
/// How long nothing may move on one. Longer than any answer takes.
pub(crate) const SILENCE: Duration = Duration::from_secs(90);

pub(crate) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    silence: Duration,
}

pub(crate) struct Connection {
    stream: TcpStream,
    silence: Duration,
    ends: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Bounded {
    pub(crate) fn new(listener: TcpListener, connections: usize, silence: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(connections)), silence }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = self.places.clone().acquire_owned().await.expect("nobody closes it");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let (silence, ends) = (self.silence, Box::pin(sleep(self.silence)));
        (Connection { stream, silence, ends, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// Puts the end off where something moved; an error once nothing has for too long.
    fn moved<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.ends.as_mut().reset(Instant::now() + self.silence);
            return done;
        }
        self.ends.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.moved(done, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(done, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::serve::ListenerExt as _;
    use axum::{Router, routing};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn serve(connections: usize, silence: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", routing::get(async || "yes"));
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        let listener = Bounded::new(listener, connections, silence).tap_io(|_| ());
        tokio::spawn(async move { axum::serve(listener, service).await });
        address
    }

    async fn ask(stream: &mut TcpStream) -> String {
        let request = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn who_says_nothing_makes_room_for_who_asks() {
        let address = serve(2, Duration::from_millis(50)).await;
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut asks = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut asks).await.ends_with("yes"));
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "it was closed");
        }
    }

    #[tokio::test]
    async fn no_more_are_open_than_may_be() {
        let address = serve(1, Duration::from_secs(3600)).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut waits = Box::pin(ask(&mut second));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut waits).await;
        assert!(early.is_err(), "there is no place for it");
        assert!(ask(&mut first).await.ends_with("yes"));
        assert!(waits.await.ends_with("yes"));
    }
}
