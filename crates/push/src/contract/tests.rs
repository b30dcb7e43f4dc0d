use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode;
use proptest::prelude::*;

use super::*;

type Headers<'a> = Vec<(&'a str, Option<&'a [u8]>)>;

fn endpoint() -> Endpoint {
    Endpoint::parse("http://payments:8080/records", "v7").unwrap()
}

fn origin() -> Origin {
    Origin::new(Names {
        subscription: "payments",
        group: "bücher 1",
        topic: "orders",
        topic_id: Some("mF1IaZcWTLmkvNm1rFfKzA"),
        partition: 3,
        park: None,
        tenure: Tenure(1_700_000_000_000),
    })
}

fn write_with(
    key: Option<&[u8]>,
    value: Option<&'static [u8]>,
    headers: Headers<'_>,
    limit: usize,
) -> Result<Request, DoesNotFit> {
    let record = Record {
        offset: Offset(42),
        timestamp: 1_699_999_999_999,
        key,
        value: value.map(Bytes::from_static),
        headers: headers.iter().copied(),
        replay: Replay::FIRST_READING,
        attempt: 1,
    };
    RequestWriter::new(limit).write(&endpoint(), &origin(), &record, Duration::from_secs(30))
}

fn write(key: Option<&[u8]>, value: Option<&'static [u8]>, headers: Headers<'_>) -> HeaderMap {
    write_with(key, value, headers, 8 << 10).unwrap().headers().clone()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str().unwrap().to_owned());
    assert!(values.next().is_none(), "{name} stands there twice");
    first
}

#[test]
fn a_plain_record_has_exactly_the_contracts_headers() {
    let headers = write(Some(b"account 7"), Some(b"{}"), vec![]);
    let mut all: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    all.sort();
    assert_eq!(
        all,
        [
            "content-length: 2",
            "content-type: application/octet-stream",
            "forebay-attempt: 1",
            "forebay-contract: v1",
            "forebay-group: b%C3%BCcher%201",
            "forebay-key: account%207",
            "forebay-offset: 42",
            "forebay-partition: 3",
            "forebay-revision: v7",
            "forebay-subscription: payments",
            "forebay-tenure: 1700000000000",
            "forebay-timeout-ms: 30000",
            "forebay-timestamp: 1699999999999",
            "forebay-topic: orders",
            "host: payments:8080",
            "idempotency-key: b%C3%BCcher%201/orders/mF1IaZcWTLmkvNm1rFfKzA/3/42",
        ]
    );
}

#[test]
fn a_broker_without_topic_ids_leaves_a_dash_in_the_idempotency_key() {
    let names = Names {
        subscription: "s",
        group: "g",
        topic: "t",
        topic_id: None,
        partition: 0,
        park: None,
        tenure: Tenure(1),
    };
    assert_eq!(&*Origin::new(names).idempotency, "g/t/-/0/");
}

#[test]
fn a_parked_record_says_which_way_it_came() {
    let names = Names {
        subscription: "s",
        group: "g",
        topic: "t",
        topic_id: None,
        partition: 0,
        park: Some(("t park", 2)),
        tenure: Tenure(1),
    };
    let record = Record {
        offset: Offset(42),
        timestamp: 0,
        key: None,
        value: None,
        headers: std::iter::empty(),
        replay: Replay::FIRST_READING,
        attempt: 5,
    };
    let origin = Origin::new(names);
    let request = RequestWriter::new(8_000)
        .write(&endpoint(), &origin, &record, Duration::from_secs(30))
        .unwrap();
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    assert_eq!(text("forebay-park"), Some("t%20park/2"));
    assert_eq!((text("forebay-topic"), text("forebay-attempt")), (Some("t"), Some("5")));
    assert_eq!(text("idempotency-key"), Some("g/t/-/0/42"));
}

