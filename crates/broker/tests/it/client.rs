//! A client made by hand: one connection, any version of any request, answers decoded.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use forebay_wire::{BatchBuilder, Producer};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Client {
    stream: TcpStream,
    correlation: i32,
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// One uncompressed batch with these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (i, value) in values.iter().enumerate() {
        builder.push(1000 + i as i64, None, Some(value.as_bytes()));
    }
    builder.build().unwrap()
}

/// The same from an idempotent producer.
pub(crate) fn sequenced(values: &[&str], id: i64, epoch: i16, base_sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new().producer(Producer { id, epoch, base_sequence });
    for value in values {
        builder.push(1000, None, Some(value.as_bytes()));
    }
    builder.build().unwrap()
}

/// Values of all records in fetched batches.
pub(crate) fn values(records: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    for batch in forebay_wire::Batches::new(records) {
        for record in batch.unwrap().records().unwrap() {
            let value = record.unwrap().value.unwrap_or_default().to_vec();
            values.push(String::from_utf8(value).unwrap());
        }
    }
    values
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        // What is sent behind a request that is held must not wait for its answer.
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation: 0 }
    }

    pub(crate) async fn call<Q: Request>(&mut self, request: Q, version: i16) -> Q::Response
    where
        Q::Response: HeaderVersion,
    {
        let correlation = self.send(&request, version).await;
        let (found, response) = self.receive::<Q>(version).await;
        assert_eq!(found, correlation, "answers come in the order of requests");
        response
    }

    /// Sends without waiting; answers the correlation id.
    pub(crate) async fn send<Q: Request>(&mut self, request: &Q, version: i16) -> i32 {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(text("hand-made")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, Q::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        self.send_frame(&frame).await;
        self.correlation
    }

    pub(crate) async fn receive<Q: Request>(&mut self, version: i16) -> (i32, Q::Response)
    where
        Q::Response: HeaderVersion,
    {
        let mut frame = self.receive_frame().await.expect("an answer, not the connection's end");
        let header =
            ResponseHeader::decode(&mut frame, Q::Response::header_version(version)).unwrap();
        let response = Q::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes are left behind the answer", frame.len());
        (header.correlation_id, response)
    }

    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.send_raw(&[&length, frame].concat()).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        // The broker may have closed the connection already, which is for the reader to see.
        let _ = self.stream.write_all(bytes).await;
    }

    /// None once the broker has closed the connection.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let length = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }

    /// Says that nothing more comes, and waits until the broker has read all that came.
    pub(crate) async fn finish(mut self) {
        let _ = self.stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
    }

    pub(crate) async fn create_topic(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let response = self.call(request, 7).await;
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: Bytes,
    ) -> PartitionProduceResponse {
        let response = self.call(produce(topic, partition, records, -1), 9).await;
        response.responses[0].partition_responses[0].clone()
    }

    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> PartitionData {
        let response = self.call(fetch(topic, partition, offset), 12).await;
        response.responses[0].partitions[0].clone()
    }
}

pub(crate) fn produce(topic: &str, partition: i32, records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let data =
        TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![data])
}

/// Answers at once with what is there.
pub(crate) fn fetch(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let wanted = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted]);
    FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![wanted])
}
