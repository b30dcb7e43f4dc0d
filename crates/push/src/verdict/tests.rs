use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::*;

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let now = || UNIX_EPOCH + Duration::from_secs(784_111_777);
    read(StatusCode::from_u16(status).unwrap(), &map, b"said in the body", now)
}

fn verdict(status: u16, headers: &[(&'static str, &str)]) -> Verdict {
    answer(status, headers).verdict
}

const FAULT: Verdict = Verdict::TargetFault(TargetFault::Status);
const REJECT: Verdict = Verdict::Reject { said: false };
const RETRY: Verdict = Verdict::Retry { said: false, after: None };
const UNREADABLE: Verdict = Verdict::Unknown(UnknownCause::Unreadable);

#[test]
fn contract_line_2xx_accepts() {
    for status in 200..300 {
        assert_eq!(answer(status, &[]), Answer::accepted(status));
    }
}

#[test]
fn contract_line_forebay_verdict_counts_whatever_the_status() {
    for status in [101, 200, 302, 401, 422, 429, 500, 503, 504, 999] {
        assert_eq!(verdict(status, &[("forebay-verdict", "accept")]), Verdict::Accept);
        assert_eq!(
            verdict(status, &[("forebay-verdict", "reject")]),
            Verdict::Reject { said: true }
        );
        assert_eq!(
            verdict(status, &[("forebay-verdict", "retry"), ("retry-after", "9")]),
            Verdict::Retry { said: true, after: None }
        );
        assert_eq!(
            verdict(status, &[("forebay-verdict", "retry"), ("forebay-retry-after-ms", "250")]),
            Verdict::Retry { said: true, after: Some(Duration::from_millis(250)) }
        );
    }
}

#[test]
fn contract_line_forebay_verdict_that_cannot_be_read_is_unknown() {
    for word in ["", "Accept", "ok", "accept, reject", "retry;now"] {
        assert_eq!(verdict(200, &[("forebay-verdict", word)]), UNREADABLE, "{word:?}");
    }
    assert_eq!(
        verdict(200, &[("forebay-verdict", "accept"), ("forebay-verdict", "retry")]),
        UNREADABLE
    );
    for after in ["", "-1", "1.5", "soon"] {
        assert_eq!(
            verdict(200, &[("forebay-verdict", "retry"), ("forebay-retry-after-ms", after)]),
            UNREADABLE,
            "{after:?}"
        );
    }
}

#[test]
fn contract_line_400_404_409_410_413_415_422_and_other_4xx_reject() {
    for status in [400, 404, 409, 410, 413, 415, 422, 402, 406, 411, 412, 414, 418, 451, 499] {
        assert_eq!(verdict(status, &[]), REJECT, "{status}");
    }
}

#[test]
fn contract_line_408_425_500_502_and_other_5xx_retry() {
    for status in [408, 425, 500, 502, 505, 507, 511, 520, 599] {
        assert_eq!(verdict(status, &[]), RETRY, "{status}");
    }
}

#[test]
fn contract_line_429_and_503_are_back_pressure() {
    for status in [429, 503] {
        let after = |value| match verdict(status, &[("retry-after", value)]) {
            Verdict::BackPressure { after } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(verdict(status, &[]), Verdict::BackPressure { after: None });
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(after("Sunday, 06-Nov-94 08:49:47 GMT"), Some(10));
        assert_eq!(after("Sun Nov  6 08:49:47 1994"), Some(10));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0), "a date gone by");
        for unreadable in ["", "-5", "soon", "1.5", "Sun, 66 Nov 1994 08:49:47 GMT"] {
            assert_eq!(after(unreadable), None, "{unreadable:?}");
        }
    }
}

#[test]
fn a_date_to_wait_for_counts_from_the_services_own_clock() {
    let later = [
        ("date", "Thu, 01 Jan 2032 00:00:00 GMT"),
        ("retry-after", "Thu, 01 Jan 2032 00:00:07 GMT"),
    ];
    let after = Some(Duration::from_secs(7));
    assert_eq!(verdict(503, &later), Verdict::BackPressure { after });
}

#[test]
fn contract_line_final_1xx_3xx_401_403_405_407_421_431_501_are_target_faults() {
    for status in [101, 199, 300, 301, 302, 304, 307, 308, 399] {
        assert_eq!(verdict(status, &[]), FAULT, "{status}");
    }
    for status in [401, 403, 405, 407, 421, 431, 501] {
        assert_eq!(verdict(status, &[]), FAULT, "{status}");
    }
}

#[test]
fn contract_line_504_is_unknown() {
    assert_eq!(verdict(504, &[]), Verdict::Unknown(UnknownCause::Deadline));
}

#[test]
fn a_status_that_http_does_not_have_is_unknown() {
    for status in [600, 777, 999] {
        assert_eq!(verdict(status, &[]), UNREADABLE, "{status}");
    }
}

#[test]
fn the_reason_is_the_header_else_the_body_and_never_more_than_a_kibibyte() {
    assert_eq!(answer(500, &[]).reason.as_deref(), Some("said in the body"));
    let header = [("forebay-reason", " no such account ")];
    assert_eq!(answer(500, &header).reason.as_deref(), Some("no such account"));
    assert_eq!(answer(200, &header).reason, None);
    let long = read(StatusCode::BAD_REQUEST, &HeaderMap::new(), &[b'x'; 5000], SystemTime::now);
    assert_eq!(long.reason.map(|reason| reason.len()), Some(REASON_BYTES));
    let binary = read(StatusCode::BAD_REQUEST, &HeaderMap::new(), b"a\xffb", SystemTime::now);
    assert_eq!(binary.reason.as_deref(), Some("a\u{fffd}b"));
}

const NAMES: [&str; 6] =
    ["forebay-verdict", "forebay-retry-after-ms", "forebay-reason", "retry-after", "date", "x"];

fn long() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(any::<u8>(), 0..9), 0_usize..500).prop_map(|(part, n)| part.repeat(n))
}