#[test]
fn a_record_that_was_sent_back_keeps_its_idempotency_key() {
    let key = |origin: Option<&[u8]>| {
        let headers = write(None, None, vec![("a", None), ("forebay-origin", origin)]);
        text(&headers, "idempotency-key").unwrap()
    };
    let own = "b%C3%BCcher%201/orders/mF1IaZcWTLmkvNm1rFfKzA/3/42";
    assert_eq!(key(Some(b"orders/some-id/7/1234")), "b%C3%BCcher%201/orders/some-id/7/1234");
    assert_eq!(key(Some(b"orders/-/0/0")), "b%C3%BCcher%201/orders/-/0/0");
    assert_eq!(key(Some(b"orders/%\"/0/0")), "b%C3%BCcher%201/orders/%25%22/0/0");
    for absurd in [&b""[..], b"orders/id/7/12\r\nx: y", b"payments/id/7/1234"] {
        assert_eq!(key(Some(absurd)), own, "{}", String::from_utf8_lossy(absurd));
    }
    assert_eq!(key(None), own);
    let said = |topic| ("forebay-origin", Some(topic));
    let both = vec![said(&b"payments/id/7/1"[..]), said(&b"orders/-/0/0"[..])];
    let both = text(&write(None, None, both), "idempotency-key").unwrap();
    assert_eq!(both, "b%C3%BCcher%201/orders/-/0/0", "that of another topic stands beside it");
}

#[test]
fn a_null_value_is_marked_and_an_empty_one_is_not() {
    let null = write(None, None, vec![]);
    assert_eq!(text(&null, "forebay-value").as_deref(), Some("null"));
    let empty = write(None, Some(b""), vec![]);
    assert_eq!(text(&empty, "forebay-value"), None);
    for headers in [null, empty] {
        assert_eq!(text(&headers, "content-length").as_deref(), Some("0"));
    }
}

#[test]
fn a_key_is_text_or_base64_or_absent_and_an_empty_one_is_not_absent() {
    let absent = write(None, None, vec![]);
    assert_eq!(text(&absent, "forebay-key"), None);
    assert_eq!(text(&absent, "forebay-key-base64"), None);
    assert_eq!(text(&write(Some(b""), None, vec![]), "forebay-key").as_deref(), Some(""));
    let binary = write(Some(&[0xff, 0x00]), None, vec![]);
    assert_eq!(text(&binary, "forebay-key-base64").as_deref(), Some("/wA="));
    assert_eq!(text(&binary, "forebay-key"), None);
}

#[test]
fn a_header_that_fits_goes_out_by_its_name() {
    let headers = write(
        None,
        None,
        vec![
            ("traceparent", Some(b"00-abc-def-01")),
            ("empty", Some(b"")),
            ("note.of~it", Some(b"two words")),
        ],
    );
    assert_eq!(text(&headers, "forebay-header-traceparent").as_deref(), Some("00-abc-def-01"));
    assert_eq!(text(&headers, "forebay-header-empty").as_deref(), Some(""));
    assert_eq!(text(&headers, "forebay-header-note.of~it").as_deref(), Some("two words"));
    assert_eq!(text(&headers, "forebay-headers"), None);
}

#[test]
fn what_a_record_belongs_to_goes_on_as_the_trace_of_its_delivery() {
    let own: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let state: &[u8] = b"vendor=value";
    let traced = |parent| vec![("tracestate", Some(state)), ("traceparent", Some(parent))];
    let headers = write(None, None, traced(own));
    let sent = ["traceparent", "tracestate"].map(|name| text(&headers, name));
    assert_eq!(sent, [own, state].map(|own| String::from_utf8(own.to_vec()).ok()));
    let headers = write(None, None, traced(b"00-abc-def-01"));
    assert_eq!(["traceparent", "tracestate"].map(|name| text(&headers, name)), [None, None]);
}

fn decode_all(headers: &HeaderMap) -> Vec<(String, Option<Vec<u8>>)> {
    let json = URL_SAFE_NO_PAD.decode(text(headers, "forebay-headers").unwrap()).unwrap();
    let all: Vec<(String, Option<String>)> = serde_json::from_slice(&json).unwrap();
    let value = |value: String| STANDARD.decode(value).unwrap();
    all.into_iter().map(|(name, text)| (name, text.map(value))).collect()
}

#[test]
fn one_header_that_does_not_fit_sends_all_of_them_in_order() {
    let odd: [Headers<'_>; 7] = [
        vec![("Kind", Some(b"a"))],
        vec![("un_der", Some(b"a"))],
        vec![("twice", Some(b"a")), ("twice", Some(b"b"))],
        vec![("null", None)],
        vec![("binary", Some(&[0xff]))],
        vec![("padded", Some(b" a"))],
        vec![("", Some(b"a"))],
    ];
    for odd in odd {
        let mut sent = vec![("first", Some(&b"1"[..]))];
        sent.extend(odd.clone());
        let headers = write(None, None, sent.clone());
        assert_eq!(text(&headers, "forebay-header-first").as_deref(), Some("1"));
        let named = |header: &&HeaderName| header.as_str().starts_with("forebay-header-");
        assert_eq!(headers.keys().filter(named).count(), 1, "{odd:?}");
        let expected: Vec<_> = sent
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        assert_eq!(decode_all(&headers), expected);
    }
}

