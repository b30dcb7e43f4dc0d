//! Whatever bytes come back, there is one answer, and an accept only where one was said.

use std::cell::Cell;
use std::time::Duration;

use forebay_core::Verdict;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::answers::deliver;
use crate::service::Service;

fn responses() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "HTTP/1\\.[01] [1-6][0-9]{2} [a-z ]{0,5}",
        "HTTP/1\\.1 2[0-9]{2} OK",
        "[ -~]{0,20}",
    ];
    let header = prop_oneof![
        "content-length: [0-9]{1,3}",
        Just("transfer-encoding: chunked".to_owned()),
        "forebay-verdict: (accept|retry|reject|[a-z]{0,3})",
        "forebay-retry-after-ms: [ -~]{0,9}",
        "retry-after: [ -~]{0,9}",
        Just("connection: close".to_owned()),
        Just("connection: upgrade\r\nupgrade: x".to_owned()),
        "[a-z]{0,5}:[ -~]{0,9}",
    ];
    let end = prop_oneof![Just("\r\n"), Just("\n"), Just("\r"), Just("")];
    let message = (line, proptest::collection::vec(header, 0..4), end, "[ -~\r\n]{0,40}").prop_map(
        |(line, headers, end, body)| format!("{line}\r\n{}\r\n{end}{body}", headers.join("\r\n")),
    );
    let messages = proptest::collection::vec(message, 0..3)
        .prop_map(|messages| messages.concat().into_bytes());
    let broken = (messages.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut bytes, at, byte)| {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    );
    let noise = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![4 => messages, 3 => broken, 1 => noise]
}

/// Whether the bytes hold a status line of the 200s, or the word.
fn could_accept(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    text.contains("http/1.1 2")
        || text.contains("http/1.0 2")
        || text.contains("forebay-verdict: accept")
}

#[test]
fn no_bytes_panic_and_none_become_an_accept_that_was_not_said() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (accepted, other) = (Cell::new(0), Cell::new(0));
    TestRunner::default()
        .run(&responses(), |bytes| {
            let answer = runtime.block_on(async {
                let service = Service::answering_once(bytes.clone()).await;
                tokio::time::timeout(Duration::from_secs(10), deliver(&service)).await
            });
            let verdict = answer.expect("an end of the connection is an answer").verdict;
            if verdict == Verdict::Accept {
                accepted.set(accepted.get() + 1);
                prop_assert!(could_accept(&bytes));
            } else {
                other.set(other.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    assert!(accepted.get() > 0 && other.get() > 0, "{accepted:?} and {other:?} were tried");
}
