//! CreatePartitions: gives topics more partitions; their number never shrinks.
//!
//! Versions 0-3. v2 is flexible, v3 is for quotas.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreatePartitionsRequest, CreatePartitionsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Api, Call, serve};
use crate::node::{Node, code};
use crate::shape::{Field, I8, I32, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::CreatePartitions,
    versions: 0..=3,
    advertised_from: 0,
    flexible_from: 2,
    shape: &[
        Field(
            Kind::Array(&[
                Field(Kind::Text, 0, ON),
                Field(I32, 0, ON),
                Field(Kind::Array(&[Field(Kind::List(&I32), 0, ON)]), 0, ON),
            ]),
            0,
            ON,
        ),
        Field(I32, 0, ON),
        Field(I8, 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(
    node: Arc<Node>,
    _: Call,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut response = CreatePartitionsResponse::default();
    let check = request.validate_only;
    for wanted in request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(wanted.name.clone());
        let grown = node.blocking(move |node| grow(node, &wanted, check)).await;
        response.results.push(match grown {
            Ok(()) => result,
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why))),
        });
    }
    response
}

fn grow(
    node: &Node,
    wanted: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), (ResponseError, String)> {
    let refuse = |error: ResponseError, why: &str| Err((error, why.to_owned()));
    let Some(topic) = node.topics.get(&wanted.name) else {
        return refuse(ResponseError::UnknownTopicOrPartition, "there is no such topic");
    };
    if topic.is_internal() {
        return refuse(ResponseError::InvalidTopicException, "the topic is internal");
    }
    let checked = node.topics.check_grow(&topic, wanted.count);
    checked.map_err(|error| (code(&error), error.to_string()))?;
    if let Some(assignments) = &wanted.assignments {
        let added = usize::try_from(wanted.count).unwrap_or(0) - topic.partitions().len();
        let here = [BrokerId(node.config.node_id)];
        if assignments.len() != added || assignments.iter().any(|a| a.broker_ids != here) {
            let why = "assignments name this broker once for each new partition";
            return refuse(ResponseError::InvalidReplicaAssignment, why);
        }
    }
    if validate_only {
        return Ok(());
    }
    let grown = node.topics.grow(&wanted.name, wanted.count);
    grown.map_err(|error| (code(&error), error.to_string()))
}
