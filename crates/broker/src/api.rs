//! What every Kafka API has in common: its range of versions, its outline, and how it is served.
//!
//! Each file in `handlers/` declares one [`Api`] and its behaviour; [`ALL`] collects them, and
//! both the ApiVersions answer and the dispatch come from it, so nothing can be advertised that
//! isn't served. Ranges are chosen by hand: the codec's own maxima contain versions that differ
//! between request and response, and some that no released broker speaks.

use std::future::Future;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request};
use tokio::sync::OwnedSemaphorePermit;

use crate::handlers::ALL;
use crate::node::Node;
use crate::shape::{self, Shape};

pub(crate) struct Api {
    pub(crate) key: ApiKey,
    /// Versions that are served.
    pub(crate) versions: RangeInclusive<i16>,
    /// Lowest version that ApiVersions names; below `versions` where clients demand to see it.
    pub(crate) advertised_from: i16,
    /// First version with compact encodings and tagged fields (KIP-482).
    pub(crate) flexible_from: i16,
    pub(crate) shape: Shape,
    /// What is done before the first await happens in the order of a connection's requests.
    pub(crate) serve: fn(Arc<Node>, Call, Bytes) -> Serving,
}

/// One request's circumstances.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: String,
    pub(crate) host: IpAddr,
}

pub(crate) type Serving = Pin<Box<dyn Future<Output = Reply> + Send>>;

pub(crate) enum Reply {
    Send(Frame),
    /// Produce with acks 0 has no answer.
    Nothing,
    Close(Refused),
}

/// An encoded response: length, header and body, in pieces that are written one after the other.
pub(crate) struct Frame {
    pub(crate) pieces: Vec<Bytes>,
    /// Memory taken from the fetch budget, given back once the frame is written.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Why a connection is closed instead of answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("request frame ends within its header")]
    ShortHeader,
    #[error("API key {key} version {version} is not served")]
    Unsupported { key: i16, version: i16 },
    #[error("{0}")]
    Malformed(#[from] shape::Malformed),
    #[error("request can't be decoded: {0}")]
    Undecodable(String),
    #[error("answer can't be encoded: {0}")]
    Unencodable(String),
    #[error("a record batch sent without acknowledgement was refused")]
    Unacknowledged,
}

/// Finds the API of a frame (without its length prefix), checks it and starts to serve it.
pub(crate) fn dispatch(
    node: &Arc<Node>,
    host: IpAddr,
    mut frame: Bytes,
) -> Result<Started, Refused> {
    if frame.len() < 8 {
        return Err(Refused::ShortHeader);
    }
    let (key, version) = (frame.get_i16(), frame.get_i16());
    let correlation = frame.get_i32();
    let api = ALL.iter().find(|api| api.key as i16 == key);
    let api = api.ok_or(Refused::Unsupported { key, version })?;
    let mut call = Call { version, correlation, client_id: String::new(), host };
    if !api.versions.contains(&version) {
        if api.key == ApiKey::ApiVersions {
            let serving = crate::handlers::api_18_api_versions::unsupported(&call);
            return Ok(Started { key: api.key, serving });
        }
        return Err(Refused::Unsupported { key, version });
    }
    let flexible = version >= api.flexible_from;
    call.client_id = client_id(&mut frame, flexible)?;
    shape::check(&frame, api.shape, version, flexible)?;
    Ok(Started { key: api.key, serving: (api.serve)(Arc::clone(node), call, frame) })
}

pub(crate) struct Started {
    pub(crate) key: ApiKey,
    pub(crate) serving: Serving,
}

/// The client id and, in header version 2, tagged fields that nothing is known about.
fn client_id(frame: &mut Bytes, flexible: bool) -> Result<String, Refused> {
    const HEADER: Shape = &[shape::Field(shape::Kind::Text, 0, shape::ON)];
    shape::check(frame, HEADER, 0, false)?;
    let length = usize::try_from(frame.get_i16()).unwrap_or(0);
    let id = String::from_utf8_lossy(&frame.split_to(length)).into_owned();
    if flexible {
        let length = shape::tagged_fields_length(frame)?;
        frame.advance(length);
    }
    Ok(id)
}

/// Decodes the request, runs the handler and encodes its answer: the way of most APIs.
pub(crate) fn serve<Q, F, Fut>(node: Arc<Node>, call: Call, body: Bytes, handle: F) -> Serving
where
    Q: Request + Send + 'static,
    Q::Response: HeaderVersion,
    F: FnOnce(Arc<Node>, Call, Q) -> Fut + Send + 'static,
    Fut: Future<Output = Q::Response> + Send,
{
    Box::pin(async move {
        let request = match decode::<Q>(body, call.version) {
            Ok(request) => request,
            Err(refused) => return Reply::Close(refused),
        };
        let (version, correlation) = (call.version, call.correlation);
        encode(&handle(node, call, request).await, version, correlation)
    })
}

pub(crate) fn decode<Q: Decodable>(mut body: Bytes, version: i16) -> Result<Q, Refused> {
    Q::decode(&mut body, version).map_err(|error| Refused::Undecodable(error.to_string()))
}

pub(crate) fn encode<R>(response: &R, version: i16, correlation: i32) -> Reply
where
    R: Encodable + HeaderVersion,
{
    let mut buffer = BytesMut::with_capacity(response.compute_size(version).unwrap_or(0) + 16);
    put_header(&mut buffer, correlation, R::header_version(version) >= 1);
    if let Err(error) = response.encode(&mut buffer, version) {
        return Reply::Close(Refused::Unencodable(error.to_string()));
    }
    let length = u32::try_from(buffer.len() - 4).unwrap_or(u32::MAX);
    buffer[..4].copy_from_slice(&length.to_be_bytes());
    Reply::Send(Frame { pieces: vec![buffer.freeze()], permit: None })
}

/// Room for the length, then the response header.
pub(crate) fn put_header(buffer: &mut BytesMut, correlation: i32, flexible: bool) {
    buffer.put_u32(0);
    buffer.put_i32(correlation);
    if flexible {
        buffer.put_u8(0);
    }
}
