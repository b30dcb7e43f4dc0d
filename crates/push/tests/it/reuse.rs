//! When a connection serves again, and when it must not.

use std::sync::Arc;
use std::time::Duration;

use forebay_core::{Answer, UnknownCause, Verdict};
use forebay_push::{Connection, Connections, Exchange, Limits, Tls};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::service::Service;
use crate::{connections, in_time, origin, record, request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const OK_WITH_BODY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn deliver(connections: &Connections) -> Answer {
    connections.deliver(&origin(), &record("value"), in_time()).await.unwrap()
}

/// Lets a connection rest long enough for the kernel to be asked about it.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

#[tokio::test]
async fn one_connection_serves_many_deliveries() {
    for response in [
        OK,
        OK_WITH_BODY,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let service = Service::answering(response).await;
        let connections = connections(service.endpoint.clone());
        for _ in 0..20 {
            deliver(&connections).await;
            assert_eq!(connections.resting(), 1, "{response:?}");
        }
        assert_eq!(service.accepted(), 1, "{response:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_service_announces_to_close_is_not_used_again() {
    let response = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let service = Service::answering(response).await;
    let connections = connections(service.endpoint.clone());
    for _ in 0..3 {
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
        assert_eq!(connections.resting(), 0);
    }
    assert_eq!(service.accepted(), 3);
}

#[tokio::test]
async fn a_connection_closed_while_at_rest_costs_no_delivery() {
    let (closed, mut seen) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            peer.request().await;
            peer.say(OK).await;
            drop(peer);
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let connections = connections(service.endpoint.clone());
    for round in 1..=10 {
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
        assert_eq!(service.accepted(), round);
        seen.recv().await.unwrap();
        rest().await;
    }
}

#[tokio::test]
async fn a_connection_closed_just_after_its_answer_sends_nothing_or_is_unknown_at_once() {
    let leave = Arc::new(Notify::new());
    let told = Arc::clone(&leave);
    let (closed, mut seen) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let (told, closed) = (Arc::clone(&told), closed.clone());
        async move {
            peer.request().await;
            peer.say(OK).await;
            told.notified().await;
            drop(peer);
            closed.send(()).await.unwrap();
        }
    })
    .await;
    for _ in 0..20 {
        let mut connection =
            Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
        let first = connection.exchange(request(&service.endpoint), in_time()).await;
        assert_eq!(first, Exchange::Answer(Answer::accepted(200)));
        assert!(connection.is_usable());
        leave.notify_one();
        seen.recv().await.unwrap();
        tokio::task::yield_now().await;
        match connection.exchange(request(&service.endpoint), in_time()).await {
            Exchange::NotSent { .. } => {}
            Exchange::Answer(answer) => {
                assert_eq!(answer.verdict, Verdict::Unknown(UnknownCause::ConnectionLost));
            }
        }
    }
}

#[test]
fn the_kernel_is_asked_about_a_connection_where_the_runtime_was_not_told() {
    // The service runs on a runtime of its own, so that nothing but the probe can learn of its end.
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let (closed, seen) = std::sync::mpsc::sync_channel(1);
    let service = elsewhere.block_on(Service::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            peer.request().await;
            peer.say(OK).await;
            drop(peer);
            closed.send(()).unwrap();
        }
    }));
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(async {
        let mut connection =
            Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
        let first = connection.exchange(request(&service.endpoint), in_time()).await;
        assert_eq!(first, Exchange::Answer(Answer::accepted(200)));
        // Blocks the runtime on purpose: it must not get to hear of the end by itself.
        seen.recv().unwrap();
        #[expect(clippy::disallowed_methods, reason = "blocking is the point")]
        std::thread::sleep(Duration::from_millis(5));
        let second = connection.exchange(request(&service.endpoint), in_time()).await;
        assert!(matches!(second, Exchange::NotSent { .. }), "{second:?}");
    });
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_never_become_the_next_answer() {
    let twice =
        "HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for response in [twice, "HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\ngarbage"] {
        let service = Service::answering(response).await;
        let connections = connections(service.endpoint.clone());
        for round in 1..=5 {
            assert_eq!(deliver(&connections).await.verdict, Verdict::Reject { said: false });
            assert_eq!(connections.resting(), 0);
            assert_eq!(service.accepted(), round);
        }
    }
}

#[tokio::test]
async fn bytes_that_arrive_while_at_rest_end_the_connection() {
    let (said, mut seen) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let said = said.clone();
        async move {
            while peer.request().await.is_some() {
                peer.say("HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n").await;
                tokio::time::sleep(Duration::from_millis(2)).await;
                peer.say(OK).await;
                said.send(()).await.unwrap();
            }
        }
    })
    .await;
    let connections = connections(service.endpoint.clone());
    for round in 1..=5 {
        assert_eq!(deliver(&connections).await.verdict, Verdict::Reject { said: false });
        assert_eq!(service.accepted(), round);
        seen.recv().await.unwrap();
        rest().await;
    }
}

#[tokio::test]
async fn connections_are_recycled_by_exchanges_and_by_age() {
    let by_exchanges = Limits { max_exchanges: Some(3), ..Limits::default() };
    let by_age = Limits { max_age: Some(Duration::ZERO), ..Limits::default() };
    for (limits, expected) in [(by_exchanges, 2), (by_age, 6)] {
        let service = Service::answering(OK).await;
        let connections = Connections::new(service.endpoint.clone(), limits, Tls::default());
        for _ in 0..6 {
            deliver(&connections).await;
        }
        assert_eq!(service.accepted(), expected);
    }
}

#[tokio::test]
async fn a_connection_that_rested_too_long_is_closed() {
    let service = Service::answering(OK).await;
    let limits = Limits { max_idle: Duration::from_millis(1), ..Limits::default() };
    let connections = Connections::new(service.endpoint.clone(), limits, Tls::default());
    deliver(&connections).await;
    rest().await;
    deliver(&connections).await;
    assert_eq!(service.accepted(), 2);
    rest().await;
    connections.prune();
    assert_eq!(connections.resting(), 0);
}

#[tokio::test]
async fn deliveries_close_connections_that_rest_below_the_one_they_use() {
    let service = Service::answering(OK).await;
    let limits = Limits { max_idle: Duration::from_millis(200), ..Limits::default() };
    let connections = Connections::new(service.endpoint.clone(), limits, Tls::default());
    tokio::join!(deliver(&connections), deliver(&connections));
    assert_eq!(connections.resting(), 2);
    let begin = Instant::now();
    while begin.elapsed() <= Duration::from_millis(300) {
        deliver(&connections).await;
    }
    assert_eq!(connections.resting(), 1);
}

#[tokio::test]
async fn no_more_connections_rest_than_are_allowed() {
    let service = Service::answering(OK).await;
    let limits = Limits { max_resting: 1, ..Limits::default() };
    let connections = Connections::new(service.endpoint.clone(), limits, Tls::default());
    tokio::join!(deliver(&connections), deliver(&connections), deliver(&connections));
    assert_eq!(service.accepted(), 3);
    assert_eq!(connections.resting(), 1);
}

#[tokio::test]
async fn a_connection_tells_its_age_and_its_exchanges() {
    let service = Service::answering(OK_WITH_BODY).await;
    let mut connection =
        Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
    for done in 1..=3 {
        let exchange = connection.exchange(request(&service.endpoint), in_time()).await;
        assert_eq!(exchange, Exchange::Answer(Answer::accepted(200)));
        assert_eq!(connection.exchanges(), done);
    }
    assert!(connection.used().elapsed() <= connection.age());
}
