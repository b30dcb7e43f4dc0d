//! What stays when a broker ends and another one starts on its data.

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{DeleteTopicsRequest, MetadataRequest};
use uuid::Uuid;

use crate::broker::TestBroker;
use crate::client::{Client, batch, topic_name, values};

async fn topics(client: &mut Client) -> Vec<(String, Uuid, usize)> {
    let metadata = client.call(MetadataRequest::default().with_topics(None), 12).await;
    let topics = metadata.topics.into_iter();
    let one = |topic: kafka_protocol::messages::metadata_response::MetadataResponseTopic| {
        (topic.name.unwrap().to_string(), topic.topic_id, topic.partitions.len())
    };
    topics.map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_keep_their_ids_records_and_offsets() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 3).await;
    client.produce("t", 2, batch(&["a", "b"])).await;
    let before = topics(&mut client).await;
    let broker = broker.restart().await;
    let mut client = broker.client().await;
    assert_eq!(topics(&mut client).await, before);
    assert_eq!(values(&client.fetch("t", 2, 0).await.records.unwrap()), ["a", "b"]);
    assert_eq!(client.produce("t", 2, batch(&["c"])).await.base_offset, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_dropped_without_a_word_loses_nothing_acknowledged() {
    let TestBroker { handle, data } = TestBroker::start().await;
    let mut client = Client::connect(handle.address()).await;
    client.create_topic("t", 1).await;
    for i in 0..50 {
        assert_eq!(client.produce("t", 0, batch(&[&i.to_string()])).await.error_code, 0);
    }
    drop(handle);
    // The connection ends with the broker; its last task then lets go of the directory.
    assert_eq!(client.receive_frame().await, None);
    let handle = loop {
        match forebay_broker::Broker::start(crate::broker::config(data.path())).await {
            Ok(handle) => break handle,
            Err(forebay_broker::StartError::DataInUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let part = Client::connect(handle.address()).await.fetch("t", 0, 0).await;
    assert_eq!(values(&part.records.unwrap()).len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_stays_away_and_its_name_gets_a_new_id() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    client.produce("t", 0, batch(&["old"])).await;
    let old = topics(&mut client).await[0].1;
    let by_name = DeleteTopicState::default().with_name(Some(topic_name("t")));
    let delete = DeleteTopicsRequest::default().with_topics(vec![by_name]);
    assert_eq!(client.call(delete, 6).await.responses[0].error_code, 0);
    let broker = broker.restart().await;
    let mut client = broker.client().await;
    assert!(topics(&mut client).await.is_empty());
    client.create_topic("t", 1).await;
    assert_ne!(topics(&mut client).await[0].1, old);
    assert_eq!(client.fetch("t", 0, 0).await.high_watermark, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_topic_that_a_crash_left_half_made_is_removed() {
    let TestBroker { handle, data } = TestBroker::start().await;
    drop(handle);
    // What is there once the broker listens, and the first steps of making a topic.
    let half = data.path().join("orders-0");
    std::fs::create_dir(&half).unwrap();
    let handle = loop {
        match forebay_broker::Broker::start(crate::broker::config(data.path())).await {
            Ok(handle) => break handle,
            Err(forebay_broker::StartError::DataInUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!half.exists(), "the half is gone");
    let mut client = Client::connect(handle.address()).await;
    assert!(topics(&mut client).await.is_empty());
    client.create_topic("orders", 2).await;
    assert_eq!(topics(&mut client).await[0].2, 2);
}
