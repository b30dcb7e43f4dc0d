//! DeleteGroups: removes groups without members, with their committed offsets.
//!
//! Versions 0-2. v2 is flexible.

use std::sync::Arc;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{ApiKey, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteGroups,
    versions: 0..=2,
    advertised_from: 0,
    flexible_from: 2,
    shape: &[Field(Kind::List(&Kind::Text), 0, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, _: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut response = DeleteGroupsResponse::default();
    for id in request.groups_names {
        let code = node.groups.delete(&id).await.err().map_or(0, |error| error.code());
        let result = DeletableGroupResult::default().with_group_id(id).with_error_code(code);
        response.results.push(result);
    }
    response
}
