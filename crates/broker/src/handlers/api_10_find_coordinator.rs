//! FindCoordinator: this broker, for every group.
//!
//! Asking brings `__consumer_offsets` into being. Transactions (key type 1) are refused with
//! TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients take as final, and a message that says
//! why; other key types with INVALID_REQUEST.
//!
//! Versions 0-6. v1 adds key types, v3 is flexible, v4 asks for several keys, v6 adds share
//! groups.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{ApiKey, BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, I8, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::FindCoordinator,
    versions: 0..=6,
    advertised_from: 0,
    flexible_from: 3,
    shape: &[Field(Kind::Text, 0, 3), Field(I8, 1, ON), Field(Kind::List(&Kind::Text), 4, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

async fn handle(
    node: Arc<Node>,
    call: Call,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let found = find(&node, request.key_type).await;
    let (code, message) = match found {
        Ok(()) => (0, None),
        Err((error, message)) => (error.code(), Some(StrBytes::from_static_str(message))),
    };
    let here = found.is_ok();
    let id = if here { node.id() } else { BrokerId(-1) };
    let host = if here { node.host.clone() } else { StrBytes::new() };
    let port = if here { node.port } else { -1 };
    if call.version >= 4 {
        let coordinators = request.coordinator_keys.into_iter().map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(id)
                .with_host(host.clone())
                .with_port(port)
                .with_error_code(code)
                .with_error_message(message.clone())
        });
        return FindCoordinatorResponse::default().with_coordinators(coordinators.collect());
    }
    FindCoordinatorResponse::default()
        .with_node_id(id)
        .with_host(host)
        .with_port(port)
        .with_error_code(code)
        .with_error_message(message)
}

async fn find(node: &Arc<Node>, key_type: i8) -> Result<(), (ResponseError, &'static str)> {
    match key_type {
        GROUP => {
            let prepared = node.blocking(|node| node.groups.prepare()).await;
            prepared.map_err(|error| (error, "__consumer_offsets can't be created"))
        }
        TRANSACTION => Err((
            ResponseError::TransactionalIdAuthorizationFailed,
            "this broker does not serve transactions",
        )),
        _ => Err((ResponseError::InvalidRequest, "this broker coordinates consumer groups only")),
    }
}
