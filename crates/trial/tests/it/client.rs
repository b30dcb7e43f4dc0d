//! A client of plain TCP that sends deliveries and takes what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far enough away that a test which needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A delivery to send.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) tenure: i64,
    pub(crate) timeout_ms: u64,
}

pub(crate) fn post(offset: i64) -> Post {
    Post { partition: 0, offset, key: None, attempt: 1, tenure: 7, timeout_ms: 30_000 }
}

impl Post {
    pub(crate) fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { partition, offset, attempt, tenure, timeout_ms, .. } = self;
        let key = self.key.as_ref().map_or(String::new(), |key| format!("forebay-key: {key}\r\n"));
        format!(
            "POST /records HTTP/1.1\r\nhost: service\r\nforebay-topic: flights\r\n\
             forebay-partition: {partition}\r\nforebay-offset: {offset}\r\n{key}\
             forebay-tenure: {tenure}\r\nforebay-attempt: {attempt}\r\nforebay-revision: v1\r\n\
             forebay-timeout-ms: {timeout_ms}\r\nidempotency-key: g/flights/-/{partition}/{offset}\r\n\
             content-length: 5\r\n\r\nvalue"
        )
        .into_bytes()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// How the service ended the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, unread: Vec::new() }
    }

    /// Where the service has ended the connection already, the answer will tell.
    pub(crate) fn send(&mut self, post: &Post) {
        let _ = self.stream.write_all(&post.bytes());
    }

    /// Sends it and reads its answer, which must be well-formed.
    pub(crate) fn ask(&mut self, post: &Post) -> Answer {
        self.send(post);
        self.answer()
    }

    /// As [`Client::ask`]; none where the connection ends instead.
    pub(crate) fn ask_or_end(&mut self, post: &Post) -> Option<Answer> {
        self.send(post);
        self.more().ok().map(|()| self.answer())
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().expect("an answer's head");
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).expect("text");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        while self.unread.len() < length {
            self.more().expect("an answer's body");
        }
        let body = String::from_utf8(self.unread.drain(..length).collect()).expect("text");
        Answer { status: status.unwrap_or_else(|| panic!("a status: {head}")), head, body }
    }

    /// All that comes until the service ends the connection.
    pub(crate) fn rest(&mut self) -> (String, End) {
        let end = loop {
            if let Err(end) = self.more() {
                break end;
            }
        };
        (String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned(), end)
    }

    /// Reads until so many bytes have come, and forgets them.
    pub(crate) fn swallow(&mut self, bytes: usize) {
        let mut swallowed = 0;
        while swallowed < bytes {
            self.more().expect("it goes on");
            swallowed += self.unread.len();
            self.unread.clear();
        }
    }

    fn more(&mut self) -> Result<(), End> {
        let mut bytes = [0; 64 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                self.unread.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(End::Reset),
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether nothing at all comes in this time.
    pub(crate) fn hears_nothing_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a time");
        let heard = self.stream.read(&mut [0; 1]);
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
