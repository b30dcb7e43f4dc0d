//! Records in, records out.

use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    FetchRequest, InitProducerIdRequest, MetadataRequest, OffsetForLeaderEpochRequest,
    ProduceRequest,
};

use crate::broker::TestBroker;
use crate::client::{batch, fetch, produce, sequenced, text, topic_name, values};

/// The codec's own default is an empty transactional id.
fn idempotent() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_fetched_in_every_version() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    for (i, version) in (3..=11).enumerate() {
        let request = produce("t", 0, batch(&["a", "b"]), if version % 2 == 0 { 1 } else { -1 });
        let response = client.call(request, version).await;
        let part = &response.responses[0].partition_responses[0];
        assert_eq!((part.error_code, part.base_offset), (0, 2 * i as i64));
    }
    let metadata = client.call(MetadataRequest::default().with_topics(None), 12).await;
    let id = metadata.topics[0].topic_id;
    for version in 4..=16 {
        let mut request = fetch("t", 0, 0);
        if version >= 13 {
            request.topics[0].topic = topic_name("");
            request.topics[0].topic_id = id;
        }
        let response = client.call(request, version).await;
        let part = &response.responses[0].partitions[0];
        assert_eq!((part.error_code, part.high_watermark), (0, 18), "version {version}");
        assert_eq!(values(part.records.as_ref().unwrap()).len(), 18, "version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_inside_a_batch_gives_the_whole_batch() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    client.produce("t", 0, batch(&["a", "b", "c"])).await;
    client.produce("t", 0, batch(&["d"])).await;
    let part = client.fetch("t", 0, 1).await;
    assert_eq!(values(&part.records.unwrap()), ["a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_batch_larger_than_every_limit_is_sent_and_the_next_is_not() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 2).await;
    let large = "x".repeat(100_000);
    client.produce("t", 0, batch(&[&large])).await;
    client.produce("t", 0, batch(&["next"])).await;
    client.produce("t", 1, batch(&["other"])).await;
    let mut request = fetch("t", 0, 0).with_max_bytes(10);
    request.topics[0].partitions[0].partition_max_bytes = 10;
    let second = request.topics[0].partitions[0].clone().with_partition(1);
    request.topics[0].partitions.push(second);
    let response = client.call(request, 12).await;
    let parts = &response.responses[0].partitions;
    assert_eq!(values(parts[0].records.as_ref().unwrap()), [large]);
    assert!(parts[1].records.as_ref().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_fetch_is_woken_by_the_record_it_waits_for() {
    let broker = TestBroker::start().await;
    let mut reader = broker.client().await;
    reader.create_topic("t", 1).await;
    let request = fetch("t", 0, 0).with_max_wait_ms(60_000).with_min_bytes(1);
    reader.send(&request, 12).await;
    broker.client().await.produce("t", 0, batch(&["late"])).await;
    let answer = tokio::time::timeout(Duration::from_secs(20), reader.receive::<FetchRequest>(12));
    let (_, response) = answer.await.expect("woken long before its own time is over");
    let records = response.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(values(&records), ["late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_without_data_answers_when_its_time_is_over() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    let request = fetch("t", 0, 0).with_max_wait_ms(50).with_min_bytes(1);
    let response = client.call(request, 12).await;
    let part = &response.responses[0].partitions[0];
    assert_eq!((part.error_code, part.records.as_deref()), (0, Some(&[][..])));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_produces_append_and_answer_in_order() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    let mut sent = Vec::new();
    for i in 0..200 {
        let request = produce("t", 0, batch(&[&i.to_string()]), -1);
        sent.push(client.send(&request, 9).await);
    }
    for (i, correlation) in sent.into_iter().enumerate() {
        let (found, response) = client.receive::<ProduceRequest>(9).await;
        let part = &response.responses[0].partition_responses[0];
        assert_eq!((found, part.error_code, part.base_offset), (correlation, 0, i as i64));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_0_is_not_answered_and_a_refused_batch_closes_the_connection() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    client.send(&produce("t", 0, batch(&["silent"]), 0), 9).await;
    // The next answer on the connection belongs to the next request.
    let part = client.produce("t", 0, batch(&["loud"])).await;
    assert_eq!((part.error_code, part.base_offset), (0, 1));
    client.send(&produce("t", 7, batch(&["nowhere"]), 0), 9).await;
    assert_eq!(client.receive_frame().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sent_again_is_acknowledged_and_stored_once() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    let granted = client.call(idempotent(), 4).await;
    assert_eq!(granted.error_code, 0);
    let id = granted.producer_id.0;
    for _ in 0..2 {
        let part = client.produce("t", 0, sequenced(&["a", "b"], id, 0, 0)).await;
        assert_eq!((part.error_code, part.base_offset), (0, 0));
    }
    let part = client.produce("t", 0, sequenced(&["gap"], id, 0, 5)).await;
    assert_eq!(part.error_code, ResponseError::OutOfOrderSequenceNumber.code());
    let part = client.produce("t", 0, sequenced(&["c"], id, 0, 2)).await;
    assert_eq!((part.error_code, part.base_offset), (0, 2));
    let broker = broker.restart().await;
    let mut client = broker.client().await;
    let part = client.produce("t", 0, sequenced(&["c"], id, 0, 2)).await;
    assert_eq!((part.error_code, part.base_offset), (0, 2), "known after a restart too");
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_get_different_ids_and_transactions_are_refused() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    let first = client.call(idempotent(), 4).await.producer_id;
    let second = client.call(idempotent(), 4).await.producer_id;
    assert_ne!(first, second);
    let request = InitProducerIdRequest::default().with_transactional_id(Some(text("tx").into()));
    let refused = client.call(request, 4).await;
    assert_eq!(refused.error_code, ResponseError::TransactionalIdAuthorizationFailed.code());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_damaged_too_large_or_misplaced_are_refused_each_with_its_code() {
    let broker = TestBroker::start_with(|config| config.max_message_bytes = 1000).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    let mut damaged = batch(&["a"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let large = "x".repeat(2000);
    let mut old = batch(&["a"]).to_vec();
    old[16] = 1;
    let two = [batch(&["a"]), batch(&["b"])].concat();
    for (records, error) in [
        (damaged, ResponseError::CorruptMessage),
        (batch(&[&large]).to_vec(), ResponseError::MessageTooLarge),
        (old, ResponseError::InvalidRecord),
        (two, ResponseError::InvalidRecord),
        (Vec::new(), ResponseError::InvalidRecord),
    ] {
        let part = client.produce("t", 0, records.into()).await;
        assert_eq!(part.error_code, error.code(), "{error:?}");
    }
    let unknown = client.produce("t", 1, batch(&["a"])).await;
    assert_eq!(unknown.error_code, ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(client.fetch("t", 0, 0).await.high_watermark, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_and_epochs_outside_the_log_have_their_errors() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    client.produce("t", 0, batch(&["a"])).await;
    let beyond = client.fetch("t", 0, 2).await;
    assert_eq!(beyond.error_code, ResponseError::OffsetOutOfRange.code());
    let mut request = fetch("t", 0, 0);
    request.topics[0].partitions[0].current_leader_epoch = 1000;
    let response = client.call(request, 12).await;
    let error = response.responses[0].partitions[0].error_code;
    assert_eq!(error, ResponseError::UnknownLeaderEpoch.code());

    let part =
        OffsetForLeaderPartition::default().with_leader_epoch(0).with_current_leader_epoch(-1);
    let topic =
        OffsetForLeaderTopic::default().with_topic(topic_name("t")).with_partitions(vec![part]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    for version in 2..=4 {
        let response = client.call(request.clone(), version).await;
        let end = &response.topics[0].partitions[0];
        assert_eq!((end.error_code, end.leader_epoch, end.end_offset), (0, 0, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_comes_into_being_when_asked_for_unless_the_request_or_the_broker_forbids() {
    let broker = TestBroker::start_with(|config| config.default_partitions = 3).await;
    let mut client = broker.client().await;
    let ask = |name: &str, create: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(create)
    };
    let made = client.call(ask("new", true), 9).await;
    assert_eq!((made.topics[0].error_code, made.topics[0].partitions.len()), (0, 3));
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(client.call(ask("other", false), 9).await.topics[0].error_code, unknown);
    let invalid = client.call(ask("not/a/name", true), 9).await;
    assert_eq!(invalid.topics[0].error_code, ResponseError::InvalidTopicException.code());
    let strict = TestBroker::start_with(|config| config.auto_create_topics = false).await;
    let answer = strict.client().await.call(ask("new", true), 9).await;
    assert_eq!(answer.topics[0].error_code, unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_lists_all_none_or_by_id_as_its_version_means_it() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 2).await;
    for version in 0..=12 {
        let topics = if version == 0 { Some(Vec::new()) } else { None };
        let all = client.call(MetadataRequest::default().with_topics(topics), version).await;
        assert_eq!(all.topics.len(), 1, "version {version}");
        assert_eq!(all.brokers[0].port, i32::from(broker.handle.address().port()));
        if version > 0 {
            let none = MetadataRequest::default().with_topics(Some(Vec::new()));
            assert!(client.call(none, version).await.topics.is_empty());
        }
    }
    let all = client.call(MetadataRequest::default().with_topics(None), 12).await;
    let id = all.topics[0].topic_id;
    assert!(!id.is_nil());
    let by_id = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    let found = client.call(MetadataRequest::default().with_topics(Some(vec![by_id])), 12).await;
    assert_eq!(found.topics[0].name, Some(topic_name("t")));
}
