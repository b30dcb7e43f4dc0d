//! InitProducerId: a new producer id for an idempotent producer, never given out before.
//!
//! A producer that asks with an id and epoch of its own (v3) to recover from an error gets its
//! epoch raised (KIP-360), or a new id where epochs are used up. A transactional id is refused
//! with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients take as final.
//!
//! Versions 0-5. v2 is flexible, v3 adds id and epoch. v6 belongs to two-phase commit.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::api::{Api, Call, serve};
use crate::node::Node;
use crate::shape::{Field, I16, I32, I64, Kind, ON};

pub(crate) const API: Api = Api {
    key: ApiKey::InitProducerId,
    versions: 0..=5,
    advertised_from: 0,
    flexible_from: 2,
    shape: &[Field(Kind::Text, 0, ON), Field(I32, 0, ON), Field(I64, 3, ON), Field(I16, 3, ON)],
    serve: |node, call, body| serve(node, call, body, handle),
};

async fn handle(
    node: Arc<Node>,
    call: Call,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refuse = |error: ResponseError| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    };
    if request.transactional_id.is_some() {
        return refuse(ResponseError::TransactionalIdAuthorizationFailed);
    }
    let known = call.version >= 3 && request.producer_id.0 >= 0 && request.producer_epoch >= 0;
    if known && request.producer_epoch < i16::MAX - 1 {
        return InitProducerIdResponse::default()
            .with_producer_id(request.producer_id)
            .with_producer_epoch(request.producer_epoch + 1);
    }
    match node.blocking(|node| node.topics.next_producer_id()).await {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(error) => {
            tracing::error!(%error, "can't reserve producer ids");
            refuse(ResponseError::KafkaStorageError)
        }
    }
}
