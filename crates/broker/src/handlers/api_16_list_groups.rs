//! ListGroups: all groups, those with only committed offsets too.
//!
//! Filters by state (v4) and type (v5) compare without regard to case; all groups here are of
//! type "classic".
//!
//! Versions 0-5. v3 is flexible, v4 adds states, v5 types.

use std::sync::Arc;

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ApiKey, GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::ListGroups,
    versions: 0..=5,
    advertised_from: 0,
    flexible_from: 3,
    shape: &[Field(Kind::List(&Kind::Text), 4, ON), Field(Kind::List(&Kind::Text), 5, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

const TYPE: &str = "classic";

async fn handle(node: Arc<Node>, call: Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let passes = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let mut response = ListGroupsResponse::default();
    for (id, protocol_type, state) in node.groups.list() {
        if !passes(&request.states_filter, state.name()) || !passes(&request.types_filter, TYPE) {
            continue;
        }
        let mut group = ListedGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(id)))
            .with_protocol_type(StrBytes::from_string(protocol_type));
        if call.version >= 4 {
            group.group_state = StrBytes::from_static_str(state.name());
        }
        if call.version >= 5 {
            group.group_type = StrBytes::from_static_str(TYPE);
        }
        response.groups.push(group);
    }
    response
}
