//! Topics and their settings as administrators see them.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, ListOffsetsRequest,
};

use crate::broker::TestBroker;
use crate::client::{Client, batch, text, topic_name};

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(2)
        .with_replication_factor(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_grown_and_deleted_in_every_version() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    for version in 2..=7 {
        let name = format!("t{version}");
        let request = CreateTopicsRequest::default().with_topics(vec![topic(&name)]);
        assert_eq!(client.call(request, version).await.topics[0].error_code, 0);
    }
    for version in 0..=3 {
        let grow = CreatePartitionsTopic::default()
            .with_name(topic_name("t2"))
            .with_count(3 + i32::from(version))
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![grow]);
        assert_eq!(client.call(request, version).await.results[0].error_code, 0);
    }
    assert_eq!(client.produce("t2", 5, batch(&["a"])).await.error_code, 0);
    for version in 1..=5 {
        let names = vec![topic_name(&format!("t{}", version + 1))];
        let request = DeleteTopicsRequest::default().with_topic_names(names);
        assert_eq!(client.call(request, version).await.responses[0].error_code, 0);
    }
    for version in 0..=2 {
        let cluster = client.call(DescribeClusterRequest::default(), version).await;
        assert_eq!((cluster.error_code, cluster.brokers.len()), (0, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_can_not_be_are_refused_each_with_its_code() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("there", 1).await;
    let setting = |name: &str, value: &str| {
        vec![CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))]
    };
    for (wanted, error) in [
        (topic("there"), ResponseError::TopicAlreadyExists),
        (topic("a/b"), ResponseError::InvalidTopicException),
        (topic(".."), ResponseError::InvalidTopicException),
        (topic("__consumer_offsets"), ResponseError::InvalidTopicException),
        (topic(&"x".repeat(250)), ResponseError::InvalidTopicException),
        (topic("n").with_num_partitions(0), ResponseError::InvalidPartitions),
        (topic("n").with_num_partitions(1_000_000), ResponseError::InvalidPartitions),
        (topic("n").with_replication_factor(3), ResponseError::InvalidReplicationFactor),
        (topic("n").with_configs(setting("no.such", "1")), ResponseError::InvalidConfig),
        (topic("n").with_configs(setting("segment.bytes", "x")), ResponseError::InvalidConfig),
    ] {
        let request = CreateTopicsRequest::default().with_topics(vec![wanted]);
        let result = client.call(request, 7).await.topics[0].clone();
        assert_eq!(result.error_code, error.code(), "{error:?}");
        assert!(result.error_message.is_some_and(|message| !message.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_are_told_in_every_version() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    for version in 1..=4 {
        let resource = |kind, name| {
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource(2, "t"), resource(4, "1")])
            .with_include_synonyms(true);
        let results = client.call(request, version).await.results;
        assert!(results.iter().all(|result| result.error_code == 0 && result.configs.len() > 30));
    }
}

async fn offset_at(client: &mut Client, time: i64, version: i16) -> i64 {
    let part = ListOffsetsPartition::default().with_timestamp(time).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![part]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let response = client.call(request, version).await;
    let part = &response.topics[0].partitions[0];
    assert_eq!(part.error_code, 0);
    part.offset
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_found_by_place_and_time_and_records_deleted_below_one() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    // Timestamps 1000, 1001 and 1002.
    client.produce("t", 0, batch(&["a", "b", "c"])).await;
    for version in 1..=9 {
        assert_eq!(offset_at(&mut client, -1, version).await, 3);
        assert_eq!(offset_at(&mut client, -2, version).await, 0);
        assert_eq!(offset_at(&mut client, 1001, version).await, 1);
        assert_eq!(offset_at(&mut client, 5000, version).await, -1);
    }
    assert_eq!(offset_at(&mut client, -3, 7).await, 2);
    for (version, offset) in [(0, 1), (1, 2), (2, -1)] {
        let part = DeleteRecordsPartition::default().with_offset(offset);
        let topic =
            DeleteRecordsTopic::default().with_name(topic_name("t")).with_partitions(vec![part]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let response = client.call(request, version).await;
        let low = response.topics[0].partitions[0].low_watermark;
        assert_eq!(low, if offset == -1 { 3 } else { offset });
        assert_eq!(offset_at(&mut client, -2, 5).await, low);
    }
    let below = client.fetch("t", 0, 0).await;
    assert_eq!(below.error_code, ResponseError::OffsetOutOfRange.code());
}