#[test]
fn the_content_type_is_the_records_own() {
    for name in ["content-type", "Content-Type"] {
        let headers = write(None, None, vec![(name, Some(b"application/json; charset=utf-8"))]);
        let content_type = text(&headers, "content-type");
        assert_eq!(content_type.as_deref(), Some("application/json; charset=utf-8"));
    }
    let injected = write(None, None, vec![("content-type", Some(b"a\r\nforebay-key: b"))]);
    assert_eq!(text(&injected, "content-type").as_deref(), Some("application/octet-stream"));
    assert_eq!(text(&injected, "forebay-key"), None);
}

#[test]
fn the_limit_is_exact_and_counts_the_request_line() {
    let written = write_with(Some(b"k"), Some(b"value"), vec![], 8 << 10).unwrap();
    let lines: usize = written.headers().iter().map(|(name, value)| line(name, value)).sum();
    let size = "POST /records HTTP/1.1\r\n".len() + lines + "\r\n".len();
    assert!(write_with(Some(b"k"), Some(b"value"), vec![], size).is_ok());
    let refused = write_with(Some(b"k"), Some(b"value"), vec![], size - 1);
    assert_eq!(refused.unwrap_err(), DoesNotFit { limit: size - 1 });
}

#[test]
fn what_is_far_too_large_is_refused_before_it_is_built() {
    let large = vec![b'x'; 16 << 20];
    assert!(write_with(Some(&large), None, vec![], 8 << 10).is_err());
    assert!(write_with(None, None, vec![("a", Some(&large))], 8 << 10).is_err());
    let many: Headers<'_> = vec![("a", None); 1 << 20];
    assert!(write_with(None, None, many, 8 << 10).is_err());
    let name = "a".repeat(1 << 20);
    assert!(write_with(None, None, vec![(&name, Some(b""))], 4 << 20).is_ok());
}

#[test]
fn the_attempt_and_the_timeout_are_written_for_each_delivery() {
    let mut writer = RequestWriter::new(8 << 10);
    for (attempt, millis) in [(1, 30_000), (2, 30_000), (u32::MAX, 1)] {
        let record = Record {
            offset: Offset(i64::MAX),
            timestamp: i64::MIN,
            key: None,
            value: None,
            headers: std::iter::empty(),
            replay: Replay::FIRST_READING,
            attempt,
        };
        let timeout = Duration::from_millis(millis);
        let request = writer.write(&endpoint(), &origin(), &record, timeout).unwrap();
        let headers = request.headers();
        assert_eq!(text(headers, "forebay-attempt"), Some(attempt.to_string()));
        assert_eq!(text(headers, "forebay-timeout-ms"), Some(millis.to_string()));
        assert_eq!(text(headers, "forebay-offset"), Some(i64::MAX.to_string()));
        assert_eq!(text(headers, "forebay-timestamp"), Some(i64::MIN.to_string()));
    }
}

#[test]
fn a_request_holds_nothing_of_the_one_before_it() {
    let mut writer = RequestWriter::new(8 << 10);
    let origin = origin();
    let mut record = Record {
        offset: Offset(0),
        timestamp: 0,
        key: Some(&b"of another record"[..]),
        value: Some(Bytes::from_static(b"value")),
        headers: [("kind", Some(&b"a"[..]))].into_iter(),
        replay: Replay::FIRST_READING,
        attempt: 2,
    };
    writer.write(&endpoint(), &origin, &record, Duration::ZERO).unwrap();
    record.key = None;
    record.headers.next();
    let request = writer.write(&endpoint(), &origin, &record, Duration::ZERO).unwrap();
    assert_eq!(text(request.headers(), "forebay-key"), None);
    assert_eq!(text(request.headers(), "forebay-header-kind"), None);
}

