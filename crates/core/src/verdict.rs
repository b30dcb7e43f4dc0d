//! What a service's answer means, in the delivery contract's words.
//!
//! What is not clearly a success is not a success; what is not clearly the record's fault is not
//! charged to the record.

use alloc::boxed::Box;
use core::time::Duration;

/// How one delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Verdict,
    /// The HTTP status, where one was read.
    pub status: Option<u16>,
    /// `forebay-reason`, the first 1 KiB of the body, or what went wrong: for people to read.
    pub reason: Option<Box<str>>,
}

impl Answer {
    /// A plain accept, which is nearly every answer there is.
    pub const fn accepted(status: u16) -> Self {
        Self { verdict: Verdict::Accept, status: Some(status), reason: None }
    }

    /// No answer came before the deadline.
    pub const fn overdue() -> Self {
        Self { verdict: Verdict::Unknown(UnknownCause::Deadline), status: None, reason: None }
    }
}

/// The contract's reading of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Settled.
    Accept,
    /// Try again. `said`: in the service's own word (`forebay-verdict`), not read off a status.
    Retry { said: bool, after: Option<Duration> },
    /// Never try this record again.
    Reject { said: bool },
    /// The service asks for less.
    BackPressure { after: Option<Duration> },
    /// The endpoint, not the record, is at fault, and the record was not processed.
    TargetFault(TargetFault),
    /// The service may have processed the record, or may still do so.
    Unknown(UnknownCause),
}

/// Why an endpoint counts as at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFault {
    /// The name did not resolve.
    Name,
    /// Nothing listens at the address: whatever worked there is gone.
    Refused,
    /// No connection came about, or it was lost before the request was sent. The endpoint may be
    /// well, and at work on what it was sent before.
    Connect,
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// A status that no working consumer service gives (401, 403, 405, redirects, 501 …).
    Status,
}

/// What a TLS handshake failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// Nobody who is trusted has signed the service's certificate.
    Authority,
    /// The service shows a certificate that is an authority's own.
    AuthoritysOwn,
    /// The service's certificate can't be used for another reason: it can't be read, is revoked …
    Certificate,
    /// The service's certificate is over, or has not begun.
    Expired,
    /// The service's certificate is for another name.
    Name,
    /// The service does not take our certificate, or wants one.
    Client,
    /// Anything else: no TLS is spoken there, or no version or cipher in common.
    Handshake,
}

/// Why it can't be known what the service did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownCause {
    /// No answer before the deadline, or 504 from something in between.
    Deadline,
    /// The connection was lost after the request was sent.
    ConnectionLost,
    /// The answer is no HTTP, or its verdict headers can't be read.
    Unreadable,
    /// The delivery was given up by us: drain deadline, or the endpoint was removed.
    Abandoned,
}
