//! DescribeGroups: state, protocol, members and assignments of groups.
//!
//! A group that isn't known is "Dead" without error up to v5, GROUP_ID_NOT_FOUND from v6 on.
//!
//! Versions 0-6. v3 adds operations (never told), v4 static members, v5 is flexible, v6 error
//! messages.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{ApiKey, DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::coordinator::Described;
use crate::groups::{MemberSnapshot, State};
use crate::node::{NO_OPERATIONS, Node};
use crate::shape::{Field, I8, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeGroups,
    versions: 0..=6,
    advertised_from: 0,
    flexible_from: 5,
    shape: &[Field(Kind::List(&Kind::Text), 0, ON), Field(I8, 3, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| {
        let described = node.groups.describe(&id);
        match described {
            Some(described) => describe(id, described, call.version),
            None => missing(id, call.version),
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(id: GroupId, described: Described, version: i16) -> DescribedGroup {
    let snapshot = described.snapshot;
    // A protocol that isn't agreed on yet is told as none.
    let agreed = matches!(described.state, State::Stable | State::CompletingRebalance);
    let protocol = snapshot.protocol.filter(|_| agreed).unwrap_or_default();
    let members = snapshot.members.into_iter().map(|member| describe_member(member, version));
    DescribedGroup::default()
        .with_group_id(id)
        .with_group_state(StrBytes::from_static_str(described.state.name()))
        .with_protocol_type(StrBytes::from_string(snapshot.protocol_type))
        .with_protocol_data(StrBytes::from_string(protocol))
        .with_members(members.collect())
        .with_authorized_operations(NO_OPERATIONS)
}

fn describe_member(member: MemberSnapshot, version: i16) -> DescribedGroupMember {
    let instance = member.instance.filter(|_| version >= 4);
    DescribedGroupMember::default()
        .with_member_id(StrBytes::from_string(member.id))
        .with_group_instance_id(instance.map(StrBytes::from_string))
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_member_metadata(member.subscription)
        .with_member_assignment(member.assignment)
}

fn missing(id: GroupId, version: i16) -> DescribedGroup {
    let group = DescribedGroup::default()
        .with_group_id(id)
        .with_group_state(StrBytes::from_static_str(State::Dead.name()))
        .with_authorized_operations(NO_OPERATIONS);
    if version < 6 {
        return group;
    }
    let message = StrBytes::from_static_str("there is no such group");
    group.with_error_code(ResponseError::GroupIdNotFound.code()).with_error_message(Some(message))
}