/// What headers say that are meant, nearly meant, or not meant at all.
fn values() -> impl Strategy<Value = HeaderValue> {
    let text = prop_oneof![
        4 => "accept|retry|reject",
        2 => "[0-9]{1,25}",
        1 => "(Mon|Sun), [0-9]{2} (Jan|Feb|Nov) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        1 => "[ -~]{0,12}",
    ];
    let bytes = prop_oneof![
        8 => text.prop_map(String::into_bytes),
        1 => long(),
    ];
    bytes.prop_filter_map("not for a header", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn answers() -> impl Strategy<Value = (u16, Vec<(&'static str, HeaderValue)>, Vec<u8>)> {
    let status = prop_oneof![
        2 => 100_u16..1000,
        1 => 200_u16..300,
        1 => prop::sample::select(vec![429_u16, 503, 504, 101]),
    ];
    let headers = prop::collection::vec((prop::sample::select(NAMES.to_vec()), values()), 0..6);
    (status, headers, long())
}

/// Whatever is answered: only a 2xx, or the one word `accept`, is an accept; two words are none; and
/// nothing that is kept of it is without bound.
fn check(
    status: u16,
    given: &[(&'static str, HeaderValue)],
    body: &[u8],
) -> Result<(), TestCaseError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(HeaderName::from_static(name), value.clone());
    }
    let answer = read(StatusCode::from_u16(status).unwrap(), &headers, body, || UNIX_EPOCH);
    let mut words: Vec<&[u8]> = given
        .iter()
        .filter(|(name, _)| *name == "forebay-verdict")
        .map(|(_, value)| value.as_bytes())
        .collect();
    words.sort_unstable();
    words.dedup();
    let expected = match words[..] {
        [] => (200..300).contains(&status),
        [word] => word == b"accept",
        [_, _, ..] => {
            prop_assert_eq!(answer.verdict, UNREADABLE);
            false
        }
    };
    prop_assert_eq!(answer.verdict == Verdict::Accept, expected);
    prop_assert_eq!(answer.status, Some(status));
    match answer.verdict {
        Verdict::Retry { said, after } => {
            prop_assert_eq!(said, !words.is_empty());
            prop_assert!(said || after.is_none());
        }
        Verdict::Reject { said } => prop_assert_eq!(said, words == [b"reject".as_slice()]),
        Verdict::Accept => prop_assert_eq!(&answer.reason, &None),
        Verdict::BackPressure { .. } | Verdict::TargetFault(_) => prop_assert!(words.is_empty()),
        Verdict::Unknown(_) => {}
    }
    // A byte that is no text is shown as a character of three.
    prop_assert!(answer.reason.is_none_or(|reason| reason.len() <= 3 * REASON_BYTES));
    Ok(())
}

/// `PROPTEST_CASES=10000000` tries so many, each time others.
#[test]
fn no_answer_panics_and_none_is_accepted_that_did_not_say_so() {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config { failure_persistence: None, ..Config::default() },
        None => Config {
            cases: 20_000,
            rng_seed: RngSeed::Fixed(7),
            failure_persistence: None,
            ..Config::default()
        },
    };
    let checked = TestRunner::new(config)
        .run(&answers(), |(status, headers, body)| check(status, &headers, &body));
    checked.unwrap();
}
