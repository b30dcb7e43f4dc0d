//! ApiVersions: which APIs and versions are served, collected from the files beside this one.
//!
//! The answer's header is always version 0, and a version that isn't served is answered in v0
//! with error 35 and this API's own range, so that the client can ask again (KIP-511). No tagged
//! field is ever written: librdkafka before 2.2.0 misreads them. There are no features to name.
//!
//! Versions 0-4. v3 is flexible, v4 differs only in which features it may name (KIP-584).

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::ALL;
use crate::api::{Api, Call, Serving, encode, serve};
use crate::node::Node;
use crate::shape::{Field, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::ApiVersions,
    versions: 0..=4,
    advertised_from: 0,
    flexible_from: 3,
    shape: &[Field(Kind::Text, 3, ON), Field(Kind::Text, 3, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(_: Arc<Node>, _: Call, _: ApiVersionsRequest) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(ALL.iter().map(range).collect())
}

/// The answer to a version that isn't known.
pub(crate) fn unsupported(call: &Call) -> Serving {
    let correlation = call.correlation;
    let response = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![range(&API)]);
    Box::pin(async move { encode(&response, 0, correlation) })
}

fn range(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key as i16)
        .with_min_version(api.advertised_from)
        .with_max_version(*api.versions.end())
}
