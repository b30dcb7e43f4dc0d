//! Whatever bytes come back, in whatever pieces and with whatever end: there is one answer, by the
//! deadline, and an accept only where one was said.
//!
//! `PROPTEST_CASES=1000000` tries so many, each time others.

use std::cell::Cell;
use std::time::Duration;

use forebay_core::{UnknownCause, Verdict};
use forebay_push::{Connection, Endpoint, Exchange, Tls};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::{in_time, request};

/// What the service does after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Close,
    Reset,
    /// It stays until the client leaves.
    Stay,
}

#[derive(Clone, Debug)]
struct Reply {
    bytes: Vec<u8>,
    /// Where it is cut into pieces that are sent one after another.
    cuts: Vec<prop::sample::Index>,
    end: End,
}

fn message() -> impl Strategy<Value = String> + Clone {
    let line = prop_oneof![
        "HTTP/1\\.[01] [1-6][0-9]{2} [a-z ]{0,5}",
        "HTTP/1\\.1 2[0-9]{2} OK",
        "HTTP/1\\.1 1[0-9]{2} ",
        "[ -~]{0,20}",
    ];
    let header = prop_oneof![
        "content-length: [0-9]{1,3}",
        Just("content-length: 18446744073709551615".to_owned()),
        Just("transfer-encoding: chunked".to_owned()),
        "forebay-verdict: (accept|retry|reject|[a-z]{0,3})",
        "Forebay-Verdict:(accept| accept |accept,accept)",
        "forebay-retry-after-ms: [ -~]{0,9}",
        "retry-after: [ -~]{0,9}",
        Just("connection: close".to_owned()),
        Just("connection: upgrade\r\nupgrade: x".to_owned()),
        "[a-z]{0,5}:[ -~]{0,9}",
    ];
    let end = prop_oneof![4 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("")];
    let body = prop_oneof![
        "[ -~\r\n]{0,40}",
        "[0-9a-f]{1,2}\r\n[ -~]{0,20}\r\n0\r\n\r\n",
        "[0-9a-fA-F;]{0,20}\r\n",
    ];
    (line, prop::collection::vec(header, 0..4), end, body).prop_map(|(line, headers, end, body)| {
        format!("{line}\r\n{}\r\n{end}{body}", headers.join("\r\n"))
    })
}

fn replies() -> impl Strategy<Value = Reply> {
    let messages =
        prop::collection::vec(message(), 0..3).prop_map(|messages| messages.concat().into_bytes());
    let broken = (messages.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut bytes, at, byte)| {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    );
    let cut_off = (messages.clone(), any::<prop::sample::Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len() + 1));
        bytes
    });
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let bytes = prop_oneof![6 => messages, 3 => broken, 2 => cut_off, 1 => noise];
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let end = prop_oneof![8 => Just(End::Close), 2 => Just(End::Reset), 1 => Just(End::Stay)];
    (bytes, cuts, end).prop_map(|(bytes, cuts, end)| Reply { bytes, cuts, end })
}

/// Whether the first head that is not interim is of the 200s or says the word, read by lines alone.
fn may_accept(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    loop {
        let Some(first) = lines.by_ref().find(|line| !line.is_empty()) else { return false };
        let digits = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
        let status: Option<u16> = digits.and_then(|rest| rest.get(..3)?.parse().ok());
        let Some(status) = status else { return false };
        let mut words = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("forebay-verdict") {
                words.push(value.trim().to_owned());
            }
        }
        if !(100..200).contains(&status) || status == 101 {
            return match words.is_empty() {
                true => (200..300).contains(&status),
                false => words.iter().all(|word| word == "accept"),
            };
        }
    }
}

/// One exchange with a service that replies so.
async fn exchange(reply: &Reply, deadline: Duration) -> Exchange {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let endpoint = Endpoint::parse(&url, "v1").unwrap();
    let client = async {
        let mut connection = Connection::open(&endpoint, &Tls::default(), in_time()).await.unwrap();
        connection.exchange(request(&endpoint), Instant::now() + deadline).await
    };
    let service = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let mut cuts: Vec<usize> =
            reply.cuts.iter().map(|cut| cut.index(reply.bytes.len() + 1)).collect();
        cuts.extend([0, reply.bytes.len()]);
        cuts.sort_unstable();
        for piece in cuts.windows(2) {
            // The client may have heard enough.
            let _ = stream.write_all(&reply.bytes[piece[0]..piece[1]]).await;
            tokio::task::yield_now().await;
        }
        match reply.end {
            End::Close => {}
            End::Reset => stream.set_zero_linger().unwrap(),
            End::Stay => while matches!(stream.read(&mut request).await, Ok(1..)) {},
        }
    };
    let mut client = std::pin::pin!(client);
    let service = std::pin::pin!(service);
    tokio::select! {
        exchange = &mut client => exchange,
        () = service => client.await,
    }
}

/// Fixed, and of this number, unless a number of cases is asked for.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config { failure_persistence: None, ..Config::default() },
        None => Config {
            cases,
            rng_seed: RngSeed::Fixed(7),
            failure_persistence: None,
            ..Config::default()
        },
    })
}

#[test]
fn no_bytes_panic_and_none_become_an_accept_that_was_not_said() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (accepted, refused, late) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let checked = runner(4_000).run(&replies(), |reply| {
        // Where the service stays, the deadline alone may end it.
        let deadline = Duration::from_millis(if reply.end == End::Stay { 10 } else { 10_000 });
        let ended = exchange(&reply, deadline);
        let begin = std::time::Instant::now();
        let within = tokio::time::timeout;
        let ended = runtime.block_on(async { within(Duration::from_secs(20), ended).await });
        let ended = ended.expect("the deadline ends it");
        prop_assert!(begin.elapsed() < deadline + Duration::from_secs(2));
        let Exchange::Answer(answer) = ended else {
            return Err(TestCaseError::fail(format!("the request was read: {ended:?}")));
        };
        let count = match answer.verdict {
            Verdict::Accept => {
                prop_assert!(may_accept(&reply.bytes), "{:?}", answer);
                &accepted
            }
            Verdict::Unknown(UnknownCause::Deadline) if reply.end == End::Stay => &late,
            _ => &refused,
        };
        count.set(count.get() + 1);
        Ok(())
    });
    checked.unwrap();
    for (what, count) in [("accepted", accepted), ("refused", refused), ("late", late)] {
        assert!(count.get() > 10, "{count:?} were {what}");
    }
}
