//! A service that does what no service should: nothing is lost, and each key keeps its order.
//!
//! It leaves out an answer that is sent before its request was read: once the request is on its way,
//! no client can tell such an answer from a true one.

use forebay_trial::{
    Act, Answer, Broken, Greet, Greeting, Journal, Read, Reason, Rule, Script, Service,
};

use super::kafka::Kafka;
use super::process::{Forebay, file};

/// What the first attempt of each record gets, by key; what is not named here is accepted.
fn abuse() -> Vec<Act> {
    let slow = Answer::status(200).body("slow");
    vec![
        Act::Answer(Answer::status(500)),
        Act::Answer(Answer::status(200).header("forebay-verdict", "retry")),
        Act::Hang,
        Act::Close { after: Read::Head, reset: false },
        Act::Close { after: Read::Request, reset: false },
        Act::Close { after: Read::Request, reset: true },
        Act::Drip { answer: slow, every_ms: 200 },
        Act::Broken(Broken::StatusLine),
        Act::Broken(Broken::LengthTooShort),
        Act::Broken(Broken::LengthTooLong),
        Act::Broken(Broken::ChunkedGarbage),
        Act::Broken(Broken::LengthAndChunked),
        Act::Broken(Broken::ExtraBytes),
        Act::Huge { bytes: 1 << 30, chunked: false },
        Act::Huge { bytes: 1 << 30, chunked: true },
        Act::EndlessHeaders,
        Act::GiantHeader { bytes: 1 << 20 },
        Act::Informational { count: None },
    ]
}

#[test]
fn whatever_a_service_does_its_records_arrive_in_order_and_come_again_for_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("abused", 4);
    let input = kafka.fill("abused", 0..300, 100);
    let mut script = Script::accepting();
    for (key, act) in abuse().into_iter().enumerate() {
        script = script.rule(Rule::new(act).key(&format!("key-{key}")).attempts_to(1));
    }
    let script = script
        .greeting(Greeting::new(Greet::Close { reset: true }).every(7))
        .greeting(Greeting::new(Greet::Serve { requests: 3 }).every(2));
    let service = Service::start(script, &journal);
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         [[subscription]]\nname = \"abused\"\ntopics = [\"abused\"]\n\
         retry = {{ backoff = \"10ms..50ms\" }}\n\
         [subscription.target]\nurl = {:?}\ndeadline = \"1s\"\n",
        kafka.address,
        service.url()
    );
    let config = file(directory.path(), &text);
    let gateway = Forebay::start(directory.path(), &["run", "-c", config.to_str().unwrap()]);
    kafka.await_committed("abused", &input);
    let verdict = input.assert_kept(&journal, &[]);
    // A first attempt may be lost with its connection, and then its rule is not met.
    assert!(verdict.repeated(Reason::Failure) > 0, "{:?}", verdict.repeated);
    assert!(verdict.repeated(Reason::UnknownAnswer) > 10, "{:?}", verdict.repeated);
    assert_eq!(gateway.terminate(), 0);
}
