//! DescribeCluster: the cluster's id and its only broker.
//!
//! Versions 0-2, all flexible. v1 adds the endpoint type (only brokers can be asked for here),
//! v2 fenced brokers (there are none).

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{ApiKey, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::node::{NO_OPERATIONS, Node};
use crate::shape::{Field, I8, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeCluster,
    versions: 0..=2,
    advertised_from: 0,
    flexible_from: 0,
    shape: &[Field(I8, 0, ON), Field(I8, 1, ON), Field(I8, 2, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

const BROKERS: i8 = 1;

async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default()
        .with_cluster_authorized_operations(NO_OPERATIONS)
        .with_cluster_id(StrBytes::from_string(node.topics.cluster_id().to_owned()));
    if call.version >= 1 && request.endpoint_type != BROKERS {
        return response
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(Some(StrBytes::from_static_str("this is a broker")));
    }
    let broker = DescribeClusterBroker::default()
        .with_broker_id(node.id())
        .with_host(node.host.clone())
        .with_port(node.port);
    response.with_controller_id(node.id()).with_brokers(vec![broker])
}
