//! Well-formed answers, at once or after a while.

use std::time::{Duration, Instant};

use forebay_trial::{Act, Answer, Answered, Journal, Rule, Script, Service};

use crate::client::{Client, post};

#[test]
fn without_a_rule_everything_is_accepted_and_written_down_as_it_came() {
    let journal = Journal::default();
    let service = Service::start(Script::accepting(), &journal);
    let mut client = Client::connect(service.address());
    let answer = client.ask(&post(41).key("Zo%C3%AB"));
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let all = journal.read();
    assert_eq!(all.len(), 1);
    let what = &all[0].what;
    assert_eq!((what.topic.as_str(), what.partition, what.offset), ("flights", 0, 41));
    assert_eq!((what.key.as_deref(), what.tenure, what.attempt), (Some("Zoë"), 7, 1));
    assert_eq!((what.revision.as_str(), what.timeout_ms), ("v1", Some(30_000)));
    assert_eq!(what.idempotency_key, "g/flights/-/0/41");
    assert_eq!(what.digest, Some(forebay_trial::digest(b"value")));
    let accepted = all[0].accepted().expect("it was");
    assert!(accepted >= all[0].started);
    let request = &journal.requests()[0];
    assert_eq!((request.body.as_slice(), request.header("host")), (&b"value"[..], Some("service")));
}

#[test]
fn status_headers_and_body_are_those_of_the_rule() {
    let journal = Journal::default();
    let answer = Answer::status(503).header("retry-after", "3").body("later");
    let service = Service::start(Script::doing(Act::Answer(answer)), &journal);
    let answer = Client::connect(service.address()).ask(&post(0));
    assert_eq!((answer.status, answer.body.as_str()), (503, "later"));
    assert!(answer.head.contains("\r\nretry-after: 3\r\n"), "{}", answer.head);
    assert_eq!(journal.read()[0].accepted(), None);
}

#[test]
fn the_services_own_word_counts_in_the_journal_whatever_the_status() {
    for (status, verdict, accepted) in [(200, "retry", false), (500, "accept", true)] {
        let journal = Journal::default();
        let answer = Answer::status(status).header("Forebay-Verdict", verdict);
        let service = Service::start(Script::doing(Act::Answer(answer)), &journal);
        Client::connect(service.address()).ask(&post(0));
        let all = journal.read();
        assert_eq!(all[0].accepted().is_some(), accepted, "{status} {verdict}");
        let verdict = Some(verdict.to_owned());
        let ended = all[0].ended.as_ref().expect("it was answered");
        assert_eq!(ended.answered, Answered::Whole { status, verdict });
    }
}

#[test]
fn an_answer_waits_for_its_delay() {
    let journal = Journal::default();
    let delay = Duration::from_millis(150);
    let service = Service::start(Script::accepting().delay(delay), &journal);
    let began = Instant::now();
    Client::connect(service.address()).ask(&post(0));
    assert!(began.elapsed() >= delay);
    let delivery = &journal.read()[0];
    let worked = delivery.accepted().expect("it was") - delivery.started;
    assert!(u128::from(worked) >= delay.as_nanos());
}

#[test]
fn a_rules_own_delay_goes_before_the_scripts() {
    let slow = Duration::from_secs(60);
    let quick = Rule::answering(200).key("quick").delay(Duration::ZERO);
    let script = Script::accepting().delay(slow).rule(quick);
    let service = Service::start(script, &Journal::default());
    let began = Instant::now();
    Client::connect(service.address()).ask(&post(0).key("quick"));
    assert!(began.elapsed() < slow);
}

#[test]
fn random_delays_are_between_their_ends() {
    let journal = Journal::default();
    let (from, to) = (Duration::from_millis(2), Duration::from_millis(40));
    let service = Service::start(Script::accepting().delay(from..to).seed(3), &journal);
    let mut client = Client::connect(service.address());
    for offset in 0..20 {
        client.ask(&post(offset));
    }
    let took = |delivery: &forebay_trial::Delivery| {
        Duration::from_nanos(delivery.accepted().expect("it was") - delivery.started)
    };
    let all: Vec<Duration> = journal.read().iter().map(took).collect();
    assert!(all.iter().all(|took| *took >= from), "{all:?}");
    let (least, most) = (all.iter().min().expect("20"), all.iter().max().expect("20"));
    assert!(*most - *least > Duration::from_millis(5), "they differ: {all:?}");
}

#[test]
fn what_is_no_delivery_is_a_stray_and_is_refused() {
    use std::io::Write as _;
    let journal = Journal::default();
    let service = Service::start(Script::accepting(), &journal);
    let mut client = Client::connect(service.address());
    client.stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    assert_eq!(client.answer().status, 400);
    assert_eq!((journal.strays(), journal.len()), (1, 0));
    assert_eq!(client.ask(&post(0)).status, 200, "the connection goes on");
}

#[test]
fn an_answer_whose_client_has_left_is_accepted_and_untold() {
    let journal = Journal::default();
    let service = Service::start(Script::accepting().delay(Duration::from_millis(50)), &journal);
    let mut client = Client::connect(service.address());
    client.send(&post(0));
    journal.wait("it has begun", |all| (!all.is_empty()).then_some(()));
    drop(client);
    journal.wait("it is known that nobody heard it", |all| {
        let ended = all[0].ended.as_ref()?;
        (all[0].accepted().is_some() && !ended.told).then_some(())
    });
}
