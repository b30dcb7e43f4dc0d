//! JoinGroup: enters a group; answered when the group's next generation begins.
//!
//! The rules are in `groups/join.rs`. What is decided here is what a version can express: v0 has
//! no rebalance timeout (the session timeout serves), before v4 a newcomer gets in without being
//! given its id first, static members need v5, skipping the assignment v9.
//!
//! Versions 0-9, of which 0 and 1 must be named for librdkafka's sake (KAFKA-19444). v6 is
//! flexible, v7 adds the protocol type to the answer, v8 a reason, v9 `skip_assignment`.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{ApiKey, JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::{Api, Call, serve};
use crate::groups::{Join, JoinRefused, Joined};
use crate::node::Node;
use crate::shape::{Field, I32, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::JoinGroup,
    versions: 0..=9,
    advertised_from: 0,
    flexible_from: 6,
    shape: &[
        Field(Kind::Text, 0, ON),
        Field(I32, 0, ON),
        Field(I32, 1, ON),
        Field(Kind::Text, 0, ON),
        Field(Kind::Text, 5, ON),
        Field(Kind::Text, 0, ON),
        Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(Kind::Bytes, 0, ON)]), 0, ON),
        Field(Kind::Text, 8, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = call.version;
    let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let rebalance =
        if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let instance = request.group_instance_id.map(|id| id.to_string());
    let name = instance.as_deref().unwrap_or(&call.client_id);
    let offers = request.protocols.into_iter();
    let join = Join {
        member_id: request.member_id.to_string(),
        fresh_id: format!("{name}-{}", Uuid::new_v4()),
        client_host: format!("/{}", call.host),
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(rebalance),
        protocol_type: request.protocol_type.to_string(),
        protocols: offers.map(|offer| (offer.name.to_string(), offer.metadata)).collect(),
        id_required: version >= 4,
        can_skip_assignment: version >= 9,
        instance,
        client_id: call.client_id,
    };
    match node.groups.join(&request.group_id, join).await {
        Ok(joined) => accepted(joined, version),
        Err(refusal) => refused(refusal, version),
    }
}

fn accepted(joined: Joined, version: i16) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|(id, instance, metadata)| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(id))
            .with_group_instance_id(instance.filter(|_| version >= 5).map(StrBytes::from_string))
            .with_metadata(metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(
            joined.protocol_type.filter(|_| version >= 7).map(StrBytes::from_string),
        )
        .with_protocol_name(Some(StrBytes::from_string(joined.protocol)))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member_id))
        .with_members(members.collect())
}

fn refused(refusal: JoinRefused, version: i16) -> JoinGroupResponse {
    // Null is a protocol name from v7 on only.
    let protocol = (version < 7).then(StrBytes::new);
    JoinGroupResponse::default()
        .with_error_code(refusal.error.code())
        .with_generation_id(-1)
        .with_protocol_name(protocol)
        .with_member_id(StrBytes::from_string(refusal.member_id))
}
