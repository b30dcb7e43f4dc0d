//! Which rule a request gets.

use std::time::{Duration, Instant};

use forebay_trial::{Journal, Range, Rule, Script, Service, Share, Window};

use crate::client::{Client, Post, post};

/// A service with one rule, 500, and the statuses of these requests.
fn statuses(rule: Rule, posts: &[Post]) -> Vec<u16> {
    let service = Service::start(Script::accepting().rule(rule), &Journal::default());
    let mut client = Client::connect(service.address());
    posts.iter().map(|post| client.ask(post).status).collect()
}

fn bad() -> Rule {
    Rule::answering(500)
}

#[test]
fn the_first_rule_that_matches_decides() {
    let script = Script::answering(501).rule(Rule::answering(502));
    let service = Service::start(script, &Journal::default());
    assert_eq!(Client::connect(service.address()).ask(&post(0)).status, 501);
}

#[test]
fn by_keys() {
    let posts = [post(0).key("a"), post(1).key("b"), post(2).key("c"), post(3)];
    assert_eq!(statuses(bad().key("a").key("c"), &posts), [500, 200, 500, 200]);
}

#[test]
fn by_a_share_of_the_keys_the_same_ones_each_time() {
    let keys: Vec<String> = (0..3_000).map(|key| format!("key-{key}")).collect();
    for (share, least, most) in
        [(Share { count: 1, of: 100 }, 15, 50), (Share { count: 1, of: 3 }, 900, 1_100)]
    {
        let chosen = keys.iter().filter(|key| share.has(key)).count();
        assert!((least..=most).contains(&chosen), "{chosen} of 3,000 are {share:?}");
    }
    let third = Share { count: 1, of: 3 };
    let posts: Vec<Post> = keys[..50].iter().map(|key| post(0).key(key)).collect();
    let expected: Vec<u16> =
        keys[..50].iter().map(|key| if third.has(key) { 500 } else { 200 }).collect();
    assert_eq!(statuses(bad().share(1, 3), &posts), expected);
}

#[test]
fn by_partition_offset_and_topic() {
    let elsewhere = Post { partition: 1, ..post(7) };
    let posts = [post(6), post(7), elsewhere];
    assert_eq!(statuses(bad().at(0, 7), &posts), [200, 500, 200]);
    assert_eq!(statuses(bad().partition(1), &posts), [200, 200, 500]);
    assert_eq!(statuses(bad().topic("flights"), &posts), [500; 3]);
    assert_eq!(statuses(bad().topic("trains"), &posts), [200; 3]);
    let mut rule = bad();
    rule.when.offset = Some(Range { from: Some(7), to: None });
    assert_eq!(statuses(rule, &posts), [200, 500, 500]);
    let mut rule = bad();
    rule.when.revision = Some("v2".to_owned());
    assert_eq!(statuses(rule, &posts), [200; 3]);
}

#[test]
fn by_attempt() {
    let posts: Vec<Post> = (1..=4).map(|attempt| Post { attempt, ..post(0) }).collect();
    assert_eq!(statuses(bad().attempts_to(2), &posts), [500, 500, 200, 200]);
}

#[test]
fn every_nth_and_no_more_than_so_many() {
    let posts: Vec<Post> = (0..7).map(post).collect();
    assert_eq!(statuses(bad().every(3), &posts), [200, 200, 500, 200, 200, 500, 200]);
    assert_eq!(statuses(bad().every(2).times(2), &posts), [200, 500, 200, 500, 200, 200, 200]);
}

#[test]
fn while_a_switch_is_on_and_for_a_time_since() {
    let mut rule = bad().while_on("bad");
    rule.when.during.to_ms = Some(100);
    let service = Service::start(Script::accepting().rule(rule), &Journal::default());
    let mut client = Client::connect(service.address());
    assert_eq!(client.ask(&post(0)).status, 200);
    for _ in 0..2 {
        service.switch_on("bad");
        let on = Instant::now();
        assert_eq!(client.ask(&post(1)).status, 500);
        while client.ask(&post(2)).status == 500 {}
        assert!(on.elapsed() >= Duration::from_millis(99), "{:?}", on.elapsed());
    }
    service.switch_on("bad");
    service.switch_off("bad");
    assert_eq!(client.ask(&post(3)).status, 200);
}

#[test]
fn for_a_time_since_the_script_was_put_in_force() {
    let window = Window::between(Duration::from_millis(100), Duration::from_secs(600));
    let script = Script::accepting().rule(bad().during(window));
    let service = Service::start(Script::accepting(), &Journal::default());
    let mut client = Client::connect(service.address());
    let played = Instant::now();
    service.play(script);
    while client.ask(&post(0)).status == 200 {}
    assert!(played.elapsed() >= Duration::from_millis(100));
}

#[test]
fn another_script_is_in_force_once_it_is_played() {
    let service = Service::start(Script::accepting(), &Journal::default());
    let mut client = Client::connect(service.address());
    for status in [200, 503, 404] {
        service.play(Script::answering(status));
        assert_eq!(client.ask(&post(0)).status, status);
    }
}
