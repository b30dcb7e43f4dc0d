//! Answers that never arrive: who is at fault, and that the deadline always ends it.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_core::{TargetFault, UnknownCause, Verdict};
use forebay_push::{Connection, Endpoint, Exchange, OpenError, Tls};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answers::deliver;
use crate::service::Service;
use crate::{connections, in_time, origin, record, request};

const DEADLINE: Verdict = Verdict::Unknown(UnknownCause::Deadline);
const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(150)
}

/// Far enough away for a service that answers at once on a busy machine.
fn in_a_moment() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

#[tokio::test]
async fn a_refused_connection_is_a_target_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let connections = connections(Endpoint::parse(&url, "v1").unwrap());
    let answer = connections.deliver(&origin(), &record("value"), in_time()).await.unwrap();
    assert_eq!(answer.verdict, Verdict::TargetFault(TargetFault::Refused));
    let reason = answer.reason.unwrap();
    assert!(reason.contains("127.0.0.1") && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_target_fault() {
    // No name server is asked for a label this long.
    let url = format!("http://{}/", "a".repeat(64));
    let connections = connections(Endpoint::parse(&url, "v1").unwrap());
    let answer = connections.deliver(&origin(), &record("value"), in_time()).await.unwrap();
    assert_eq!(answer.verdict, Verdict::TargetFault(TargetFault::Name));
}

#[tokio::test]
async fn no_connection_by_the_deadline_is_a_target_fault() {
    // Nobody accepts, so that the kernel leaves further connections without a reply.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let endpoint = Endpoint::parse(&format!("http://{address}/"), "v1").unwrap();
    let mut queued = Vec::new();
    let error = loop {
        match Connection::open(&endpoint, &Tls::default(), soon()).await {
            Ok(connection) => queued.push(connection),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, OpenError::Deadline { .. }), "{error}");
    assert_eq!(error.fault(), TargetFault::Connect);
}

#[tokio::test(start_paused = true)]
async fn no_answer_by_the_deadline_is_unknown_and_closes_the_connection() {
    let (closed, mut seen) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            peer.request().await;
            peer.closed().await;
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let begin = Instant::now();
    let deadline = begin + Duration::from_secs(30);
    // Time is only let go once the connection stands, for the kernel has no paused clock.
    tokio::time::resume();
    let mut connection =
        Connection::open(&service.endpoint, &Tls::default(), deadline).await.unwrap();
    tokio::time::pause();
    let exchange = connection.exchange(request(&service.endpoint), deadline).await;
    let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
    assert_eq!(answer.verdict, DEADLINE);
    assert!(Instant::now() >= deadline);
    assert!(Instant::now() < deadline + Duration::from_secs(1));
    assert!(!connection.is_usable());
    seen.recv().await.unwrap();
    assert_eq!(connections.resting(), 0);
}

#[tokio::test]
async fn nothing_is_sent_past_the_deadline() {
    let service = Service::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let connections = connections(service.endpoint.clone());
    let answer = connections.deliver(&origin(), &record("value"), Instant::now()).await.unwrap();
    assert_eq!(answer.verdict, DEADLINE);
    assert_eq!(service.accepted(), 0);
    let mut connection =
        Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
    let exchange = connection.exchange(request(&service.endpoint), Instant::now()).await;
    let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
    assert_eq!(answer.verdict, DEADLINE);
    assert_eq!(connection.exchanges(), 0);
    assert!(connection.is_usable());
}

#[tokio::test]
async fn bytes_that_trickle_in_do_not_move_the_deadline() {
    for head in [
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n",
        "HTTP/1.1 422 No\r\ncontent-length: 60000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nforebay-verdict: accept\r\n\r\n",
    ] {
        let service = Service::start(move |mut peer| async move {
            peer.request().await;
            peer.say(head).await;
            while peer.say("x").await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let deadline = soon();
        let connections = connections(service.endpoint.clone());
        let answer = connections.deliver(&origin(), &record("value"), deadline).await.unwrap();
        assert_eq!(answer.verdict, DEADLINE, "{head:?}");
        assert!(Instant::now() >= deadline);
        assert_eq!(connections.resting(), 0);
    }
}

#[tokio::test]
async fn a_service_that_stops_reading_does_not_move_the_deadline() {
    let service = Service::start(|peer| async move {
        std::future::pending::<()>().await;
        drop(peer);
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let value = vec![0; 64 << 20];
    let answer = connections.deliver(&origin(), &record(value), soon()).await.unwrap();
    assert_eq!(answer.verdict, DEADLINE);
}

#[tokio::test]
async fn each_exchange_on_a_connection_has_its_own_deadline() {
    let service = Service::start(|mut peer| async move {
        for _ in 0..2 {
            peer.request().await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
        peer.closed().await;
    })
    .await;
    let mut connection =
        Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
    for deadline in [in_a_moment(), in_time()] {
        let exchange = connection.exchange(request(&service.endpoint), deadline).await;
        let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
        assert_eq!(answer.verdict, Verdict::Accept);
    }
    let deadline = soon();
    let exchange = connection.exchange(request(&service.endpoint), deadline).await;
    let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
    assert_eq!(answer.verdict, DEADLINE);
    assert!((deadline..deadline + Duration::from_secs(5)).contains(&Instant::now()));
}

#[tokio::test]
async fn the_deadline_of_an_earlier_exchange_does_not_cut_a_later_one() {
    let service = Service::start(|mut peer| async move {
        for millis in [0, 1500] {
            peer.request().await;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let mut connection =
        Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
    for deadline in [in_a_moment(), in_time()] {
        let exchange = connection.exchange(request(&service.endpoint), deadline).await;
        let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
        assert_eq!(answer.verdict, Verdict::Accept);
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_request_was_sent_is_unknown() {
    let closing = Service::start(|mut peer| async move {
        peer.request().await;
    })
    .await;
    assert_eq!(deliver(&closing).await.verdict, LOST);

    let resetting = Service::start(|mut peer| async move {
        peer.request().await;
        SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    assert_eq!(deliver(&resetting).await.verdict, LOST);
}

#[tokio::test]
async fn a_service_that_hangs_up_on_a_part_of_the_request_leaves_it_unknown() {
    let service = Service::start(|peer| async move {
        peer.stream.readable().await.unwrap();
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let value = vec![0; 64 << 20];
    let answer = connections.deliver(&origin(), &record(value), in_time()).await.unwrap();
    assert_eq!(answer.verdict, LOST);
}

#[tokio::test]
async fn a_service_that_hangs_up_at_once_never_accepts() {
    let service = Service::start(|peer| async move { drop(peer) }).await;
    for _ in 0..20 {
        let verdict = deliver(&service).await.verdict;
        let sent_nothing = Verdict::TargetFault(TargetFault::Connect);
        assert!(verdict == sent_nothing || verdict == LOST, "{verdict:?}");
    }
}

#[tokio::test]
async fn giving_a_delivery_up_closes_its_connection() {
    let (reached, mut seen) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let reached = reached.clone();
        async move {
            peer.request().await;
            reached.send("request").await.unwrap();
            peer.closed().await;
            reached.send("end").await.unwrap();
        }
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let (origin, record) = (origin(), record("value"));
    let delivery = connections.deliver(&origin, &record, in_time());
    tokio::select! {
        answer = delivery => panic!("{answer:?}"),
        step = seen.recv() => assert_eq!(step, Some("request")),
    }
    assert_eq!(seen.recv().await, Some("end"));
    assert_eq!(connections.resting(), 0);
}

#[tokio::test]
async fn an_exchange_given_up_closes_its_connection_and_nothing_more_is_sent() {
    let (reached, mut seen) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let reached = reached.clone();
        async move {
            while peer.request().await.is_some() {
                reached.send("request").await.unwrap();
            }
            reached.send("end").await.unwrap();
        }
    })
    .await;
    let mut connection =
        Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
    tokio::select! {
        exchange = connection.exchange(request(&service.endpoint), in_time()) => {
            panic!("{exchange:?}")
        }
        step = seen.recv() => assert_eq!(step, Some("request")),
    }
    assert_eq!(seen.recv().await, Some("end"));
    assert!(!connection.is_usable());
    let exchange = connection.exchange(request(&service.endpoint), in_time()).await;
    assert!(matches!(exchange, Exchange::NotSent { .. }), "{exchange:?}");
}
