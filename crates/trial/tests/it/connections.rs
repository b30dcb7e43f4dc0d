//! Listeners and connections that come and go.

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use forebay_trial::{Act, Answered, Greet, Greeting, Journal, Kill, Rule, Script, Service, Window};

use crate::client::{Client, End, post};

fn is_refused(service: &Service) -> bool {
    TcpStream::connect(service.address())
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_connection_serves_so_many_requests_and_is_closed_without_a_word() {
    let script = Script::accepting().greeting(Greeting::new(Greet::Serve { requests: 3 }));
    let service = Service::start(script, &Journal::default());
    let mut client = Client::connect(service.address());
    for offset in 0..3 {
        let answer = client.ask(&post(offset));
        assert!(!answer.head.contains("connection"), "{}", answer.head);
    }
    assert_eq!(client.rest(), (String::new(), End::Closed));
}

#[test]
fn a_connection_that_is_never_read_swallows_what_fits_and_answers_nothing() {
    let journal = Journal::default();
    let script = Script::accepting().greeting(Greeting::new(Greet::NeverRead));
    let service = Service::start(script, &journal);
    let mut client = Client::connect(service.address());
    client.stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a time");
    let full = loop {
        if let Err(error) = client.stream.write(&[b'x'; 1 << 20]) {
            break error.kind();
        }
    };
    assert_eq!(full, ErrorKind::WouldBlock);
    assert!(client.hears_nothing_for(Duration::from_millis(50)));
    assert_eq!(journal.len() + journal.strays(), 0);
}

#[test]
fn greetings_are_for_each_nth_connection_and_while_a_switch_is_on() {
    let close = Greeting::new(Greet::Close { reset: false });
    let greeting = close.every(2).during(Window::while_on("abuse"));
    let service = Service::start(Script::accepting().greeting(greeting), &Journal::default());
    let is_served = || Client::connect(service.address()).ask_or_end(&post(0)).is_some();
    assert!((0..4).all(|_| is_served()));
    service.switch_on("abuse");
    let served: Vec<bool> = (0..4).map(|_| is_served()).collect();
    assert_eq!(served, [true, false, true, false]);
}

#[test]
fn a_service_that_is_down_refuses_and_comes_back_at_the_same_address() {
    let journal = Journal::default();
    let service = Service::start(Script::doing(Act::Hang), &journal);
    let mut client = Client::connect(service.address());
    client.send(&post(0));
    journal.wait("it is at work", |all| (!all.is_empty()).then_some(()));
    let Kill::Service { instance, at } = service.down() else { panic!("of a service") };
    assert!(is_refused(&service));
    assert_eq!(client.rest().0, "", "its connections are gone too");
    let all = journal.read();
    let ended = all[0].ended.as_ref().expect("cut off");
    assert_eq!((instance, &ended.answered), (0, &Answered::broken("cut-off")));
    assert!(all[0].started <= at && at <= ended.at);
    service.play(Script::accepting());
    assert!(is_refused(&service), "a script does not bring it up");
    service.up();
    assert_eq!(Client::connect(service.address()).ask(&post(1)).status, 200);
}

#[test]
fn a_script_refuses_for_a_time() {
    let journal = Journal::default();
    let times = (Duration::from_millis(100), Duration::from_millis(400));
    let service =
        Service::start(Script::accepting().refuse(Window::between(times.0, times.1)), &journal);
    let began = std::time::Instant::now();
    let mut client = Client::connect(service.address());
    assert_eq!(client.ask(&post(0)).status, 200);
    assert_eq!(client.rest().0, "", "returns when its connection is ended");
    assert!(began.elapsed() >= Duration::from_millis(90), "{:?}", began.elapsed());
    assert!(is_refused(&service));
    while is_refused(&service) {
        std::thread::yield_now();
    }
    assert!(began.elapsed() >= Duration::from_millis(390), "{:?}", began.elapsed());
    assert_eq!(Client::connect(service.address()).ask(&post(1)).status, 200);
}

#[test]
fn a_switch_refuses_until_it_is_off() {
    let refuse = Window::while_on("gone");
    let service = Service::start(Script::accepting().refuse(refuse), &Journal::default());
    assert!(!is_refused(&service));
    service.switch_on("gone");
    assert!(is_refused(&service));
    service.switch_off("gone");
    assert!(!is_refused(&service));
}

#[test]
fn a_crash_takes_port_and_connections_until_it_is_up_again() {
    let journal = Journal::default();
    let script = Script::accepting().rule(Rule::new(Act::Crash).key("poison"));
    let service = Service::start(script, &journal);
    let mut idle = Client::connect(service.address());
    assert_eq!(idle.ask(&post(0)).status, 200);
    let mut client = Client::connect(service.address());
    client.send(&post(1).key("poison"));
    service.wait_for_crash(1);
    assert!(is_refused(&service));
    assert_eq!((client.rest().0, idle.rest().0), (String::new(), String::new()));
    let ended = journal.read()[1].ended.clone().expect("written before it");
    assert_eq!(ended.answered, Answered::broken("crash"));
    service.up();
    assert_eq!(Client::connect(service.address()).ask(&post(2)).status, 200);
    assert_eq!(service.crashes(), 1);
}

#[test]
fn a_service_that_finishes_answers_what_is_at_work() {
    let journal = Journal::default();
    let script = Script::accepting().delay(Duration::from_millis(100));
    let service = Service::start(script, &journal);
    let mut client = Client::connect(service.address());
    client.send(&post(0));
    journal.wait("it is at work", |all| (!all.is_empty()).then_some(()));
    service.finish();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_service_that_is_dropped_is_gone() {
    let service = Service::start(Script::accepting(), &Journal::default());
    let mut client = Client::connect(service.address());
    assert_eq!(client.ask(&post(0)).status, 200);
    let address = service.address();
    drop(service);
    assert_eq!(client.rest().0, "");
    assert!(TcpStream::connect(address).is_err());
}
