//! The request of delivery contract v1: one record, one `POST`.
//!
//! What is constant for a partition is prepared once in [`Origin`], what is constant for an address
//! in [`Endpoint`]; [`RequestWriter`] adds what belongs to the record. A value's bytes are never
//! copied. A header block larger than the limit is refused as [`DoesNotFit`], and nothing larger
//! than the limit is ever built. Left out: `traceparent`, CloudEvents, batches.

mod headers;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use forebay_core::{Offset, Tenure};
use http_body_util::Full;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::Endpoint;

/// What is written as `%XX`: all but visible ASCII, and of that the quote and the percent sign, as
/// in the HTTP binding of CloudEvents.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const ATTEMPT: HeaderName = HeaderName::from_static("forebay-attempt");
const CONTRACT: HeaderName = HeaderName::from_static("forebay-contract");
const GROUP: HeaderName = HeaderName::from_static("forebay-group");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY: HeaderName = HeaderName::from_static("forebay-key");
const KEY_BASE64: HeaderName = HeaderName::from_static("forebay-key-base64");
const OFFSET: HeaderName = HeaderName::from_static("forebay-offset");
const PARTITION: HeaderName = HeaderName::from_static("forebay-partition");
const REVISION: HeaderName = HeaderName::from_static("forebay-revision");
const SUBSCRIPTION: HeaderName = HeaderName::from_static("forebay-subscription");
const TENURE: HeaderName = HeaderName::from_static("forebay-tenure");
const TIMEOUT: HeaderName = HeaderName::from_static("forebay-timeout-ms");
const TIMESTAMP: HeaderName = HeaderName::from_static("forebay-timestamp");
const TOPIC: HeaderName = HeaderName::from_static("forebay-topic");
const VALUE: HeaderName = HeaderName::from_static("forebay-value");

/// Headers that a plain request has, so that its map is allocated once.
const USUAL_HEADERS: usize = 24;
/// The text of header values is cut from chunks of this size.
const TEXT_CHUNK: usize = 8 << 10;

/// Any bytes as a header value that [`percent_encoding`] decodes again.
pub(crate) fn visible(bytes: &[u8]) -> HeaderValue {
    let text: String = percent_encode(bytes, ESCAPED).collect();
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("what is escaped is visible ASCII")
}

/// The names of a record's origin; what is not visible ASCII in them is percent-encoded.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub subscription: &'a str,
    pub group: &'a str,
    pub topic: &'a str,
    /// As Kafka prints it; none where the broker has no topic ids (before 2.8).
    pub topic_id: Option<&'a str>,
    pub partition: i32,
    pub tenure: Tenure,
}

/// The headers that all records of one partition and tenure share.
#[derive(Clone, Debug)]
pub struct Origin {
    constant: [(HeaderName, HeaderValue); 6],
    /// `<group>/<topic>/<topic id>/<partition>/`
    idempotency: Box<str>,
    header_bytes: usize,
}

impl Origin {
    pub fn new(names: Names<'_>) -> Self {
        let decimal = |number: i64| HeaderValue::from(number);
        let constant = [
            (CONTRACT, HeaderValue::from_static("v1")),
            (SUBSCRIPTION, visible(names.subscription.as_bytes())),
            (GROUP, visible(names.group.as_bytes())),
            (TOPIC, visible(names.topic.as_bytes())),
            (PARTITION, decimal(names.partition.into())),
            (TENURE, decimal(names.tenure.0)),
        ];
        let idempotency = format!(
            "{}/{}/{}/{}/",
            percent_encode(names.group.as_bytes(), ESCAPED),
            percent_encode(names.topic.as_bytes(), ESCAPED),
            percent_encode(names.topic_id.unwrap_or("-").as_bytes(), ESCAPED),
            names.partition,
        );
        let header_bytes = constant.iter().map(|(name, value)| line(name, value)).sum();
        Self { constant, idempotency: idempotency.into(), header_bytes }
    }
}

/// A record as it lies in Kafka, and which delivery of it this is.
///
/// `headers`: name, and value or null, in the record's order; cloned for each of them, so a cheap
/// iterator over borrowed headers.
#[derive(Clone, Debug)]
pub struct Record<'a, H> {
    pub offset: Offset,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    /// None is a null value: a tombstone.
    pub value: Option<Bytes>,
    pub headers: H,
    /// 1 for the record's first delivery.
    pub attempt: u32,
}

/// The header block would pass `max_header_bytes`: the record is to be rejected with this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record's key and headers do not fit into {limit} bytes of HTTP headers (max_header_bytes)"
)]
pub struct DoesNotFit {
    /// Bytes.
    pub limit: usize,
}

/// One delivery, ready to be written.
#[derive(Debug)]
pub struct Request(pub(crate) hyper::Request<Full<Bytes>>);

impl Request {
    /// The header block as it will be sent, but for `content-length`.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }
}

/// Writes requests, and reuses what earlier ones were made of.
#[derive(Debug)]
pub struct RequestWriter {
    max_header_bytes: usize,
    text: BytesMut,
    /// Emptied maps of requests that are over.
    spare: Vec<HeaderMap>,
    /// The last timeout and its text: it is nearly always the same.
    timeout: (u128, HeaderValue),
}

