//! SyncGroup: the leader hands in the assignment, everybody gets its share.
//!
//! Answers leave once the generation is stored durably, so that a broker that restarts knows the
//! members whose clients go on as before.
//!
//! Versions 0-5. v3 adds static members, v4 is flexible, v5 checks the protocol.

use std::sync::Arc;

use kafka_protocol::messages::{ApiKey, SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::groups::Sync;
use crate::node::Node;
use crate::shape::{Field, I32, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::SyncGroup,
    versions: 0..=5,
    advertised_from: 0,
    flexible_from: 4,
    shape: &[
        Field(Kind::Text, 0, ON),
        Field(I32, 0, ON),
        Field(Kind::Text, 0, ON),
        Field(Kind::Text, 3, ON),
        Field(Kind::Text, 5, ON),
        Field(Kind::Text, 5, ON),
        Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(Kind::Bytes, 0, ON)]), 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, call: Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let text = |text: StrBytes| text.to_string();
    let shares = request.assignments.into_iter();
    let sync = Sync {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.map(text),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(text),
        protocol: request.protocol_name.map(text),
        assignments: shares.map(|share| (share.member_id.to_string(), share.assignment)).collect(),
    };
    let response = SyncGroupResponse::default();
    match node.groups.sync(&request.group_id, sync).await {
        Err(error) => response.with_error_code(error.code()),
        Ok(synced) => {
            let response = response.with_assignment(synced.assignment);
            if call.version < 5 {
                return response;
            }
            response
                .with_protocol_type(synced.protocol_type.map(StrBytes::from_string))
                .with_protocol_name(synced.protocol.map(StrBytes::from_string))
        }
    }
}
