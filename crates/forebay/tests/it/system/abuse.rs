//! A service that does what no service should: nothing is lost, and each key keeps its order.
//!
//! It leaves out what is said before a request was read. Once the request is on its way, no client
//! can tell such an answer from a true one; and where it is no answer, the true one behind it is not
//! looked for, of which its service knows nothing.

use std::collections::BTreeMap;
use std::path::Path;

use forebay_trial::{
    Act, Answer, Broken, Greet, Greeting, Journal, Read, Reason, Rule, Script, Service,
};

use super::kafka::Kafka;
use super::process::{Forebay, file};

/// What the first attempt of each record gets, by key; what is not named here is accepted.
fn abuse() -> Vec<Act> {
    let slow = Answer::status(200).body("slow");
    let two_words =
        Answer::status(200).header("forebay-verdict", "reject").header("forebay-verdict", "accept");
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
        Act::Answer(Answer::status(302).header("location", "/elsewhere")),
        Act::Answer(Answer::status(999)),
        Act::Answer(Answer::status(503).header("retry-after", "1")),
        Act::Answer(Answer::status(200).header("forebay-verdict", "maybe")),
        Act::Answer(two_words),
        Act::Close { after: Read::Head, reset: true },
        Act::Drip { answer: Answer::status(200), every_ms: 1_000 },
    ]
}

/// A gateway whose deliveries end after a second.
fn gateway(directory: &Path, kafka: &Kafka, topic: &str, service: &Service) -> Forebay {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         [[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n\
         retry = {{ backoff = \"10ms..50ms\" }}\n\
         [subscription.target]\nurl = {:?}\ndeadline = \"1s\"\n",
        kafka.address,
        service.url()
    );
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
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
        .greeting(Greeting::new(Greet::NeverRead).every(13))
        .greeting(Greeting::new(Greet::Serve { requests: 3 }).every(2));
    let service = Service::start(script, &journal);
    let gateway = gateway(directory.path(), &kafka, "abused", &service);
    kafka.await_committed("abused", &input);
    let verdict = input.assert_kept(&journal, &[]);
    // A first attempt may be lost with its connection, and then its rule is not met.
    assert!(verdict.repeated(Reason::Failure) > 0, "{:?}", verdict.repeated);
    assert!(verdict.repeated(Reason::UnknownAnswer) > 10, "{:?}", verdict.repeated);
    assert_eq!(gateway.terminate(), 0);
}

/// What the gateway's memory may grow by at its height. One answer of those that are out is 1 GiB.
const GROWTH: u64 = 64 << 20;
/// Deadline and grace, nanoseconds: so long an unknown answer keeps its key shut.
const SHUT: u64 = 2_000_000_000;

#[test]
fn answers_without_end_cost_bounded_memory_and_no_more_time_than_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    kafka.create("endless", 4);
    let mut input = kafka.fill("endless", 0..2_000, 300);
    let service = Service::start(Script::accepting(), &journal);
    let gateway = gateway(directory.path(), &kafka, "endless", &service);
    kafka.await_committed("endless", &input);
    let before = gateway.memory("VmRSS");
    // Those that are no answer are few, so that the target is not taken for broken.
    let acts = [
        (0..60, Act::Huge { bytes: 1 << 30, chunked: false }),
        (60..120, Act::Huge { bytes: 1 << 30, chunked: true }),
        (120..125, Act::EndlessHeaders),
        (125..130, Act::Drip { answer: Answer::status(200), every_ms: 1_000 }),
    ];
    let mut script = Script::accepting();
    for (keys, act) in acts {
        for key in keys {
            let rule = Rule::new(act.clone()).key(&format!("key-{key}"));
            script = script.rule(rule.attempts_to(1));
        }
    }
    service.play(script);
    let more = kafka.fill("endless", 2_000..2_600, 300);
    let abused = more.places();
    input.extend(more);
    kafka.await_committed("endless", &input);
    input.assert_kept(&journal, &[]);
    let growth = gateway.memory("VmHWM").saturating_sub(before);
    assert!(growth <= GROWTH, "{} KiB more than {} KiB", growth >> 10, before >> 10);

    let mut starts: BTreeMap<(i32, i64), Vec<u64>> = BTreeMap::new();
    let mut slow = 0;
    for delivery in journal.read() {
        let place = (delivery.what.partition, delivery.what.offset);
        if abused.contains(&place) {
            starts.entry(place).or_default().push(delivery.started);
        }
    }
    for starts in starts.values().filter(|starts| starts.len() > 1) {
        let shut = starts[1] - starts[0];
        assert!(shut < 5 * SHUT, "{shut} ns");
        slow += usize::from(shut > SHUT * 9 / 10);
    }
    // Ten keys of two records each; a few may have been lost with their connection.
    assert!(slow >= 15, "{slow} were tried again after the deadline and the grace");
    assert_eq!(gateway.terminate(), 0);
}
