//! Heartbeat: a member lives; the answer tells it when to join again.
//!
//! REBALANCE_IN_PROGRESS while others are awaited, FENCED_INSTANCE_ID when its place was taken.
//!
//! Versions 0-4. v3 adds static members, v4 is flexible.

use std::sync::Arc;

use kafka_protocol::messages::{ApiKey, HeartbeatRequest, HeartbeatResponse};

use crate::api::{Api, Call, serve};
use crate::coordinator::Committer;
use crate::node::Node;
use crate::shape::{Field, I32, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::Heartbeat,
    versions: 0..=4,
    advertised_from: 0,
    flexible_from: 4,
    shape: &[
        Field(Kind::Text, 0, ON),
        Field(I32, 0, ON),
        Field(Kind::Text, 0, ON),
        Field(Kind::Text, 3, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, _: Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let who = Committer {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.map(|id| id.to_string()),
        generation: request.generation_id,
    };
    let beat = node.groups.heartbeat(&request.group_id, &who);
    HeartbeatResponse::default().with_error_code(beat.err().map_or(0, |error| error.code()))
}
