//! DeleteTopics: removes topics with their records and the offsets that groups committed in them.
//!
//! Once answered, nothing of the topic comes back; a topic made anew under the name has another
//! id. Internal topics can't be deleted.
//!
//! Versions 1-6. v4 is flexible, v5 adds messages, v6 allows ids instead of names.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{ApiKey, DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::{Api, Call, serve};
use crate::node::{Node, code};
use crate::shape::{Field, I32, Kind, ON, UUID};
use crate::topics::Topic;

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteTopics,
    versions: 1..=6,
    advertised_from: 1,
    flexible_from: 4,
    shape: &[
        Field(Kind::Array(&[Field(Kind::Text, 6, ON), Field(UUID, 6, ON)]), 6, ON),
        Field(Kind::List(&Kind::Text), 0, 5),
        Field(I32, 0, ON),
    ],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(node: Arc<Node>, call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil()));
    let by_either = request.topics.into_iter().map(|topic| (topic.name, topic.topic_id));
    let mut response = DeleteTopicsResponse::default();
    for (name, id) in by_name.chain(by_either) {
        let topic = find(&node, name.as_ref(), id);
        let result = DeletableTopicResult::default();
        let result = match &topic {
            Ok(topic) => {
                let name = TopicName(StrBytes::from_string(topic.name.clone()));
                result.with_name(Some(name))
            }
            Err(_) => result.with_name(name),
        };
        let shown = topic.as_ref().map_or(id, |topic| topic.id);
        let result = if call.version >= 6 { result.with_topic_id(shown) } else { result };
        let deleted = match topic {
            Ok(topic) => delete(&node, &topic).await,
            Err(error) => Err((error, String::new())),
        };
        response.responses.push(match deleted {
            Ok(()) => result,
            Err((error, why)) => {
                let why =
                    (call.version >= 5 && !why.is_empty()).then(|| StrBytes::from_string(why));
                result.with_error_code(error.code()).with_error_message(why)
            }
        });
    }
    response
}

fn find(node: &Node, name: Option<&TopicName>, id: Uuid) -> Result<Arc<Topic>, ResponseError> {
    match name {
        Some(name) => node.topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition),
        None => node.topics.by_id(id).ok_or(ResponseError::UnknownTopicId),
    }
}

async fn delete(node: &Arc<Node>, topic: &Topic) -> Result<(), (ResponseError, String)> {
    if topic.is_internal() {
        return Err((ResponseError::InvalidTopicException, "the topic is internal".to_owned()));
    }
    let name = topic.name.clone();
    let deleted = node.blocking(move |node| node.topics.delete(&name)).await;
    deleted.map_err(|error| (code(&error), error.to_string()))?;
    let forgotten = node.groups.forget_topic(&topic.name).await;
    forgotten.map_err(|error| (error, "committed offsets could not be removed".to_owned()))
}
