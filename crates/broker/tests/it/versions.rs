//! What is advertised, and what happens beyond it.

use kafka_protocol::messages::{ApiVersionsRequest, ListGroupsRequest, RequestHeader};
use kafka_protocol::protocol::{Encodable, Request};

use crate::broker::TestBroker;
use crate::client::text;

fn ask() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn api_versions_names_the_floors_that_old_clients_look_for() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    for version in 0..=4 {
        let response = client.call(ask(), version).await;
        let range = |key: i16| {
            let api = response.api_keys.iter().find(|api| api.api_key == key);
            api.map(|api| (api.min_version, api.max_version))
        };
        assert_eq!(response.error_code, 0);
        assert_eq!(range(0), Some((0, 11)), "Produce is named from 0");
        assert_eq!(range(11).map(|range| range.0), Some(0), "JoinGroup is named from 0");
        assert_eq!(range(42).map(|range| range.0), Some(0), "DeleteGroups is named from 0");
        for absent in [24, 25, 26, 28, 68, 69, 71, 72] {
            assert_eq!(range(absent), None, "API {absent} is not served");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_api_versions_that_is_too_new_is_answered_in_v0_with_error_35() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    let mut frame = bytes::BytesMut::new();
    let header = RequestHeader::default()
        .with_request_api_key(ApiVersionsRequest::KEY)
        .with_request_api_version(99)
        .with_correlation_id(5);
    header.encode(&mut frame, 2).unwrap();
    client.send_frame(&frame).await;
    let (correlation, response) = client.receive::<ApiVersionsRequest>(0).await;
    assert_eq!((correlation, response.error_code), (5, 35));
    assert_eq!(response.api_keys[0].api_key, 18);
    assert_eq!(client.call(ask(), 3).await.error_code, 0, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_or_version_that_is_not_served_closes_the_connection() {
    let broker = TestBroker::start().await;
    for (key, version) in [(0_i16, 2_i16), (0, 12), (999, 0), (24, 0), (-1, -1)] {
        let mut client = broker.client().await;
        let frame = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0; 8]].concat();
        client.send_frame(&frame).await;
        assert_eq!(client.receive_frame().await, None, "API {key} version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_allowed_closes_the_connection_before_it_is_read() {
    let broker = TestBroker::start_with(|config| config.request_max_bytes = 1000).await;
    let mut client = broker.client().await;
    client.send_raw(&1001_u32.to_be_bytes()).await;
    assert_eq!(client.receive_frame().await, None);
    let mut negative = broker.client().await;
    negative.send_raw(&(-1_i32).to_be_bytes()).await;
    assert_eq!(negative.receive_frame().await, None);
    let mut client = broker.client().await;
    assert_eq!(client.call(ListGroupsRequest::default(), 4).await.error_code, 0);
}
