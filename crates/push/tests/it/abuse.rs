//! Services that answer without end, or not as HTTP is framed: one answer comes of each, in bounded
//! time, and only so much is read.

use std::pin::pin;
use std::time::Duration;

use forebay_core::{TargetFault, UnknownCause, Verdict};
use forebay_push::{Connection, Endpoint, Exchange, Tls};
use forebay_trial::{Act, Answer, Broken, Greet, Greeting, Journal, Read, Script};
use tokio::task::coop;
use tokio::time::Instant;

use crate::service::Service;
use crate::{connections, in_time, origin, record, request};

const DEADLINE: Verdict = Verdict::Unknown(UnknownCause::Deadline);
const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);
const UNREADABLE: Verdict = Verdict::Unknown(UnknownCause::Unreadable);

const KIB: u64 = 1 << 10;
/// Head, body and the buffer that is filled when the body passes its bound.
const BODY: u64 = 192 * KIB;
const HEAD: u64 = 128 * KIB;
/// Of all that an answer may consist of, and a buffer more.
const ALL: u64 = 640 * KIB;

/// One exchange on a connection of its own.
struct Tried {
    verdict: Verdict,
    received: u64,
    /// Whether the connection may serve again.
    usable: bool,
}

async fn try_against(url: &str, deadline: Instant) -> Tried {
    let endpoint = Endpoint::parse(url, "v1").unwrap();
    let mut connection = Connection::open(&endpoint, &Tls::default(), deadline).await.unwrap();
    let exchange = connection.exchange(request(&endpoint), deadline).await;
    let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
    let (received, usable) = (connection.received(), connection.is_usable());
    Tried { verdict: answer.verdict, received, usable }
}

async fn try_script(script: Script, deadline: Instant) -> Tried {
    let service = forebay_trial::Service::start(script, &Journal::default());
    try_against(&service.url(), deadline).await
}

#[tokio::test]
async fn answers_without_end_are_read_so_far_and_no_further() {
    for (act, verdict, most) in [
        (Act::Huge { bytes: 1 << 30, chunked: false }, Verdict::Accept, BODY),
        (Act::Huge { bytes: 1 << 30, chunked: true }, Verdict::Accept, BODY),
        (Act::EndlessHeaders, UNREADABLE, HEAD),
        (Act::GiantHeader { bytes: 1 << 30 }, UNREADABLE, HEAD),
        (Act::GiantHeader { bytes: 64 << 10 }, UNREADABLE, HEAD),
        (Act::Informational { count: None }, UNREADABLE, ALL),
    ] {
        let tried = try_script(Script::doing(act.clone()), in_time()).await;
        assert_eq!(tried.verdict, verdict, "{act:?}");
        assert!(tried.received <= most, "{} bytes of {act:?}", tried.received);
        assert!(!tried.usable, "{act:?}");
    }
}

#[tokio::test]
async fn what_ends_within_the_bounds_is_read_to_its_end() {
    for act in [
        Act::Huge { bytes: 64 << 10, chunked: false },
        Act::Huge { bytes: 64 << 10, chunked: true },
        Act::GiantHeader { bytes: 60 << 10 },
        Act::Informational { count: Some(1_000) },
    ] {
        let tried = try_script(Script::doing(act.clone()), in_time()).await;
        assert_eq!(tried.verdict, Verdict::Accept, "{act:?}");
        assert!(tried.usable, "{act:?}");
    }
}

#[tokio::test]
async fn padding_that_never_becomes_an_answer_is_not_read_for_ever() {
    for (start, padding) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;", "x"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x: y\r\n"),
        ("", "\r\n"),
        ("", "\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let service = Service::start(move |mut peer| async move {
            peer.request().await;
            peer.say(start).await;
            while peer.say(padding.repeat(1_000)).await {}
        })
        .await;
        let tried = try_against(&service.endpoint.url(), in_time()).await;
        assert_eq!(tried.verdict, UNREADABLE, "{start:?} and {padding:?}");
        assert!(tried.received <= ALL, "{} bytes", tried.received);
        assert!(!tried.usable);
    }
}

#[tokio::test]
async fn a_body_in_chunks_of_a_byte_each_is_read_to_its_end() {
    let chunks = "1\r\nx\r\n".repeat(64 << 10);
    let response =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let service = Service::answering_once(response).await;
    let tried = try_against(&service.endpoint.url(), in_time()).await;
    assert_eq!(tried.verdict, Verdict::Accept);
}

