//! The request of delivery contract v1: one record, one `POST`.
//!
//! What is constant for a partition is prepared once in [`Origin`], what is constant for an address
//! in [`Endpoint`]; [`RequestWriter`] adds what belongs to the record. A value's bytes are never
//! copied. A header block larger than the limit is refused as [`DoesNotFit`], and nothing larger
//! than the limit is ever built. Left out: CloudEvents, batches.

mod headers;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use forebay_core::{Offset, Tenure};
use forebay_wire::{Replay, dead_letter};
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
const PARK: HeaderName = HeaderName::from_static("forebay-park");
const PARTITION: HeaderName = HeaderName::from_static("forebay-partition");
const REVISION: HeaderName = HeaderName::from_static("forebay-revision");
const SUBSCRIPTION: HeaderName = HeaderName::from_static("forebay-subscription");
const TENURE: HeaderName = HeaderName::from_static("forebay-tenure");
const TIMEOUT: HeaderName = HeaderName::from_static("forebay-timeout-ms");
const TIMESTAMP: HeaderName = HeaderName::from_static("forebay-timestamp");
const TOPIC: HeaderName = HeaderName::from_static("forebay-topic");
const VALUE: HeaderName = HeaderName::from_static("forebay-value");

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
    /// The park topic and its partition, where the record came by them: the tenure is of those.
    pub park: Option<(&'a str, i32)>,
    pub tenure: Tenure,
}

/// The headers that all records of one partition and tenure share.
#[derive(Clone, Debug)]
pub struct Origin {
    /// A plain record's request. Entering a header hashes its name; a copy of the map does not, so
    /// each request is a copy with the blanks filled in.
    template: HeaderMap,
    /// What each value of `template` is, in the map's order.
    blanks: Box<[Blank]>,
    /// `<group>/<topic>/<topic id>/<partition>/`
    idempotency: Box<str>,
    /// Of `idempotency`, up to the topic.
    group_bytes: usize,
    topic: Box<str>,
    group: Box<str>,
    /// Of the template, with its blanks empty.
    header_bytes: usize,
}

/// What a value of the template stands for.
#[derive(Clone, Copy, Debug)]
enum Blank {
    /// The same in all requests.
    Filled,
    Host,
    Revision,
    Offset,
    Timestamp,
    Key,
    Attempt,
    Timeout,
    IdempotencyKey,
    ContentType,
    ContentLength,
}

impl Origin {
    pub fn new(names: Names<'_>) -> Self {
        let decimal = |number: i64| HeaderValue::from(number);
        let blank = || HeaderValue::from_static("");
        let mut headers = vec![
            (HOST, blank(), Blank::Host),
            (CONTRACT, HeaderValue::from_static("v1"), Blank::Filled),
            (SUBSCRIPTION, visible(names.subscription.as_bytes()), Blank::Filled),
            (GROUP, visible(names.group.as_bytes()), Blank::Filled),
            (TOPIC, visible(names.topic.as_bytes()), Blank::Filled),
            (PARTITION, decimal(names.partition.into()), Blank::Filled),
            (TENURE, decimal(names.tenure.0), Blank::Filled),
            (REVISION, blank(), Blank::Revision),
            (OFFSET, blank(), Blank::Offset),
            (TIMESTAMP, blank(), Blank::Timestamp),
            (KEY, blank(), Blank::Key),
            (ATTEMPT, blank(), Blank::Attempt),
            (TIMEOUT, blank(), Blank::Timeout),
            (IDEMPOTENCY_KEY, blank(), Blank::IdempotencyKey),
            (CONTENT_TYPE, blank(), Blank::ContentType),
            (CONTENT_LENGTH, blank(), Blank::ContentLength),
        ];
        if let Some((topic, partition)) = names.park {
            let place = visible(format!("{topic}/{partition}").as_bytes());
            headers.push((PARK, place, Blank::Filled));
        }
        let header_bytes = headers.iter().map(|(name, value, _)| line(name, value)).sum();
        let template: HeaderMap =
            headers.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
        let blank_of = |name| headers.iter().find(|header| header.0 == name).map(|header| header.2);
        let blanks = template.keys().filter_map(blank_of).collect();
        let group = format!("{}/", percent_encode(names.group.as_bytes(), ESCAPED));
        let idempotency = format!(
            "{group}{}/{}/{}/",
            percent_encode(names.topic.as_bytes(), ESCAPED),
            percent_encode(names.topic_id.unwrap_or("-").as_bytes(), ESCAPED),
            names.partition,
        );
        Self {
            template,
            blanks,
            idempotency: idempotency.into(),
            group_bytes: group.len(),
            topic: names.topic.into(),
            group: names.group.into(),
            header_bytes,
        }
    }

    /// The idempotency key of a first reading.
    fn name(&self, text: &mut BytesMut, sent_back: Option<&[u8]>, offset: Offset) {
        match sent_back {
            Some(from) => {
                text.put_slice(&self.idempotency.as_bytes()[..self.group_bytes]);
                escape(text, from);
            }
            None => {
                text.put_slice(self.idempotency.as_bytes());
                decimal(text, offset.0);
            }
        }
    }

    /// Where a record was first read from, if it was sent back from a dead letter topic. One that
    /// had such a header of another topic before keeps that beside it.
    fn of_sent_back<'a, H>(&self, headers: H) -> Option<&'a [u8]>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        let mut said =
            headers.filter(|(name, _)| *name == dead_letter::ORIGIN).filter_map(|(_, said)| said);
        said.find(|said| dead_letter::is_origin(said, &self.topic))
    }
}

