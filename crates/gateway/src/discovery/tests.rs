//! Names that change what they mean, by a resolver that says what a test wants.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tokio::time::Instant;

use super::*;

type Answer = Result<Vec<IpAddr>, String>;

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(url, "default").unwrap()
}

fn urls(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(Endpoint::url).collect()
}

#[test]
fn an_answer_is_the_new_list_whatever_its_order() {
    let none = Found::default();
    let one = none.after(Ok(addresses(&["10.0.0.2", "10.0.0.1", "10.0.0.2"])));
    let other = none.after(Ok(addresses(&["10.0.0.1", "10.0.0.2"])));
    assert_eq!(one, other);
    assert_eq!(one.addresses, addresses(&["10.0.0.1", "10.0.0.2"]));
    let changed = one.after(Ok(addresses(&["10.0.0.3", "10.0.0.1"])));
    assert_eq!(changed.addresses, addresses(&["10.0.0.1", "10.0.0.3"]));
}

#[test]
fn a_failure_and_an_empty_answer_keep_the_last_list_and_are_told_until_there_is_a_better_one() {
    let found = Found::default().after(Ok(addresses(&["10.0.0.1"])));
    let failed = found.after(Err("timed out".to_owned()));
    assert_eq!(failed.addresses, found.addresses);
    assert_eq!(failed.fails.as_deref(), Some("timed out"));
    let empty = failed.after(Ok(Vec::new()));
    assert_eq!(empty.addresses, found.addresses);
    assert_eq!(empty.fails.as_deref(), Some("the name has no address"));
    assert_eq!(empty.after(Ok(addresses(&["10.0.0.1"]))), found);
}

#[test]
fn a_name_is_its_own_endpoint_until_it_was_resolved_once() {
    let names = Names::new("s", &[endpoint("http://a:8080/x")], Discovery::Dns);
    assert_eq!(urls(&names.endpoints()), ["http://a:8080/x"]);
    assert!(!names.take("a", &Err("no such name".to_owned())));
    assert_eq!(urls(&names.endpoints()), ["http://a:8080/x"]);
    assert_eq!(names.fails().as_deref(), Some("a: no such name"));
    assert!(names.take("a", &Ok(addresses(&["::1", "10.0.0.1"]))));
    assert_eq!(urls(&names.endpoints()), ["http://10.0.0.1:8080/x", "http://[::1]:8080/x"]);
    assert_eq!(names.fails(), None);
    assert!(!names.take("a", &Ok(addresses(&["10.0.0.1", "::1"]))));
}

#[test]
fn no_name_has_more_addresses_than_a_target_may_have_endpoints() {
    let names = Names::new("s", &[endpoint("http://a/"), endpoint("http://b/")], Discovery::Dns);
    for (host, net) in [("a", 10), ("b", 11)] {
        let many = (0..2_000_u16).map(|at| {
            let [high, low] = at.to_be_bytes();
            IpAddr::from([net, 0, high, low])
        });
        assert!(names.take(host, &Ok(many.collect())));
    }
    assert_eq!(names.endpoints().len(), ENDPOINTS_MAX);
}

#[test]
fn two_names_of_one_address_are_one_endpoint() {
    let names = Names::new("s", &[endpoint("http://a/"), endpoint("http://b/")], Discovery::Dns);
    names.take("a", &Ok(addresses(&["10.0.0.1"])));
    names.take("b", &Ok(addresses(&["10.0.0.1", "10.0.0.2"])));
    assert_eq!(urls(&names.endpoints()), ["http://10.0.0.1:80/", "http://10.0.0.2:80/"]);
}

#[test]
fn a_changed_list_keeps_what_is_known_of_the_names_that_stay() {
    let names = Names::new("s", &[endpoint("http://a/old")], Discovery::Dns);
    names.take("a", &Ok(addresses(&["10.0.0.1"])));
    names.relist(&[endpoint("http://a/new"), endpoint("http://b/")], Discovery::Dns);
    assert_eq!(urls(&names.endpoints()), ["http://10.0.0.1:80/new", "http://b:80/"]);
    names.relist(&[endpoint("http://a/new")], Discovery::Listed);
    assert_eq!(urls(&names.endpoints()), ["http://a:80/new"]);
}

/// Gives the next of a host's answers, and the last one for ever.
#[derive(Default)]
struct Scripted {
    answers: RefCell<BTreeMap<String, VecDeque<Answer>>>,
    asked: Cell<usize>,
}

impl Resolve for Scripted {
    async fn addresses(&self, host: &str) -> Answer {
        self.asked.set(self.asked.get() + 1);
        let mut answers = self.answers.borrow_mut();
        let answers = answers.get_mut(host).expect("a host of this test");
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_followed_every_five_seconds_and_only_changes_are_told() {
    let resolver = Scripted::default();
    resolver.answers.borrow_mut().insert(
        "a".to_owned(),
        VecDeque::from([
            Err("no such name".to_owned()),
            Ok(addresses(&["10.0.0.1", "10.0.0.2"])),
            Ok(addresses(&["10.0.0.2", "10.0.0.1"])),
            Ok(Vec::new()),
            Ok(addresses(&["10.0.0.2"])),
        ]),
    );
    let names = Names::new("s", &[endpoint("http://a/")], Discovery::Dns);
    let (begin, told) = (Instant::now(), RefCell::new(Vec::new()));
    let tell = |endpoints: Vec<Endpoint>| {
        told.borrow_mut().push((begin.elapsed().as_secs(), urls(&endpoints)));
    };
    let followed = follow(&names, &resolver, tell);
    assert!(tokio::time::timeout(Duration::from_secs(62), followed).await.is_err());
    let one = "http://10.0.0.1:80/".to_owned();
    let two = "http://10.0.0.2:80/".to_owned();
    assert_eq!(*told.borrow(), [(5, vec![one, two.clone()]), (20, vec![two])]);
    assert_eq!(resolver.asked.get(), 13);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_listed_meanwhile_is_resolved_at_once_and_one_that_left_no_more() {
    let resolver = Scripted::default();
    for (host, address) in [("a", "10.0.0.1"), ("b", "10.0.0.2")] {
        let answers = VecDeque::from([Ok(addresses(&[address]))]);
        resolver.answers.borrow_mut().insert(host.to_owned(), answers);
    }
    let names = Rc::new(Names::new("s", &[endpoint("http://a/")], Discovery::Dns));
    let (begin, told) = (Instant::now(), RefCell::new(Vec::new()));
    let tell = |endpoints: Vec<Endpoint>| {
        told.borrow_mut().push((begin.elapsed().as_secs(), urls(&endpoints)));
    };
    let relisted = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        names.relist(&[endpoint("http://b/")], Discovery::Dns);
        tokio::time::sleep(Duration::from_secs(1)).await;
        names.relist(&[endpoint("http://c/")], Discovery::Listed);
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    tokio::select! {
        () = follow(&names, &resolver, tell) => {}
        () = relisted => {}
    }
    let expected =
        [(0, vec!["http://10.0.0.1:80/".to_owned()]), (2, vec!["http://10.0.0.2:80/".to_owned()])];
    assert_eq!(*told.borrow(), expected);
    assert_eq!(resolver.asked.get(), 2);
}

#[tokio::test]
async fn the_system_resolves_the_name_of_the_loopback() {
    let found = System.addresses("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    // No name server is asked for a label this long.
    System.addresses(&"a".repeat(64)).await.unwrap_err();
}
