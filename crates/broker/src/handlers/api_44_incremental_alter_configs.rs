//! IncrementalAlterConfigs: sets, removes, appends to and subtracts from topics' settings.
//!
//! Broker settings can't be changed while it runs. `validate_only` checks without changing.
//!
//! Versions 0-1. v1 is flexible. Operations: KIP-339.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    ApiKey, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::api_32_describe_configs::TOPIC;
use crate::api::{Api, Call, serve};
use crate::node::{Node, code};
use crate::shape::{Field, I8, Kind, ON};
use crate::topic_config::apply;

pub(crate) const API: Api = Api {
    key: ApiKey::IncrementalAlterConfigs,
    versions: 0..=1,
    advertised_from: 0,
    flexible_from: 1,
    shape: &[
        Field(
            Kind::Array(&[
                Field(I8, 0, ON),
                Field(Kind::Text, 0, ON),
                Field(
                    Kind::Array(&[
                        Field(Kind::Text, 0, ON),
                        Field(I8, 0, ON),
                        Field(Kind::Text, 0, ON),
                    ]),
                    0,
                    ON,
                ),
            ]),
            0,
            ON,
        ),
        Field(I8, 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(
    node: Arc<Node>,
    _: Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut response = IncrementalAlterConfigsResponse::default();
    let dry_run = request.validate_only;
    for resource in request.resources {
        let result = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let altered = node.blocking(move |node| alter(node, &resource, dry_run)).await;
        response.responses.push(match altered {
            Ok(()) => result,
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why))),
        });
    }
    response
}

fn alter(
    node: &Node,
    resource: &AlterConfigsResource,
    dry_run: bool,
) -> Result<(), (ResponseError, String)> {
    if resource.resource_type != TOPIC {
        let why = "only topics have settings that can be changed while the broker runs";
        return Err((ResponseError::InvalidRequest, why.to_owned()));
    }
    let altered = node.topics.alter(
        &resource.resource_name,
        |settings| {
            for config in &resource.configs {
                apply(settings, &config.name, config.config_operation, config.value.as_deref())?;
            }
            Ok(())
        },
        dry_run,
    );
    altered.map_err(|error| (code(&error), error.to_string()))
}
