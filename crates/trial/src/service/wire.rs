//! One connection's bytes: requests in, anything out.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

use crate::journal::Request;

/// Kafka's own default for a record is 1 MiB; the gateway's largest value is 16 MiB.
const BODY_MAX: usize = 16 << 20;
const HEAD_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 256;
/// How often an unread connection is looked at for its client's leaving.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    unread: Vec<u8>,
}

/// The head of a request, and how much body follows.
pub(super) struct Head {
    pub(super) request: Request,
    length: usize,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        // Where it can't be set, answers are slower.
        let _ = socket.set_nodelay(true);
        Self { socket, unread: Vec::new() }
    }

    /// The next request's head; none once the client has left, or for what is no HTTP.
    pub(super) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = Head::parse(&self.unread[..end + 4]);
                self.unread.drain(..end + 4);
                return head;
            }
            if self.unread.len() > HEAD_MAX {
                return None;
            }
            self.more().await?;
        }
    }

    /// The request with its body; none where it never comes whole, or is too large.
    pub(super) async fn body(&mut self, head: Head) -> Option<Request> {
        if head.length > BODY_MAX {
            return None;
        }
        while self.unread.len() < head.length {
            self.more().await?;
        }
        let rest = self.unread.split_off(head.length);
        let body = std::mem::replace(&mut self.unread, rest);
        Some(Request { body, ..head.request })
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.socket.read_buf(&mut self.unread).await.ok()?;
        (read > 0).then_some(())
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Whether the client has closed, as far as is known now. What it sent meanwhile stays.
    pub(super) fn has_left(&mut self) -> bool {
        let mut bytes = [0; 4096];
        while self.unread.len() <= HEAD_MAX {
            match self.socket.try_read(&mut bytes) {
                Ok(0) => return true,
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// Returns once the client has closed; what it sends meanwhile is dropped.
    pub(super) async fn until_left(&mut self) {
        while self.more().await.is_some() {
            self.unread.clear();
        }
    }

    /// As above, without reading anything.
    pub(super) async fn until_left_unread(&mut self) {
        while let Ok(ready) = self.socket.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(super) fn close(self, reset: bool) {
        if reset {
            // An error means that the connection has ended already.
            let _ = self.socket.set_zero_linger();
        }
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(bytes).ok()?.is_complete().then_some(())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> = parsed
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect();
        let request = Request { head: text(bytes), headers, body: Vec::new() };
        let length = match request.header("content-length") {
            Some(length) => length.parse().ok()?,
            None => 0,
        };
        Some(Self { request, length })
    }
}
