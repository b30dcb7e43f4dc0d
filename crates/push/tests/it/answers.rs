//! Answers that arrive: what is sent for them, and what they are read as.

use std::time::Duration;

use forebay_core::{Answer, TargetFault, UnknownCause, Verdict};
use forebay_push::{Connection, Exchange, Tls};
use tokio::sync::mpsc;

use crate::service::Service;
use crate::{connections, in_time, origin, record, request};

pub(crate) async fn deliver(service: &Service) -> Answer {
    connections(service.endpoint.clone())
        .deliver(&origin(), &record("value"), in_time())
        .await
        .expect("the record fits")
}

async fn verdict_of(response: impl Into<Vec<u8>>) -> Verdict {
    deliver(&Service::answering_once(response).await).await.verdict
}

const UNREADABLE: Verdict = Verdict::Unknown(UnknownCause::Unreadable);
const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);

#[tokio::test]
async fn the_service_gets_the_record_byte_for_byte() {
    let (seen, mut requests) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.request().await.unwrap()).await.unwrap();
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let value: Vec<u8> = (0..16_usize << 20).map(|at| (at % 251) as u8).collect();
    let answer = connections(service.endpoint.clone())
        .deliver(&origin(), &record(value.clone()), in_time())
        .await
        .unwrap();
    assert_eq!(answer, Answer::accepted(200));
    let (head, body) = requests.recv().await.unwrap();
    assert!(head.starts_with("POST /records?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("forebay-offset: 42\r\n"), "{head}");
    assert!(head.contains("idempotency-key: payments/orders/-/3/42\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", value.len())), "{head}");
    assert!(body == value);
}

#[tokio::test]
async fn an_empty_record_says_that_its_body_is_empty() {
    let (seen, mut requests) = mpsc::channel(64);
    let service = Service::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.request().await.unwrap()).await.unwrap();
            peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let answer = connections.deliver(&origin(), &record(""), in_time()).await.unwrap();
    assert_eq!(answer, Answer::accepted(204));
    let (head, body) = requests.recv().await.unwrap();
    assert_eq!(head.matches("content-length: 0\r\n").count(), 1, "{head}");
    assert!(body.is_empty());
}

#[tokio::test]
async fn a_whole_answer_is_read_whatever_its_framing() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        assert_eq!(verdict_of(response).await, Verdict::Accept, "{response:?}");
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let response = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                    HTTP/1.1 422 No\r\ncontent-length: 3\r\n\r\nbad";
    let answer = deliver(&Service::answering_once(response).await).await;
    assert_eq!(answer.verdict, Verdict::Reject { said: false });
    assert_eq!(answer.status, Some(422));
    assert_eq!(answer.reason.as_deref(), Some("bad"));
}

#[tokio::test]
async fn an_interim_answer_that_nothing_follows_is_unknown() {
    assert_eq!(verdict_of("HTTP/1.1 100 Continue\r\n\r\n").await, LOST);
}

#[tokio::test]
async fn a_switch_of_protocols_is_a_target_fault() {
    let response = "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    assert_eq!(verdict_of(response).await, Verdict::TargetFault(TargetFault::Status));
}

#[tokio::test]
async fn the_services_own_word_reaches_the_answer() {
    let response = "HTTP/1.1 200 OK\r\nForebay-Verdict: retry\r\nForebay-Retry-After-Ms: 70\r\n\
                    Forebay-Reason: later\r\ncontent-length: 0\r\n\r\n";
    let answer = deliver(&Service::answering_once(response).await).await;
    let after = Some(Duration::from_millis(70));
    assert_eq!(answer.verdict, Verdict::Retry { said: true, after });
    assert_eq!(answer.reason.as_deref(), Some("later"));
}

#[tokio::test]
async fn what_is_no_http_is_unknown() {
    for response in [
        "HELLO\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(verdict_of(response).await, UNREADABLE, "{response:?}");
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_unknown_whatever_its_status() {
    for response in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 422 No\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nforebay-verdict: accept\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(verdict_of(response).await, LOST, "{response:?}");
    }
}

#[tokio::test]
async fn headers_past_their_bounds_are_unknown() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    assert_eq!(verdict_of(large).await, UNREADABLE);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    assert_eq!(verdict_of(many).await, UNREADABLE);
    let fits = format!(
        "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
        format!("x: {}\r\n", "y".repeat(600)).repeat(99)
    );
    assert_eq!(verdict_of(fits).await, Verdict::Accept);
}

#[tokio::test]
async fn a_huge_body_leaves_the_status_standing_and_is_not_read_through() {
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]
    {
        let (sent, mut taken) = mpsc::channel(64);
        let service = Service::start(move |mut peer| {
            let sent = sent.clone();
            async move {
                peer.request().await;
                peer.say(head).await;
                let mut bytes = 0_u64;
                while bytes < 1 << 30 && peer.say([b'x'; 4096]).await {
                    bytes += 4096;
                }
                sent.send(bytes).await.unwrap();
            }
        })
        .await;
        let mut connection =
            Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
        let exchange = connection.exchange(request(&service.endpoint), in_time()).await;
        assert_eq!(exchange, Exchange::Answer(Answer::accepted(200)));
        assert!(!connection.is_usable());
        let taken = taken.recv().await.unwrap();
        assert!(taken < 64 << 20, "the kernel's buffers and a little more, not {taken}");
    }
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_counts_and_ends_the_connection() {
    let service = Service::start(|mut peer| async move {
        peer.say("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let value = vec![b'x'; 64 << 20];
    let answer = connections.deliver(&origin(), &record(value), in_time()).await.unwrap();
    assert_eq!(answer.verdict, Verdict::Reject { said: false });
    assert_eq!(connections.resting(), 0);
}

#[tokio::test]
async fn a_redirect_is_a_target_fault_and_is_not_followed() {
    let elsewhere = Service::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let to = elsewhere.endpoint.url();
    for status in [301, 302, 303, 307, 308] {
        let moved =
            format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(verdict_of(moved).await, Verdict::TargetFault(TargetFault::Status));
    }
    assert_eq!(elsewhere.accepted(), 0);
}