/// A record as it lies in Kafka, and which delivery of it this is.
///
/// `headers`: name, and value or null, in the record's order; cloned for each of them, so a cheap
/// iterator over borrowed headers.
#[derive(Clone, Debug)]
pub struct Record<'a, H> {
    pub offset: Offset,
    /// Which reading again of it this is, by its partition.
    pub replay: Replay,
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
    /// The header block as it will be sent.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }
}

/// Writes requests.
#[derive(Debug)]
pub struct RequestWriter {
    max_header_bytes: usize,
    /// Of record headers; none is all.
    sent: Option<Arc<[String]>>,
    text: BytesMut,
    /// The last timeout and its text: it is nearly always the same.
    timeout: (u128, HeaderValue),
}

impl RequestWriter {
    /// `max_header_bytes` bounds the request line and all headers together.
    pub fn new(max_header_bytes: usize) -> Self {
        Self {
            max_header_bytes,
            sent: None,
            text: BytesMut::new(),
            timeout: (0, HeaderValue::from_static("0")),
        }
    }

    /// Of a record's headers only those with one of these names go out as such; none is all.
    #[must_use]
    pub fn sending(self, sent: Option<Arc<[String]>>) -> Self {
        Self { sent, ..self }
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
        // Not cut off, else nearly all would say a millisecond less than was configured.
        let millis = (timeout.as_micros() + 500) / 1000;
        if self.timeout.0 != millis {
            let text = HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX));
            self.timeout = (millis, text);
        }
        let mut block = Block {
            headers: origin.template.clone(),
            text: &mut self.text,
            bytes: endpoint.request_line_len() + origin.header_bytes + "\r\n".len(),
            limit: self.max_header_bytes,
        };
        block.fill(endpoint, origin, record, &self.timeout.1)?;
        match self.sent.as_deref() {
            None => block.put_record_headers(record.headers.clone())?,
            Some(sent) => block.put_record_headers(
                record.headers.clone().filter(|(name, _)| sent.iter().any(|sent| sent == name)),
            )?,
        }
        block.put_trace(record.headers.clone())?;
        if record.value.is_none() {
            block.put(VALUE, HeaderValue::from_static("null"))?;
        }
        let mut request = hyper::Request::new(Full::new(record.value.clone().unwrap_or_default()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.uri.clone();
        *request.headers_mut() = block.headers;
        Ok(Request(request))
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
        let value = cut(self.text, write);
        self.put(name, value)
    }

    /// Fills the origin's template in.
    fn fill<'a, H>(
        &mut self,
        endpoint: &Endpoint,
        origin: &Origin,
        record: &Record<'a, H>,
        timeout: &HeaderValue,
    ) -> Result<(), DoesNotFit>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        // Before a large key is escaped into something larger still.
        if record.key.is_some_and(|key| key.len() > self.limit) {
            return Err(DoesNotFit { limit: self.limit });
        }
        let key = record.key.filter(|key| std::str::from_utf8(key).is_ok());
        let content_type = headers::content_type(record.headers.clone(), self.limit);
        let length = record.value.as_ref().map_or(0, Bytes::len);
        let sent_back = origin.of_sent_back(record.headers.clone());
        let died_in = sent_back.map(|_| Replay::of_origin(record.headers.clone(), &origin.group));
        let replay = record.replay.max(died_in.unwrap_or_default()).said();
        let mut bytes = 0;
        for (value, blank) in self.headers.values_mut().zip(&origin.blanks) {
            *value = match blank {
                Blank::Filled => continue,
                Blank::Host => endpoint.host.clone(),
                Blank::Revision => endpoint.revision.clone(),
                Blank::Offset => cut(self.text, |text| decimal(text, record.offset.0)),
                Blank::Timestamp => cut(self.text, |text| decimal(text, record.timestamp)),
                Blank::Key => cut(self.text, |text| escape(text, key.unwrap_or_default())),
                Blank::Attempt if record.attempt == 1 => HeaderValue::from_static("1"),
                Blank::Attempt => cut(self.text, |text| decimal(text, record.attempt.into())),
                Blank::Timeout => timeout.clone(),
                Blank::IdempotencyKey => cut(self.text, |text| {
                    origin.name(text, sent_back, record.offset);
                    if let Some(replay) = replay {
                        text.put_slice(format!("/replay-{replay}").as_bytes());
                    }
                }),
                Blank::ContentType => content_type.clone().unwrap_or(OCTETS),
                // The client would leave it out for an empty body, and some servers answer 411.
                Blank::ContentLength => cut(self.text, |text| decimal(text, length as i64)),
            };
            bytes += value.len();
        }
        if key.is_none()
            && let Some(blank) = self.headers.remove(KEY)
        {
            self.bytes -= line(&KEY, &blank);
        }
        self.count(bytes)?;
        match record.key {
            Some(binary) if key.is_none() => {
                self.put_text(KEY_BASE64, |text| text.put_slice(STANDARD.encode(binary).as_bytes()))
            }
            _ => Ok(()),
        }
    }
}

/// A header's value of what `write` adds to `text`: only bytes that it may hold.
fn cut(text: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
    if text.capacity() < 128 {
        text.reserve(TEXT_CHUNK);
    }
    write(text);
    HeaderValue::from_maybe_shared(text.split().freeze()).expect("only visible ASCII was written")
}

fn escape(text: &mut BytesMut, bytes: &[u8]) {
    percent_encode(bytes, ESCAPED).for_each(|part| text.put_slice(part.as_bytes()));
}

/// Bytes of one header on the wire.
fn line(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len() + ": \r\n".len()
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
