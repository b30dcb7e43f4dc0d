//! A service that refuses former owners, and work that comes too late.

use std::time::Duration;

use forebay_trial::{Answered, Journal, Script, Service};

use crate::client::{Client, Post, post};

fn of(tenure: i64, offset: i64) -> Post {
    Post { tenure, ..post(offset) }
}

fn refused(journal: &Journal) -> Vec<(i64, String)> {
    let refusal = |answered| match answered {
        Answered::Refused { by } => Some(by),
        _ => None,
    };
    let all = journal.read().into_iter();
    all.filter_map(|one| Some((one.what.offset, refusal(one.ended?.answered)?))).collect()
}

#[test]
fn an_older_tenure_is_refused_by_all_instances_and_for_its_partition_only() {
    let journal = Journal::default();
    let services = [(); 2].map(|()| Service::start(Script::accepting().fence(), &journal));
    let mut clients = services.each_ref().map(|service| Client::connect(service.address()));
    assert_eq!(clients[0].ask(&of(7, 0)).status, 200);
    assert_eq!(clients[1].ask(&of(8, 1)).status, 200);
    let answer = clients[0].ask(&of(7, 2));
    assert_eq!((answer.status, answer.body.as_str()), (503, "refused for an older tenure\n"));
    assert_eq!(clients[0].ask(&Post { partition: 1, ..of(7, 3) }).status, 200);
    assert_eq!(clients[0].ask(&of(8, 4)).status, 200);
    assert_eq!(refused(&journal), [(2, "an older tenure".to_owned())]);
}

#[test]
fn work_is_not_kept_that_is_done_after_a_newer_tenure_has_come() {
    let journal = Journal::default();
    let slow = Script::accepting()
        .fence()
        .rule(forebay_trial::Rule::answering(200).at(0, 0).delay(Duration::from_millis(300)));
    let service = Service::start(slow, &journal);
    let (mut old, mut new) =
        (Client::connect(service.address()), Client::connect(service.address()));
    old.send(&of(7, 0));
    journal.wait("the old one is at work", |all| (!all.is_empty()).then_some(()));
    assert_eq!(new.ask(&of(8, 1)).status, 200);
    assert_eq!(old.answer().status, 503);
    assert_eq!(refused(&journal), [(0, "an older tenure".to_owned())]);
}

#[test]
fn work_is_not_kept_that_is_done_after_its_deadline() {
    let journal = Journal::default();
    let slow = Script::accepting().fence().delay(Duration::from_millis(60));
    let service = Service::start(slow, &journal);
    let mut client = Client::connect(service.address());
    assert_eq!(client.ask(&Post { timeout_ms: 50, ..post(0) }).status, 503);
    assert_eq!(client.ask(&Post { timeout_ms: 30_000, ..post(1) }).status, 200);
    assert_eq!(refused(&journal), [(0, "its deadline".to_owned())]);
}