impl RequestWriter {
    /// `max_header_bytes` bounds the request line and all headers together.
    pub fn new(max_header_bytes: usize) -> Self {
        Self {
            max_header_bytes,
            text: BytesMut::new(),
            spare: Vec::new(),
            timeout: (0, HeaderValue::from_static("0")),
        }
    }

    /// The request that delivers `record`, and says that its answer is awaited for `timeout`.
    pub fn write<'a, H>(
        &mut self,
        endpoint: &Endpoint,
        origin: &Origin,
        record: &Record<'a, H>,
        timeout: Duration,
    ) -> Result<Request, DoesNotFit>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let mut block = Block {
            headers: self.spare.pop().unwrap_or_else(|| HeaderMap::with_capacity(USUAL_HEADERS)),
            text: &mut self.text,
            bytes: endpoint.request_line_len() + origin.header_bytes + "\r\n".len(),
            limit: self.max_header_bytes,
        };
        block.put(HOST, endpoint.host.clone())?;
        for (name, value) in &origin.constant {
            block.headers.insert(name.clone(), value.clone());
        }
        block.put(REVISION, endpoint.revision.clone())?;
        block.put_text(OFFSET, |text| decimal(text, record.offset.0))?;
        block.put_text(TIMESTAMP, |text| decimal(text, record.timestamp))?;
        if let Some(key) = record.key {
            block.put_key(key)?;
        }
        if record.attempt == 1 {
            block.put(ATTEMPT, HeaderValue::from_static("1"))?;
        } else {
            block.put_text(ATTEMPT, |text| decimal(text, record.attempt.into()))?;
        }
        // Not cut off, else nearly all would say a millisecond less than was configured.
        let millis = (timeout.as_micros() + 500) / 1000;
        if self.timeout.0 != millis {
            let text = HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX));
            self.timeout = (millis, text);
        }
        block.put(TIMEOUT, self.timeout.1.clone())?;
        block.put_text(IDEMPOTENCY_KEY, |text| {
            text.put_slice(origin.idempotency.as_bytes());
            decimal(text, record.offset.0);
        })?;
        let content_type = block.put_record_headers(record.headers.clone())?;
        block.put(CONTENT_TYPE, content_type.unwrap_or(OCTETS))?;
        if record.value.is_none() {
            block.put(VALUE, HeaderValue::from_static("null"))?;
        }
        let value = record.value.clone().unwrap_or_default();
        if value.is_empty() {
            // The client leaves it out for an empty body, and some servers then answer 411.
            block.put(CONTENT_LENGTH, HeaderValue::from_static("0"))?;
        } else {
            block.count("content-length: \r\n".len() + digits(value.len()))?;
        }

        let mut request = hyper::Request::new(Full::new(value));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.uri.clone();
        *request.headers_mut() = block.headers;
        Ok(Request(request))
    }

    /// Takes back the map of a request that is over.
    pub fn recycle(&mut self, mut headers: HeaderMap) {
        // What a response grew is let go, so that one odd service does not keep memory.
        if self.spare.len() < 1024 && headers.capacity() <= 4 * USUAL_HEADERS {
            headers.clear();
            self.spare.push(headers);
        }
    }
}

/// A header block under construction; `bytes` is what it comes to on the wire.
struct Block<'w> {
    headers: HeaderMap,
    text: &'w mut BytesMut,
    bytes: usize,
    limit: usize,
}

impl Block<'_> {
    fn count(&mut self, bytes: usize) -> Result<(), DoesNotFit> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit { Err(DoesNotFit { limit: self.limit }) } else { Ok(()) }
    }

    fn put(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), DoesNotFit> {
        self.count(line(&name, &value))?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Writes only bytes that a header value may hold.
    fn put_text(
        &mut self,
        name: HeaderName,
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<(), DoesNotFit> {
        if self.text.capacity() < 128 {
            self.text.reserve(TEXT_CHUNK);
        }
        write(self.text);
        let value = HeaderValue::from_maybe_shared(self.text.split().freeze())
            .expect("only visible ASCII was written");
        self.put(name, value)
    }

    fn put_key(&mut self, key: &[u8]) -> Result<(), DoesNotFit> {
        // Before a large key is escaped into something larger still.
        if key.len() > self.limit {
            return Err(DoesNotFit { limit: self.limit });
        }
        if std::str::from_utf8(key).is_ok() {
            self.put_text(KEY, |text| {
                percent_encode(key, ESCAPED).for_each(|part| text.put_slice(part.as_bytes()));
            })
        } else {
            self.put_text(KEY_BASE64, |text| text.put_slice(STANDARD.encode(key).as_bytes()))
        }
    }
}

/// Bytes of one header on the wire.
fn line(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len() + ": \r\n".len()
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn decimal(text: &mut BytesMut, number: i64) {
    let mut reversed = [0; 20];
    let mut left = number.unsigned_abs();
    let mut at = reversed.len();
    loop {
        at -= 1;
        reversed[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        text.put_u8(b'-');
    }
    text.put_slice(&reversed[at..]);
}

#[cfg(test)]
mod tests;
