//! Connections that grow old: they are replaced, one by one and never in use.

use std::time::Duration;

use forebay_core::{Answer, Verdict};
use forebay_push::{Connections, Endpoint, Limits, Tls};
use forebay_trial::{Journal, Rule, Script, Service};
use tokio::time::Instant;

use crate::{origin, record};

const AGE: Duration = Duration::from_secs(100);
/// Connections that are opened together.
const COUNT: usize = 20;

fn connections(service: &Service) -> Connections {
    let limits = Limits { max_age: Some(AGE), max_idle: 10 * AGE, ..Limits::default() };
    Connections::new(Endpoint::parse(&service.url(), "v1").unwrap(), limits, Tls::default())
}

async fn deliver(connections: &Connections) -> Answer {
    let far = Instant::now() + 100 * AGE;
    connections.deliver(&origin(), &record("value"), far).await.unwrap()
}

/// [`COUNT`] deliveries side by side.
async fn round(connections: &std::rc::Rc<Connections>) {
    let together = (0..COUNT).map(|_| {
        let connections = connections.clone();
        tokio::task::spawn_local(async move { deliver(&connections).await })
    });
    for delivery in together.collect::<Vec<_>>() {
        assert_eq!(delivery.await.unwrap(), Answer::accepted(200));
    }
}

/// The service is outside of the paused clock, which is kept from running ahead of it.
async fn in_frozen_time(test: impl Future<Output = ()>) {
    let awake = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    let local = tokio::task::LocalSet::new();
    tokio::select! {
        () = local.run_until(test) => {}
        () = awake => {}
    }
}

#[tokio::test(start_paused = true)]
async fn connections_opened_together_are_replaced_one_by_one() {
    in_frozen_time(async {
        let service = Service::start(Script::accepting(), &Journal::default());
        let connections = std::rc::Rc::new(connections(&service));
        round(&connections).await;
        assert_eq!(service.connections(), COUNT);
        tokio::time::advance(AGE / 2 - Duration::from_secs(1)).await;
        round(&connections).await;
        assert_eq!(service.connections(), COUNT, "none is half as old as it may be");
        let mut before = COUNT;
        for _ in 0..51 {
            tokio::time::advance(Duration::from_secs(1)).await;
            round(&connections).await;
            let opened = service.connections() - before;
            assert!(opened <= 2, "{opened} at once");
            before += opened;
        }
        assert!(before >= 2 * COUNT, "all have been replaced: {before}");
        assert!(before <= 2 * COUNT + 2, "and none twice, but where it drew a half: {before}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connections_at_rest_grow_old_too() {
    in_frozen_time(async {
        let service = Service::start(Script::accepting(), &Journal::default());
        let connections = std::rc::Rc::new(connections(&service));
        round(&connections).await;
        tokio::time::advance(AGE * 3 / 4).await;
        connections.prune();
        let left = connections.resting();
        assert!((COUNT / 4..=COUNT * 3 / 4).contains(&left), "{left}");
        tokio::time::advance(AGE / 4).await;
        // Without anybody to prune them, those that a delivery comes across are closed.
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
        assert_eq!(connections.resting(), 1);
        assert_eq!(service.connections(), COUNT + 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_grows_old_in_use_is_not_cut_off() {
    in_frozen_time(async {
        let journal = Journal::default();
        let slow = Rule::answering(200).delay(Duration::from_millis(50));
        let service = Service::start(Script::default().rule(slow), &journal);
        let connections = std::rc::Rc::new(connections(&service));
        let under_way = {
            let connections = connections.clone();
            tokio::task::spawn_local(async move { deliver(&connections).await })
        };
        while journal.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(2 * AGE).await;
        connections.prune();
        assert_eq!(under_way.await.unwrap().verdict, Verdict::Accept);
        assert_eq!(connections.resting(), 0, "it is closed after its exchange");
    })
    .await;
}