#[tokio::test]
async fn a_slow_answer_is_unknown_at_the_deadline() {
    let drip = |answer| Act::Drip { answer, every_ms: 1_000 };
    for act in [
        drip(Answer::status(200)),
        drip(Answer::status(200).header("forebay-verdict", "accept")),
        drip(Answer::status(400).body("no")),
        Act::Hang,
    ] {
        let begin = Instant::now();
        let deadline = begin + Duration::from_millis(300);
        let tried = try_script(Script::doing(act.clone()), deadline).await;
        assert_eq!(tried.verdict, DEADLINE, "{act:?}");
        assert!(Instant::now() >= deadline);
        assert!(begin.elapsed() < Duration::from_secs(5), "{act:?}: {:?}", begin.elapsed());
        assert!(!tried.usable);
    }
}

/// Where there is always more to read, the task's share of work is used up before its timers are
/// looked at; here it is used up beforehand.
#[tokio::test]
async fn the_deadline_is_kept_by_a_task_that_has_no_share_of_work_left() {
    let service = forebay_trial::Service::start(Script::doing(Act::Hang), &Journal::default());
    let endpoint = Endpoint::parse(&service.url(), "v1").unwrap();
    let mut connection = Connection::open(&endpoint, &Tls::default(), in_time()).await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    let mut exchange = pin!(connection.exchange(request(&endpoint), deadline));
    let mut first = true;
    let starved = std::future::poll_fn(|cx| {
        while !std::mem::take(&mut first) && coop::has_budget_remaining() {
            let _ = pin!(coop::consume_budget()).poll(cx);
        }
        exchange.as_mut().poll(cx)
    });
    let exchange = tokio::time::timeout(Duration::from_secs(5), starved).await.expect("it ends");
    let Exchange::Answer(answer) = exchange else { panic!("{exchange:?}") };
    assert_eq!(answer.verdict, DEADLINE);
}

#[tokio::test]
async fn wrong_framing_is_unknown_or_ends_with_the_answer_that_came_whole() {
    for (act, verdict) in [
        (Act::Broken(Broken::StatusLine), UNREADABLE),
        (Act::Broken(Broken::LengthTooLong), LOST),
        (Act::Broken(Broken::ChunkedGarbage), UNREADABLE),
        (Act::Broken(Broken::LengthAndChunked), Verdict::Accept),
        (Act::Broken(Broken::LengthTooShort), Verdict::Accept),
        (Act::Broken(Broken::ExtraBytes), Verdict::Accept),
        (Act::Close { after: Read::Request, reset: false }, LOST),
        (Act::Close { after: Read::Request, reset: true }, LOST),
    ] {
        let tried = try_script(Script::doing(act.clone()), in_time()).await;
        assert_eq!(tried.verdict, verdict, "{act:?}");
        let last = act == Act::Broken(Broken::LengthAndChunked);
        assert!(!tried.usable || last, "{act:?}");
    }
}

/// Opens a connection to it, lets it say that and perhaps leave, and tries an exchange. The service
/// runs elsewhere and the runtime is blocked meanwhile, so that only the kernel can tell.
fn try_after(greeting: &'static str, leaves: bool) -> Exchange {
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let (done, told) = std::sync::mpsc::sync_channel(1);
    let service = elsewhere.block_on(Service::start(move |mut peer| {
        let done = done.clone();
        async move {
            peer.say(greeting).await;
            let stays = (!leaves).then_some(peer);
            done.send(()).unwrap();
            if let Some(mut peer) = stays {
                peer.closed().await;
            }
        }
    }));
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(async {
        let mut connection =
            Connection::open(&service.endpoint, &Tls::default(), in_time()).await.unwrap();
        told.recv().unwrap();
        connection.exchange(request(&service.endpoint), in_time()).await
    })
}

#[test]
fn what_is_said_before_any_request_is_no_answer_and_nothing_is_sent() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for greeting in [ok, "220 mail ready\r\n"] {
        let exchange = try_after(greeting, false);
        assert!(matches!(exchange, Exchange::NotSent { .. }), "{exchange:?}");
    }
}

#[test]
fn nothing_is_sent_on_a_connection_that_ended_before_any_request() {
    let exchange = try_after("", true);
    assert!(matches!(exchange, Exchange::NotSent { .. }), "{exchange:?}");
}

#[tokio::test]
async fn a_service_that_greets_and_leaves_never_accepts() {
    let close = |reset| Script::accepting().greeting(Greeting::new(Greet::Close { reset }));
    for script in [close(false), close(true)] {
        let service = forebay_trial::Service::start(script, &Journal::default());
        let connections = connections(Endpoint::parse(&service.url(), "v1").unwrap());
        for _ in 0..20 {
            let answer = connections.deliver(&origin(), &record("value"), in_time()).await.unwrap();
            // Which of them depends on whether the end or the request is there first.
            let fault = Verdict::TargetFault(TargetFault::Connect);
            assert!([LOST, fault].contains(&answer.verdict), "{answer:?}");
        }
    }
    let silent = Script::accepting().greeting(Greeting::new(Greet::NeverRead));
    let tried = try_script(silent, Instant::now() + Duration::from_millis(200)).await;
    assert_eq!(tried.verdict, DEADLINE);
}
