//! One HTTP/1.1 connection to an endpoint, and one exchange at a time on it.
//!
//! The client's own driver is polled inside the exchange, so an exchange is no task and no wake-up
//! but the socket's. An answer counts once it is whole: one that is cut off, by the deadline or by
//! the peer, is unknown whatever its status was. Of a body at most 64 KiB are read; past that the
//! status stands and the connection is closed instead of drained. Nothing that a service sends is
//! read without bound. What it says before it is asked is no answer, as long as it arrives before the
//! request leaves; where the two cross, nothing in HTTP tells it from an answer.

use std::error::Error as _;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use forebay_core::{Answer, TargetFault, TlsFault, UnknownCause, Verdict};
use http_body_util::Full;
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use crate::socket::{Socket, Wire};
use crate::stream::Stream;
use crate::tls::{self, Tls};
use crate::verdict::{self, REASON_BYTES};
use crate::{Endpoint, Request};

/// A response's status line and headers, bytes.
const MAX_RESPONSE_HEADERS: usize = 64 << 10;
/// Of a response's body, bytes.
const MAX_RESPONSE_BODY: usize = 64 << 10;
/// All that is read for one answer, bytes: also a body in chunks of a byte each, of which the client
/// shows a sixth, and interim answers, of which it shows nothing.
const MAX_RESPONSE: usize = 512 << 10;
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;
/// After this long without an exchange the kernel is asked whether the peer has hung up.
const PROBE_AFTER: Duration = Duration::from_millis(1);

type Driver = http1::Connection<TokioIo<Stream>, Full<Bytes>>;

/// An open connection. Dropping it, or an exchange on it, closes it.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once the connection is over. An exchange holds it meanwhile, so that one that is dropped
    /// closes the connection.
    driver: Option<Box<Driver>>,
    wire: Rc<Wire>,
    /// Never later than the deadline of the exchange under way. It is set anew only when it rings,
    /// so an exchange that ends in time touches no timer.
    alarm: Pin<Box<Sleep>>,
    opened: Instant,
    retires: Option<Instant>,
    used: Instant,
    exchanges: u64,
    doubted: bool,
    lost_unheard: bool,
}

/// The driver while an exchange holds it.
struct Driving {
    driver: Option<Box<Driver>>,
    /// Some byte of the final answer came; interim ones do not count.
    heard: bool,
}

/// Why no connection was opened: in any case not a byte of a request was sent.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{endpoint}: the name does not resolve: {source}")]
    Name { endpoint: String, source: io::Error },
    #[error("{endpoint}: the name has no address")]
    NoAddress { endpoint: String },
    #[error("{endpoint}: no connection: {source}")]
    Connect { endpoint: String, source: io::Error },
    #[error("{endpoint}: {reason}")]
    Tls { endpoint: String, fault: TlsFault, reason: String },
    #[error("{endpoint}: no connection in time")]
    Deadline { endpoint: String },
}

impl OpenError {
    /// The contract's word for it.
    pub fn fault(&self) -> TargetFault {
        match self {
            Self::Name { .. } | Self::NoAddress { .. } => TargetFault::Name,
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                TargetFault::Refused
            }
            Self::Tls { fault, .. } => TargetFault::Tls(*fault),
            Self::Connect { .. } | Self::Deadline { .. } => TargetFault::Connect,
        }
    }
}

impl From<OpenError> for Answer {
    fn from(error: OpenError) -> Self {
        at_fault(error.fault(), error.to_string())
    }
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    Answer(Answer),
    /// The connection was lost, and not a byte of the request was handed to the kernel; or the
    /// service broke off its TLS handshake, in which it reads none.
    NotSent {
        fault: TargetFault,
        reason: Box<str>,
    },
}

impl Connection {
    /// Resolves the endpoint's name, connects to the first of its addresses that takes it, and
    /// secures that where the endpoint wants it.
    pub async fn open(
        endpoint: &Endpoint,
        tls: &Tls,
        deadline: Instant,
    ) -> Result<Self, OpenError> {
        let stream = connect(endpoint, deadline).await?;
        let fails = |source| OpenError::Connect { endpoint: endpoint.to_string(), source };
        stream.set_nodelay(true).map_err(fails)?;
        let wire = Rc::new(Wire::default());
        let socket = Socket::new(stream, Rc::clone(&wire), endpoint.is_secure());
        let stream =
            match endpoint.certified() {
                None => Stream::Plain(socket),
                Some(certified) => {
                    wire.begin(false, MAX_RESPONSE);
                    // Apart, so that no delivery slot keeps room for a handshake.
                    let handshake = Box::pin(tls.secure(socket, certified));
                    let secured = timeout_at(deadline, handshake).await;
                    let secured = secured.unwrap_or_else(|_| Err(tls::Refused::silent()));
                    let secured = secured.map_err(|tls::Refused { fault, reason }| {
                        OpenError::Tls { endpoint: endpoint.to_string(), fault, reason }
                    })?;
                    Stream::Tls(Box::new(secured))
                }
            };
        Self::over(stream, wire, deadline).await.map_err(fails)
    }

