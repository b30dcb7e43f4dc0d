//! A way that is cut, silent, slow or torn, between a client and something that says all twice.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use forebay_trial::{Link, Proxy};

use crate::client::PATIENCE;

/// Ends with the process; it says each byte twice.
fn twice() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    let doubled: Vec<u8> = bytes[..count].iter().flat_map(|b| [*b, *b]).collect();
                    if stream.write_all(&doubled).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn open() -> Proxy {
    let proxy = Proxy::open().expect("a free port");
    proxy.lead_to(twice());
    proxy
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).expect("sent");
    let mut bytes = vec![0; 2 * text.len()];
    stream.read_exact(&mut bytes).expect("answered");
    String::from_utf8(bytes).expect("text")
}

/// What comes until the end, and how that was.
fn rest(stream: &mut TcpStream) -> (usize, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    (bytes.len(), end.err().map(|error| error.kind()))
}

#[test]
fn an_open_way_carries_both_directions_and_their_ends() {
    let proxy = open();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "abc"), "aabbcc");
    let long = "x".repeat(200_000);
    let (mut writing, sent) = (stream.try_clone().expect("a socket"), long.clone());
    let writer = std::thread::spawn(move || {
        writing.write_all(sent.as_bytes()).expect("sent");
        writing.shutdown(std::net::Shutdown::Write).expect("open");
    });
    assert_eq!(rest(&mut stream), (2 * long.len(), None), "the client's end reaches the service");
    writer.join().expect("it only writes");
}

#[test]
fn a_cut_way_ends_connections_and_refuses_new_ones_until_it_is_open() {
    let proxy = open();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "a"), "aa");
    proxy.set(Link::Cut);
    assert_eq!(rest(&mut stream).0, 0);
    let refused = TcpStream::connect(proxy.address()).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.set(Link::Open);
    assert_eq!(ask(&mut connect(&proxy), "b"), "bb", "at the same address");
}

#[test]
fn a_silent_way_takes_connections_and_loses_nothing() {
    let proxy = open();
    let mut before = connect(&proxy);
    assert_eq!(ask(&mut before, "a"), "aa");
    proxy.set(Link::Silent);
    let mut during = connect(&proxy);
    for stream in [&mut before, &mut during] {
        stream.write_all(b"later").expect("taken");
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time");
        let silence = stream.read(&mut [0; 1]).expect_err("nothing comes");
        assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    }
    proxy.set(Link::Open);
    for stream in [&mut before, &mut during] {
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).expect("what was held comes out");
        assert_eq!(&answer, b"llaatteerr");
    }
}

#[test]
fn a_slow_way_takes_its_time_in_each_direction() {
    let proxy = open();
    let mut stream = connect(&proxy);
    let delay = Duration::from_millis(50);
    proxy.set(Link::Slow { delay, bytes_per_second: None });
    // What the reader had asked for before is not delayed.
    ask(&mut stream, "a");
    let began = Instant::now();
    assert_eq!(ask(&mut stream, "b"), "bb");
    assert!(began.elapsed() >= 2 * delay, "{:?}", began.elapsed());
    proxy.set(Link::Slow { delay: Duration::ZERO, bytes_per_second: Some(10_000) });
    let began = Instant::now();
    ask(&mut stream, &"x".repeat(1_000));
    let least = Duration::from_millis(100 + 200);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
}

#[test]
fn a_torn_way_resets_each_connection_in_the_middle_of_an_answer() {
    let proxy = open();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "a"), "aa");
    proxy.set(Link::Torn { bytes: 3 });
    for mut stream in [stream, connect(&proxy)] {
        stream.write_all(b"abcd").expect("sent");
        let (count, end) = rest(&mut stream);
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
        assert!(count <= 3, "a reset may overtake what was sent before it: {count}");
    }
    proxy.set(Link::Open);
    assert_eq!(ask(&mut connect(&proxy), "b"), "bb");
}

#[test]
fn a_way_that_leads_nowhere_ends_connections() {
    let proxy = Proxy::open().expect("a free port");
    assert_eq!(rest(&mut connect(&proxy)).0, 0);
}
