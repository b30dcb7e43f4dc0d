//! What a service can do at most.

use std::time::{Duration, Instant};

use forebay_trial::{Answer, Journal, Limit, Script, Service};

use crate::client::{Client, post};

/// Sends one request on each of so many connections, and gives the statuses.
fn at_once(service: &Service, count: usize) -> Vec<u16> {
    let offsets = 0..i64::try_from(count).expect("few");
    let mut clients: Vec<_> = offsets.clone().map(|_| Client::connect(service.address())).collect();
    for (client, offset) in clients.iter_mut().zip(offsets) {
        client.send(&post(offset));
    }
    clients.iter_mut().map(|client| client.answer().status).collect()
}

#[test]
fn only_so_many_are_at_work_and_the_others_wait() {
    let journal = Journal::default();
    let delay = Duration::from_millis(60);
    let script = Script::accepting().limit(Limit::concurrent(2)).delay(delay);
    let service = Service::start(script, &journal);
    let began = Instant::now();
    assert_eq!(at_once(&service, 6), [200; 6]);
    assert!(began.elapsed() >= 3 * delay, "{:?}", began.elapsed());
}

#[test]
fn what_is_over_is_answered_as_the_script_says() {
    let limit = Limit::concurrent(2).or_answer(Answer::status(429).header("retry-after", "1"));
    let script = Script::accepting().limit(limit).delay(Duration::from_millis(300));
    let service = Service::start(script, &Journal::default());
    let mut statuses = at_once(&service, 5);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429, 429, 429]);
}

#[test]
fn no_more_than_the_rate_get_their_turn() {
    let script = Script::accepting().limit(Limit::per_second(200));
    let service = Service::start(script, &Journal::default());
    let began = Instant::now();
    let mut client = Client::connect(service.address());
    for offset in 0..60 {
        assert_eq!(client.ask(&post(offset)).status, 200);
    }
    // 60 at 200 a second, but for the first and the burst.
    assert!(began.elapsed() >= Duration::from_millis(240), "{:?}", began.elapsed());
}

#[test]
fn what_is_over_the_rate_is_answered_and_takes_no_turn() {
    let limit = Limit::per_second(1).or_answer(Answer::status(503));
    let service = Service::start(Script::accepting().limit(limit), &Journal::default());
    let mut client = Client::connect(service.address());
    let began = Instant::now();
    assert_eq!(client.ask(&post(0)).status, 200);
    while client.ask(&post(1)).status == 503 {}
    assert!(began.elapsed() >= Duration::from_millis(940));
    assert!(began.elapsed() < Duration::from_secs(5), "refused requests do not push it back");
}