    async fn over(stream: Stream, wire: Rc<Wire>, deadline: Instant) -> io::Result<Self> {
        let io = TokioIo::new(stream);
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MAX_RESPONSE_HEADERS)
            .max_buf_size(MAX_RESPONSE_HEADERS)
            .handshake(io)
            .await
            .map_err(io::Error::other)?;
        let now = Instant::now();
        Ok(Self {
            sender,
            driver: Some(Box::new(driver)),
            wire,
            alarm: Box::pin(sleep_until(deadline)),
            opened: now,
            retires: None,
            used: now,
            exchanges: 0,
            doubted: false,
            lost_unheard: false,
        })
    }

    /// Sends `request` and waits for its answer until `deadline`. Nothing is sent past it.
    ///
    /// Dropping the future closes the connection: the service may then still process the request.
    pub async fn exchange(&mut self, request: Request, deadline: Instant) -> Exchange {
        if !self.is_usable() {
            let reason = "the connection is closed".into();
            return Exchange::NotSent { fault: TargetFault::Connect, reason };
        }
        let now = Instant::now();
        if now >= deadline {
            return Exchange::Answer(too_late());
        }
        // Bytes on a new connection, before any request, can't be its answer.
        let probe = self.exchanges == 0 || self.doubted || now - self.used >= PROBE_AFTER;
        self.wire.begin(probe, MAX_RESPONSE);
        self.exchanges += 1;
        if self.alarm.deadline() > deadline {
            self.alarm.as_mut().reset(deadline);
        }
        let mut driving = Driving { driver: self.driver.take(), heard: false };
        let answer = self.answer(&mut driving, request, deadline).await;
        self.used = Instant::now();
        match answer {
            Ok(answer) => {
                self.driver = driving.driver;
                Exchange::Answer(answer)
            }
            Err(lost) => {
                driving.end();
                let unheard = self.exchanges == 1 && !driving.heard;
                let exchange = lost.judge(self.wire.sent(), unheard);
                self.lost_unheard = !driving.heard && is_lost(&exchange);
                exchange
            }
        }
    }

    async fn answer(
        &mut self,
        driving: &mut Driving,
        request: Request,
        deadline: Instant,
    ) -> Result<Answer, Lost> {
        let mut response = pin!(self.sender.send_request(request.0));
        let head: Response<Incoming> = std::future::poll_fn(|cx| {
            driving.poll(cx);
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(response.map_err(Lost::Http));
            }
            ready!(ring(self.alarm.as_mut(), deadline, cx));
            Poll::Ready(Err(Lost::Deadline))
        })
        .await?;

        driving.heard = true;
        let (head, body) = head.into_parts();
        let mut text = Vec::new();
        if !body.is_end_stream() {
            let whole = self.read_body(driving, body, deadline, &mut text).await?;
            if !whole {
                driving.driver = None;
            }
        }
        Ok(verdict::read(head.status, &head.headers, &text, SystemTime::now))
    }

    /// Keeps the first bytes in `text`; false where the body passes what is read of it.
    async fn read_body(
        &mut self,
        driving: &mut Driving,
        body: Incoming,
        deadline: Instant,
        text: &mut Vec<u8>,
    ) -> Result<bool, Lost> {
        let mut body = pin!(body);
        let mut read = 0;
        let whole = std::future::poll_fn(|cx| {
            loop {
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let Some(data) = frame.data_ref() else { continue };
                        let kept = data.len().min(REASON_BYTES - text.len());
                        text.extend_from_slice(&data[..kept]);
                        read += data.len();
                        if read > MAX_RESPONSE_BODY {
                            return Poll::Ready(Ok(false));
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Lost::Http(error))),
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Pending => {
                        // The body ends with the driver that fed it, so it is asked once more.
                        if driving.poll(cx) {
                            continue;
                        }
                        ready!(ring(self.alarm.as_mut(), deadline, cx));
                        return Poll::Ready(Err(Lost::Deadline));
                    }
                }
            }
        })
        .await?;
        // The driver learns only now that it may go back to rest.
        if whole && !self.sender.is_ready() {
            std::future::poll_fn(|cx| Poll::Ready(driving.poll(cx))).await;
        }
        Ok(whole)
    }

    /// Whether another exchange may be tried; the peer may still have hung up unnoticed.
    pub fn is_usable(&self) -> bool {
        self.driver.is_some() && (self.exchanges == 0 || self.sender.is_ready())
    }

    /// Time since the connection was opened.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    pub(crate) fn retire_at(&mut self, at: Instant) {
        self.retires = Some(at);
    }

    /// Whether it is too old to be used again.
    pub(crate) fn is_retired(&self, now: Instant) -> bool {
        self.retires.is_some_and(|at| now >= at)
    }

    /// When the last exchange ended.
    pub fn used(&self) -> Instant {
        self.used
    }

    /// Exchanges begun.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Bytes read from the service.
    pub fn received(&self) -> u64 {
        self.wire.received()
    }

    /// Lets the kernel be asked before the next exchange, however short the rest was.
    pub(crate) fn set_doubted(&mut self, doubted: bool) {
        self.doubted = doubted;
    }

    /// Whether the connection was lost after a request was sent and before a byte of its final answer.
    pub(crate) fn was_lost_unheard(&self) -> bool {
        self.lost_unheard
    }
}

async fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<TcpStream, OpenError> {
    let name = || endpoint.to_string();
    let late = |_| OpenError::Deadline { endpoint: name() };
    let addresses: Vec<SocketAddr> = timeout_at(deadline, lookup_host(endpoint.address()))
        .await
        .map_err(late)?
        .map_err(|source| OpenError::Name { endpoint: name(), source })?
        .take(MAX_ADDRESSES)
        .collect();
    let mut last = OpenError::NoAddress { endpoint: name() };
    for (at, address) in addresses.iter().enumerate() {
        // One that does not reply leaves the others their share of the time.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - at).expect("there are few");
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => OpenError::Connect { endpoint: name(), source },
            Err(_) => OpenError::Deadline { endpoint: name() },
        };
    }
    Err(last)
}

impl Driving {
    /// Moves the connection on; true where it has just ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(driver) = &mut self.driver else { return false };
        if Pin::new(driver.as_mut()).poll(cx).is_pending() {
            return false;
        }
        // A request that the driver still holds is given back only when it is dropped.
        self.end();
        true
    }

    /// Closes the connection, and looks for an answer that was begun.
    fn end(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.heard |= !driver.into_parts().read_buf.is_empty();
        }
    }
}

/// Ready once the deadline has passed.
fn ring(mut alarm: Pin<&mut Sleep>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    while alarm.as_mut().poll(cx).is_ready() {
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
    }
    // A service that never stops talking uses up the task's share of work, without which no timer
    // rings; the clock is asked instead.
    if !coop::has_budget_remaining() && Instant::now() >= deadline {
        return Poll::Ready(());
    }
    Poll::Pending
}

/// Why an exchange has no answer.
enum Lost {
    Deadline,
    Http(hyper::Error),
}

impl Lost {
    /// `unheard`: the service has not said a word of HTTP on this connection.
    fn judge(self, sent: bool, unheard: bool) -> Exchange {
        let (cause, reason) = match self {
            Self::Deadline => (UnknownCause::Deadline, "no answer in time".to_owned()),
            Self::Http(error) if unheard && let Some(refused) = refused(&error) => {
                let fault = TargetFault::Tls(refused.fault);
                return Exchange::NotSent { fault, reason: refused.reason.into() };
            }
            Self::Http(error) if !sent => {
                let reason = describe(&error).into();
                return Exchange::NotSent { fault: TargetFault::Connect, reason };
            }
            Self::Http(error) if is_unreadable(&error) => {
                (UnknownCause::Unreadable, describe(&error))
            }
            Self::Http(error) => (UnknownCause::ConnectionLost, describe(&error)),
        };
        let verdict = Verdict::Unknown(cause);
        Exchange::Answer(Answer { verdict, status: None, reason: Some(reason.into()) })
    }
}

/// Whether the service broke off because of our certificate.
fn refused(error: &hyper::Error) -> Option<tls::Refused> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref().and_then(tls::Refused::late) {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

fn is_lost(exchange: &Exchange) -> bool {
    let lost = Verdict::Unknown(UnknownCause::ConnectionLost);
    matches!(exchange, Exchange::Answer(answer) if answer.verdict == lost)
}

/// Whether the peer spoke, but no HTTP.
fn is_unreadable(error: &hyper::Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_parse()
        || io.is_some_and(|io| {
            matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        })
}

fn describe(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// There was no time left to send anything.
pub(crate) fn too_late() -> Answer {
    let verdict = Verdict::Unknown(UnknownCause::Deadline);
    let reason = Some("the deadline had passed before the request was sent".into());
    Answer { verdict, status: None, reason }
}

pub(crate) fn at_fault(fault: TargetFault, reason: String) -> Answer {
    let verdict = Verdict::TargetFault(fault);
    Answer { verdict, status: None, reason: Some(reason.into()) }
}
