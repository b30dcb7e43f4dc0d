//! Answers that are too much.

use forebay_trial::{Act, Answered, Journal, Script, Service};

use crate::client::{Client, End, post};

const MIB: usize = 1 << 20;

fn answered(journal: &Journal) -> Answered {
    journal.wait("it is written down", |all| Some(all.first()?.ended.as_ref()?.answered.clone()))
}

fn start(act: Act) -> (Service, Journal, Client) {
    let journal = Journal::default();
    let service = Service::start(Script::doing(act), &journal);
    let mut client = Client::connect(service.address());
    client.send(&post(0));
    (service, journal, client)
}

#[test]
fn a_huge_body_is_whole_where_it_is_read() {
    for chunked in [false, true] {
        let act = Act::Huge { bytes: 3 * MIB as u64 + 1, chunked };
        let (_service, journal, mut client) = start(act);
        client.stream.shutdown(std::net::Shutdown::Write).expect("open");
        let (text, end) = client.rest();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert_eq!(head.contains("content-length: 3145729"), !chunked, "{head}");
        assert_eq!(head.contains("transfer-encoding: chunked"), chunked, "{head}");
        let letters = body.bytes().filter(|byte| *byte == b'x').count();
        assert_eq!((letters, end), (3 * MIB + 1, End::Closed));
        assert_eq!(body.ends_with("\r\n0\r\n\r\n"), chunked);
        assert_eq!(answered(&journal), Answered::status(200));
    }
}

#[test]
fn a_huge_body_that_is_not_read_is_untold() {
    let (_service, journal, mut client) = start(Act::Huge { bytes: u64::MAX, chunked: false });
    client.swallow(MIB);
    drop(client);
    journal
        .wait("it is known that nobody has it", |all| (!all[0].ended.as_ref()?.told).then_some(()));
}

#[test]
fn headers_do_not_end() {
    let (_service, journal, mut client) = start(Act::EndlessHeaders);
    client.swallow(4 * MIB);
    assert_eq!(answered(&journal), Answered::broken("endless-headers"));
}

#[test]
fn one_header_is_giant() {
    let (_service, journal, mut client) = start(Act::GiantHeader { bytes: 2 * MIB as u64 });
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.head.bytes().filter(|byte| *byte == b'x').count(), 2 * MIB + 1);
    assert_eq!(answered(&journal), Answered::broken("giant-header"));
}

#[test]
fn many_preliminary_answers_come_before_the_one_or_for_ever() {
    let (_service, journal, mut client) = start(Act::Informational { count: Some(1_000) });
    let before = (0..).take_while(|_| client.answer().status == 103).count();
    assert_eq!(before, 1_000);
    assert_eq!(answered(&journal), Answered::status(200));

    let (_service, journal, mut client) = start(Act::Informational { count: None });
    client.swallow(MIB);
    assert_eq!(answered(&journal), Answered::broken("informational"));
}