#[test]
fn only_the_record_headers_that_are_named_are_sent_and_have_to_fit() {
    let large = "x".repeat(4 << 10);
    let headers: Headers<'_> = vec![
        ("content-type", Some(b"text/plain")),
        ("trace-id", Some(b"1")),
        ("Trace-Id", Some(b"2")),
        ("traceparent", Some(b"3")),
        ("noise", Some(large.as_bytes())),
        ("forebay-origin", Some(b"orders/id/3/7")),
    ];
    let record = Record {
        offset: Offset(42),
        timestamp: 0,
        key: None,
        value: None,
        headers: headers.iter().copied(),
        replay: Replay::FIRST_READING,
        attempt: 1,
    };
    let write = |sent: Option<&[&str]>| {
        let sent = sent.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let mut writer = RequestWriter::new(2 << 10).sending(sent);
        let request = writer.write(&endpoint(), &origin(), &record, Duration::ZERO);
        request.map(|request| request.headers().clone())
    };
    let names = |headers: &HeaderMap| -> Vec<String> {
        let names = headers.keys().map(HeaderName::as_str);
        names.filter(|name| name.starts_with("forebay-header")).map(str::to_owned).collect()
    };
    assert_eq!(write(None).unwrap_err(), DoesNotFit { limit: 2 << 10 });
    let plain = write(Some(&["trace-id", "tenant"])).unwrap();
    assert_eq!(names(&plain), ["forebay-header-trace-id"], "no other, in no form");
    assert_eq!(text(&plain, "forebay-header-trace-id").as_deref(), Some("1"));
    let exact = write(Some(&["Trace-Id"])).unwrap();
    assert_eq!(decode_all(&exact), [("Trace-Id".to_owned(), Some(b"2".to_vec()))]);
    let none = write(Some(&[])).unwrap();
    assert!(names(&none).is_empty());
    assert_eq!(text(&none, "content-type").as_deref(), Some("text/plain"), "that is the body's");
    let key = text(&none, "idempotency-key").unwrap();
    assert!(key.ends_with("/orders/id/3/7"), "what is not sent is still read: {key}");
}

#[test]
fn what_is_read_again_on_purpose_has_a_key_of_its_own() {
    const KEY: &str = "b%C3%BCcher%201/orders/mF1IaZcWTLmkvNm1rFfKzA/3/";
    let key = |number, of_park, headers: &Headers<'_>| {
        let record = Record {
            offset: Offset(42),
            timestamp: 0,
            key: None,
            value: None,
            headers: headers.iter().copied(),
            replay: Replay { number, of_park },
            attempt: 1,
        };
        let mut writer = RequestWriter::new(8 << 10);
        let request = writer.write(&endpoint(), &origin(), &record, Duration::ZERO).unwrap();
        text(request.headers(), "idempotency-key").unwrap()
    };
    let own = |tail: &str| format!("{KEY}42{tail}");
    assert_eq!(key(0, 0, &vec![]), own(""));
    assert_eq!(key(1, 0, &vec![]), own("/replay-1"));
    assert_eq!(key(12, 3, &vec![]), own("/replay-12.3"));
    let origin = ("forebay-origin", Some(&b"orders/mF1IaZcWTLmkvNm1rFfKzA/3/7"[..]));
    let died_in = ("forebay-origin-replay", Some("bücher 1/2".as_bytes()));
    let elsewhere = ("forebay-origin-replay", Some(&b"another group/9"[..]));
    let sent_back = vec![origin, elsewhere, died_in];
    assert_eq!(key(0, 0, &sent_back), format!("{KEY}7/replay-2"));
    assert_eq!(key(3, 0, &sent_back), format!("{KEY}7/replay-3"), "read again since then");
    assert_eq!(key(0, 0, &vec![origin, elsewhere]), format!("{KEY}7"), "no matter of this group");
    assert_eq!(key(0, 0, &vec![died_in]), own(""), "it was not sent back to here");
}

proptest! {
    #[test]
    fn any_text_key_survives_percent_encoding(key in any::<String>()) {
        prop_assume!(key.len() < 1000);
        let headers = write(Some(key.as_bytes()), None, vec![]);
        let sent = text(&headers, "forebay-key").unwrap();
        prop_assert_eq!(percent_decode(sent.as_bytes()).collect::<Vec<u8>>(), key.as_bytes());
    }

    #[test]
    fn any_headers_survive_and_never_become_others(
        names in proptest::collection::vec(".{0,6}|[a-b]", 0..8),
        values in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)), 8),
    ) {
        let sent: Headers<'_> = names
            .iter()
            .zip(&values)
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let headers = write(None, None, sent.clone());
        let received: Vec<(String, Option<Vec<u8>>)> = if headers.contains_key("forebay-headers") {
            decode_all(&headers)
        } else {
            let value = |name: &str| text(&headers, &format!("forebay-header-{name}"));
            names.iter().map(|name| (name.clone(), value(name).map(String::into_bytes))).collect()
        };
        let expected: Vec<_> = sent
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        prop_assert_eq!(received, expected);
    }
}
