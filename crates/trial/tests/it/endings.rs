//! Requests that get no answer, or get it slowly.

use std::time::{Duration, Instant};

use forebay_trial::{Act, Answer, Answered, Greet, Greeting, Journal, Read, Script, Service};

use crate::client::{Client, End, post};

fn ended_by(journal: &Journal) -> Answered {
    journal.wait("it has ended", |all| Some(all.first()?.ended.as_ref()?.answered.clone()))
}

#[test]
fn a_request_that_hangs_gets_nothing_until_its_client_leaves() {
    let journal = Journal::default();
    let service = Service::start(Script::doing(Act::Hang), &journal);
    let mut client = Client::connect(service.address());
    client.send(&post(0));
    assert!(client.hears_nothing_for(Duration::from_millis(200)));
    assert!(journal.read()[0].ended.is_none());
    drop(client);
    assert_eq!(ended_by(&journal), Answered::broken("hang"));
}

#[test]
fn a_connection_is_closed_before_anything_is_read() {
    for reset in [false, true] {
        let journal = Journal::default();
        let script = Script::accepting().greeting(Greeting::new(Greet::Close { reset }));
        let service = Service::start(script, &journal);
        let mut client = Client::connect(service.address());
        let end = if reset { End::Reset } else { End::Closed };
        assert_eq!(client.rest(), (String::new(), end));
        assert_eq!(journal.len(), 0);
        assert_eq!(service.connections(), 1);
    }
}

#[test]
fn a_connection_is_closed_or_reset_after_the_request() {
    for reset in [false, true] {
        let journal = Journal::default();
        let close = Act::Close { after: Read::Request, reset };
        let service = Service::start(Script::doing(close), &journal);
        let mut client = Client::connect(service.address());
        client.send(&post(0));
        let end = if reset { End::Reset } else { End::Closed };
        assert_eq!(client.rest(), (String::new(), end));
        assert_eq!(ended_by(&journal), Answered::broken("close"));
        assert!(journal.read()[0].what.digest.is_some(), "it was read");
    }
}

#[test]
fn a_connection_is_closed_after_the_head_alone() {
    use std::io::Write as _;
    let journal = Journal::default();
    let close = Act::Close { after: Read::Head, reset: false };
    let service = Service::start(Script::doing(close), &journal);
    let mut client = Client::connect(service.address());
    let head = b"POST / HTTP/1.1\r\nforebay-topic: t\r\nforebay-partition: 0\r\n\
        forebay-offset: 0\r\nforebay-tenure: 1\r\nforebay-attempt: 1\r\ncontent-length: 9\r\n\r\n";
    client.stream.write_all(head).expect("sent");
    assert_eq!(client.rest(), (String::new(), End::Closed));
    assert_eq!(ended_by(&journal), Answered::broken("close"));
    assert_eq!(journal.read()[0].what.digest, None, "its body was never read");
}

#[test]
fn a_request_whose_body_never_comes_whole_was_never_made() {
    use std::io::Write as _;
    let journal = Journal::default();
    let service = Service::start(Script::accepting(), &journal);
    let mut client = Client::connect(service.address());
    let half = b"POST / HTTP/1.1\r\nforebay-topic: t\r\nforebay-partition: 0\r\n\
        forebay-offset: 0\r\nforebay-tenure: 1\r\nforebay-attempt: 1\r\ncontent-length: 9\r\n\r\nha";
    client.stream.write_all(half).expect("sent");
    client.stream.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(client.rest(), (String::new(), End::Closed));
    assert_eq!(journal.len(), 0);
}

#[test]
fn an_answer_drips_byte_by_byte_and_is_accepted_with_its_last() {
    let journal = Journal::default();
    let answer = Answer::status(200).body("slow");
    let script = Script::doing(Act::Drip { answer, every_ms: 3 });
    let service = Service::start(script, &journal);
    let mut client = Client::connect(service.address());
    let began = Instant::now();
    client.send(&post(0));
    client.swallow(1);
    assert_eq!(journal.read()[0].accepted(), None, "not with its first byte");
    drop(client);
    assert_eq!(ended_by(&journal), Answered::broken("drip"));

    let answer = Client::connect(service.address()).ask(&post(1));
    assert_eq!((answer.status, answer.body.as_str()), (200, "slow"));
    let bytes = u32::try_from(answer.head.len() + 4).expect("few");
    assert!(began.elapsed() >= Duration::from_millis(3) * (bytes - 1));
    assert!(journal.read()[1].accepted().is_some());
}
