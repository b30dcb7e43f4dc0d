//! What an answer means: the delivery contract's verdict table, as a function of the answer alone.

use std::time::{Duration, SystemTime};

use forebay_core::{Answer, TargetFault, UnknownCause, Verdict};
use hyper::StatusCode;
use hyper::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

/// Of a body, this much is kept for people to read.
pub const REASON_BYTES: usize = 1 << 10;

const VERDICT: HeaderName = HeaderName::from_static("forebay-verdict");
const AFTER: HeaderName = HeaderName::from_static("forebay-retry-after-ms");
const REASON: HeaderName = HeaderName::from_static("forebay-reason");

/// Reads a whole answer. `body`: its first bytes, of which up to [`REASON_BYTES`] are used; `now`
/// is asked only where a date must be turned into a wait and the answer has no date of its own.
pub fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: impl FnOnce() -> SystemTime,
) -> Answer {
    let verdict = if headers.contains_key(VERDICT) {
        said(headers).unwrap_or(Verdict::Unknown(UnknownCause::Unreadable))
    } else {
        by_status(status, headers, now)
    };
    let reason = if verdict == Verdict::Accept { None } else { reason(headers, body) };
    Answer { verdict, status: Some(status.as_u16()), reason }
}

/// The service's own word; none where it can't be read, and two different words are no word.
fn said(headers: &HeaderMap) -> Option<Verdict> {
    match sole(headers, &VERDICT)?.as_bytes() {
        b"accept" => Some(Verdict::Accept),
        b"reject" => Some(Verdict::Reject { said: true }),
        b"retry" if !headers.contains_key(AFTER) => {
            Some(Verdict::Retry { said: true, after: None })
        }
        b"retry" => {
            let millis = decimal(sole(headers, &AFTER)?)?;
            Some(Verdict::Retry { said: true, after: Some(Duration::from_millis(millis)) })
        }
        _ => None,
    }
}

fn by_status(status: StatusCode, headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Accept,
        429 | 503 => Verdict::BackPressure { after: retry_after(headers, now) },
        504 => Verdict::Unknown(UnknownCause::Deadline),
        100..=199 | 300..=399 | 401 | 403 | 405 | 407 | 421 | 431 | 501 => {
            Verdict::TargetFault(TargetFault::Status)
        }
        408 | 425 | 500..=599 => Verdict::Retry { said: false, after: None },
        400..=499 => Verdict::Reject { said: false },
        // HTTP has no such status (RFC 9110, section 15).
        _ => Verdict::Unknown(UnknownCause::Unreadable),
    }
}

/// `retry-after` (RFC 9110, section 10.2.3): seconds, or a date, which counts from the answer's own
/// `date` where it has one, for clocks need not agree. None where it can't be read.
fn retry_after(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let value = sole(headers, &RETRY_AFTER)?;
    if let Some(seconds) = decimal(value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    let until = date(value)?;
    let from = headers.get(DATE).and_then(date).unwrap_or_else(now);
    Some(until.duration_since(from).unwrap_or_default())
}

/// The header's value where it stands there once, or several times alike.
fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// Digits only; more than fit are the largest number.
fn decimal(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

fn reason(headers: &HeaderMap, body: &[u8]) -> Option<Box<str>> {
    let bytes = match headers.get(REASON) {
        Some(reason) => reason.as_bytes(),
        None => body,
    };
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(REASON_BYTES)]);
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests;
