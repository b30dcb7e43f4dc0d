//! Services that leave connections without a word: after a few losses none is lost any more.
//!
//! A request is made to cross with the closing by closing only once it has arrived; a service that
//! closes at once is told apart by the socket most of the time, and costs less.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_core::{Answer, UnknownCause, Verdict};
use forebay_push::Connections;

use crate::service::Service;
use crate::{connections, in_time, origin, record};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LOST: Verdict = Verdict::Unknown(UnknownCause::ConnectionLost);
/// After which the service of one test leaves.
const IDLE: Duration = Duration::from_millis(50);
/// Three, and as many again should the machine stall between two deliveries, which then look as if
/// the connection had rested.
const FEW: usize = 6;

async fn deliver(connections: &Connections) -> Verdict {
    connections.deliver(&origin(), &record("value"), in_time()).await.unwrap().verdict
}

/// How many of so many deliveries, one after the other, were unknown; the others were accepted.
async fn unknown_of(deliveries: usize, connections: &Connections) -> usize {
    let mut unknown = 0;
    for _ in 0..deliveries {
        match deliver(connections).await {
            Verdict::Accept => {}
            verdict => {
                assert_eq!(verdict, LOST);
                unknown += 1;
            }
        }
    }
    unknown
}

/// Leaves each connection after `answers`: at once, or when the next request has come.
async fn leaving_after(answers: usize, at_once: bool) -> Service {
    Service::start(move |mut peer| async move {
        for _ in 0..answers {
            if peer.request().await.is_none() {
                return;
            }
            peer.say(OK).await;
        }
        if !at_once {
            peer.request().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_service_that_leaves_after_so_many_answers_is_left_first() {
    for (answers, at_once) in [(1, false), (1, true), (10, false), (10, true)] {
        let service = leaving_after(answers, at_once).await;
        let connections = connections(service.endpoint.clone());
        let unknown = unknown_of(200, &connections).await;
        assert!(unknown <= FEW, "{unknown} for {answers}, at once: {at_once}");
        if !at_once {
            assert!(unknown >= 3);
            assert_eq!(unknown_of(100, &connections).await, 0);
            // Not more connections than it takes.
            let before = service.accepted();
            assert_eq!(unknown_of(100, &connections).await, 0);
            assert_eq!(service.accepted() - before, 100 / answers);
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_learned_holds_for_connections_already_at_rest() {
    let service = leaving_after(1, false).await;
    let connections = connections(service.endpoint.clone());
    for _ in 0..2 {
        assert_eq!(deliver(&connections).await, Verdict::Accept);
        assert_eq!(deliver(&connections).await, LOST);
    }
    tokio::join!(deliver(&connections), deliver(&connections), deliver(&connections));
    assert_eq!(connections.resting(), 3);
    assert_eq!(deliver(&connections).await, LOST);
    assert_eq!(connections.resting(), 2);
    assert_eq!(deliver(&connections).await, Verdict::Accept);
    assert_eq!(connections.resting(), 0);
}

#[tokio::test]
async fn a_service_that_leaves_after_a_rest_is_left_before() {
    let service = Service::start(|mut peer| async move {
        // Its timer rings, and it closes: just as a request arrives.
        while let Ok(request) = tokio::time::timeout(IDLE, peer.request()).await {
            if request.is_none() {
                return;
            }
            peer.say(OK).await;
        }
        peer.request().await;
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let mut unknown = 0;
    for _ in 0..20 {
        unknown += unknown_of(1, &connections).await;
        tokio::time::sleep(IDLE + Duration::from_millis(10)).await;
    }
    assert_eq!(unknown, 3);
    // Without a rest a connection serves again.
    let before = service.accepted();
    assert_eq!(unknown_of(50, &connections).await, 0);
    assert!(service.accepted() - before < 50);
}

#[tokio::test]
async fn a_service_that_dies_once_teaches_nothing() {
    let lives = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lives);
    let service = Service::start(move |mut peer| {
        let first_life = count.fetch_add(1, Ordering::SeqCst) < 4;
        async move {
            let mut answered = 0;
            while peer.request().await.is_some() {
                if first_life && answered == 5 {
                    return;
                }
                peer.say(OK).await;
                answered += 1;
            }
        }
    })
    .await;
    let connections = connections(service.endpoint.clone());
    let round = async || {
        let (a, b, c, d) = tokio::join!(
            deliver(&connections),
            deliver(&connections),
            deliver(&connections),
            deliver(&connections)
        );
        [a, b, c, d]
    };
    for _ in 0..5 {
        assert_eq!(round().await, [Verdict::Accept; 4]);
    }
    assert_eq!(round().await, [LOST; 4]);
    for _ in 0..20 {
        assert_eq!(round().await, [Verdict::Accept; 4]);
    }
    assert_eq!(service.accepted(), 8);
}

#[tokio::test]
async fn a_loss_within_an_answer_teaches_nothing() {
    for cut in ["H", "HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx"] {
        let service = Service::start(move |mut peer| async move {
            peer.request().await;
            peer.say(OK).await;
            peer.request().await;
            peer.say(cut).await;
        })
        .await;
        let connections = connections(service.endpoint.clone());
        for _ in 0..10 {
            let both = [deliver(&connections).await, deliver(&connections).await];
            assert_eq!(both, [Verdict::Accept, LOST], "{cut:?}");
        }
    }
}

#[test]
fn after_a_loss_the_kernel_is_asked_however_short_the_rest() {
    // The service runs on a runtime of its own, so that nothing but the probe can learn of its end.
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let (closed, seen) = std::sync::mpsc::sync_channel(1);
    let ordinal = AtomicUsize::new(0);
    let service = elsewhere.block_on(Service::start(move |mut peer| {
        let closed = closed.clone();
        let crosses = ordinal.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            peer.request().await;
            peer.say(OK).await;
            if crosses {
                peer.request().await;
            }
            drop(peer);
            closed.send(()).unwrap();
        }
    }));
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(async {
        let connections = connections(service.endpoint.clone());
        assert_eq!(deliver(&connections).await, Verdict::Accept);
        assert_eq!(deliver(&connections).await, LOST);
        seen.recv().unwrap();
        for _ in 0..100 {
            let answer = connections.deliver(&origin(), &record("value"), in_time()).await.unwrap();
            assert_eq!(answer, Answer::accepted(200));
            // Blocks the runtime on purpose: it must not get to hear of the end by itself.
            seen.recv().unwrap();
        }
    });
}
