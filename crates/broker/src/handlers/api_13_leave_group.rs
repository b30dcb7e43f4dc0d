//! LeaveGroup: members go, and the others rebalance at once.
//!
//! From v3 on several can be named, static ones by their instance id alone; each has its own
//! result. Static members' clients do not send this when they merely restart.
//!
//! Versions 0-5. v3 adds batches, v4 is flexible, v5 a reason.

use std::sync::Arc;

use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{ApiKey, LeaveGroupRequest, LeaveGroupResponse};

use crate::api::{Api, Call, serve};
use crate::groups::Leave;
use crate::node::Node;
use crate::shape::{Field, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::LeaveGroup,
    versions: 0..=5,
    advertised_from: 0,
    flexible_from: 4,
    shape: &[
        Field(Kind::Text, 0, ON),
        Field(Kind::Text, 0, 2),
        Field(
            Kind::Array(&[
                Field(Kind::Text, 3, ON),
                Field(Kind::Text, 3, ON),
                Field(Kind::Text, 5, ON),
            ]),
            3,
            ON,
        ),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    if call.version < 3 {
        let leave = Leave { member_id: request.member_id.to_string(), instance: None };
        let left = node.groups.leave(&request.group_id, &[leave]);
        let refused = left.into_iter().find_map(Result::err);
        return response.with_error_code(refused.map_or(0, |error| error.code()));
    }
    let leave = request.members.iter().map(|member| Leave {
        member_id: member.member_id.to_string(),
        instance: member.group_instance_id.as_ref().map(ToString::to_string),
    });
    let leave: Vec<Leave> = leave.collect();
    let left = node.groups.leave(&request.group_id, &leave);
    let members = request.members.into_iter().zip(left).map(|(member, left)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(left.err().map_or(0, |error| error.code()))
    });
    response.with_members(members.collect())
}
