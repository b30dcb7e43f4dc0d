use std::time::UNIX_EPOCH;

use proptest::prelude::*;

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

proptest! {
    #[test]
    fn only_a_2xx_or_the_word_accept_is_ever_accepted(
        status in 100u16..1000,
        word in proptest::option::of("accept|retry|reject|[ -~]{0,8}"),
        after in proptest::option::of("[0-9]{0,25}|[ -~]{0,12}"),
    ) {
        let mut headers = Vec::new();
        headers.extend(word.as_deref().map(|word| ("forebay-verdict", word)));
        headers.extend(after.as_deref().map(|after| ("forebay-retry-after-ms", after)));
        headers.extend(after.as_deref().map(|after| ("retry-after", after)));
        let accepted = verdict(status, &headers) == Verdict::Accept;
        let expected = match word.as_deref() {
            Some(word) => word == "accept",
            None => (200..300).contains(&status),
        };
        prop_assert_eq!(accepted, expected);
    }
}
