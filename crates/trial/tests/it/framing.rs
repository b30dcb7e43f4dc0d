//! Bytes that are not the answer's framing.

use forebay_trial::{Act, Broken, Greet, Greeting, Journal, Script, Service};

use crate::client::{Client, End, post};

/// All that a client gets, how the connection ends, and whether the journal says accepted. The
/// client ends its side where the service leaves that to it.
fn heard(broken: Broken) -> (String, bool) {
    let journal = Journal::default();
    let service = Service::start(Script::doing(Act::Broken(broken)), &journal);
    let mut client = Client::connect(service.address());
    client.send(&post(0));
    client.stream.shutdown(std::net::Shutdown::Write).expect("open");
    let (text, end) = client.rest();
    assert_eq!(end, End::Closed);
    (text, journal.read()[0].accepted().is_some())
}

#[test]
fn a_status_line_that_is_none() {
    let (text, accepted) = heard(Broken::StatusLine);
    assert!(!text.starts_with("HTTP/"), "{text}");
    assert!(!accepted);
}

#[test]
fn a_body_that_is_longer_than_its_length() {
    let (text, accepted) = heard(Broken::LengthTooShort);
    assert!(text.ends_with("content-length: 2\r\n\r\nok and more"), "{text}");
    assert!(accepted, "what its length covers is a good answer");
}

#[test]
fn a_body_that_is_shorter_than_its_length() {
    let (text, accepted) = heard(Broken::LengthTooLong);
    assert!(text.ends_with("content-length: 100\r\n\r\nshort"), "{text}");
    assert!(!accepted);
}

#[test]
fn a_chunk_that_has_no_length() {
    let (text, accepted) = heard(Broken::ChunkedGarbage);
    assert!(text.contains("transfer-encoding: chunked\r\n\r\nzz\r\n"), "{text}");
    assert!(!accepted);
}

#[test]
fn a_length_and_chunks_at_once() {
    let (text, accepted) = heard(Broken::LengthAndChunked);
    assert!(text.contains("content-length: 99\r\n"), "{text}");
    assert!(text.ends_with("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "{text}");
    assert!(accepted, "by RFC 9112 the chunks count");
}

#[test]
fn an_answer_and_one_more_that_nobody_asked_for() {
    let (text, accepted) = heard(Broken::ExtraBytes);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text}");
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(accepted);
}

#[test]
fn an_answer_before_the_request() {
    let journal = Journal::default();
    let unasked = "HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n".to_owned();
    let script = Script::accepting().greeting(Greeting::new(Greet::Speak(unasked)));
    let service = Service::start(script, &journal);
    let mut client = Client::connect(service.address());
    assert_eq!(client.answer().status, 500);
    assert_eq!(journal.len(), 0, "nothing was asked yet");
    assert_eq!(client.ask(&post(0)).status, 200);
}
