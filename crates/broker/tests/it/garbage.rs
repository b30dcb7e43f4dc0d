//! Nonsense from the network costs its sender the connection, and nobody else anything.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::ApiVersionsRequest;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::broker::TestBroker;
use crate::client::{Client, batch, fetch, produce};

/// A panicking connection takes only itself down, so it has to be looked for.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics_outside_of_tests() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_none_or(|location| !location.file().contains("tests/it")) {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }
        print(panic);
    }));
}

/// Keys and versions that are served, so that the bytes behind them are looked at.
fn served() -> impl Strategy<Value = (i16, i16)> {
    let keys: Vec<(i16, std::ops::Range<i16>)> = vec![
        (0, 3..12),
        (1, 4..17),
        (2, 1..10),
        (3, 0..13),
        (8, 2..10),
        (9, 1..10),
        (10, 0..7),
        (11, 0..10),
        (12, 0..5),
        (13, 0..6),
        (14, 0..6),
        (15, 0..7),
        (16, 0..6),
        (18, 0..6),
        (19, 2..8),
        (20, 1..7),
        (21, 0..3),
        (22, 0..6),
        (23, 2..5),
        (32, 1..5),
        (37, 0..4),
        (42, 0..3),
        (44, 0..2),
        (47, 0..1),
        (60, 0..3),
    ];
    prop::sample::select(keys).prop_flat_map(|(key, versions)| (Just(key), versions))
}

fn frame(key: i16, version: i16, rest: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(1);
    frame.put_slice(rest);
    frame.to_vec()
}

/// Small numbers and extremes are what lengths are made of.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => 0_u8..4, 1 => any::<u8>(), 1 => Just(0xff_u8), 1 => Just(0x7f_u8)];
    prop::collection::vec(byte, 0..80)
}

#[test]
fn no_bytes_panic_the_broker_or_make_it_deaf() {
    count_panics_outside_of_tests();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(TestBroker::start());
    let mut runner = TestRunner::new(Config { cases: 3000, ..Config::default() });
    let checked = runner.run(&(served(), bytes()), |((key, version), rest)| {
        runtime.block_on(async {
            let mut client = broker.client().await;
            client.send_frame(&frame(key, version, &rest)).await;
            // A second request behind it, on the connection that may be gone by now.
            client.send_frame(&frame(3, 1, &[0, 0])).await;
            client.finish().await;
        });
        Ok(())
    });
    checked.unwrap();
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a connection's task panicked");
    runtime.block_on(still_serves(&broker));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_truncation_of_real_requests_is_survived() {
    let broker = TestBroker::start().await;
    broker.client().await.create_topic("t", 1).await;
    let produce = encoded(&produce("t", 0, batch(&["a"]), -1), 9);
    let fetch = encoded(&fetch("t", 0, 0), 12);
    for whole in [produce, fetch] {
        for end in 0..whole.len() {
            let mut client = broker.client().await;
            client.send_frame(&whole[..end]).await;
            client.finish().await;
        }
    }
    still_serves(&broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_that_claims_two_billion_elements_costs_nothing() {
    let broker = TestBroker::start().await;
    let claims = i32::MAX.to_be_bytes();
    for (key, version) in [(3, 1), (19, 2), (42, 0), (2, 1)] {
        let rest = [&[0, 0][..], &claims, &claims].concat();
        let mut client = broker.client().await;
        client.send_frame(&frame(key, version, &rest)).await;
        assert_eq!(client.receive_frame().await, None, "API {key}");
    }
    still_serves(&broker).await;
}

fn encoded<Q: kafka_protocol::protocol::Request>(request: &Q, version: i16) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_slice(&[0, 1, b'c', 0]);
    request.encode(&mut body, version).unwrap();
    frame(Q::KEY, version, &body)
}

async fn still_serves(broker: &TestBroker) {
    let mut client: Client = broker.client().await;
    let request = ApiVersionsRequest::default();
    assert_eq!(client.call(request, 0).await.error_code, 0);
    client.create_topic("after", 1).await;
    assert_eq!(client.produce("after", 0, batch(&["a"])).await.error_code, 0);
}
