//! Round trip, the names of others, and records that are no letters.

use proptest::prelude::*;

use super::*;

fn letter() -> DeadLetter {
    DeadLetter {
        cluster: Some("c".into()),
        topic: "payments".into(),
        topic_id: Some("abc".into()),
        partition: 3,
        offset: 77,
        replay: Replay { number: 2, of_park: 0 },
        timestamp: 1_700_000_000_000,
        subscription: "pay".into(),
        group: "pay-group".into(),
        attempts: 10,
        deliveries: 12,
        first_failed: Some(1),
        last_failed: Some(2),
        revision: "default".into(),
        why: "exhausted".into(),
        verdict: Some("retry".into()),
        status: Some(500),
        reason: Some("naïve\nreason".into()),
    }
}

fn borrowed(headers: &[(&'static str, Vec<u8>)]) -> Vec<(&'static str, Option<&'static [u8]>)> {
    headers.iter().map(|(name, value)| (*name, Some(&*value.clone().leak()))).collect()
}

#[test]
fn a_letter_reads_as_it_was_written() {
    for letter in [
        letter(),
        DeadLetter {
            cluster: None,
            topic_id: None,
            replay: Replay::FIRST_READING,
            first_failed: None,
            last_failed: None,
            verdict: None,
            status: None,
            reason: None,
            ..letter()
        },
    ] {
        let headers = letter.headers();
        assert_eq!(DeadLetter::parse(borrowed(&headers).into_iter()), Ok(letter));
    }
}

#[test]
fn other_records_are_no_letters() {
    let none = std::iter::empty::<(&str, Option<&[u8]>)>();
    assert_eq!(DeadLetter::parse(none), Err(NotADeadLetter::Missing("forebay-dead-topic".into())));
    let mut headers = letter().headers();
    headers.push(("forebay-dead-offset", b"x".to_vec()));
    let error = DeadLetter::parse(borrowed(&headers).into_iter()).unwrap_err();
    assert_eq!(error.to_string(), "its header forebay-dead-offset says \"x\"");
}

#[test]
fn others_find_their_own_names() {
    let spring = letter().foreign_headers(ForeignNames::Spring);
    assert!(spring.contains(&("kafka_dlt-original-partition", vec![0, 0, 0, 3])));
    assert!(spring.contains(&("kafka_dlt-original-offset", vec![0, 0, 0, 0, 0, 0, 0, 77])));
    let kip = letter().foreign_headers(ForeignNames::Kip1191);
    assert!(kip.contains(&("__dlq.errors.delivery.count", b"12".to_vec())));
}

#[test]
fn a_mark_names_its_letter() {
    let headers = Mark::Redriven.headers(9);
    assert_eq!(Mark::parse(borrowed(&headers).into_iter(), None), Some((Mark::Redriven, 9)));
}

#[test]
fn a_record_with_the_headers_of_a_mark_is_none_where_it_has_a_value_or_is_a_letter() {
    let spoof = Mark::Purged.headers(0);
    let spoof = borrowed(&spoof).into_iter();
    assert_eq!(Mark::parse(spoof.clone(), Some(b"")), None);
    let died = spoof.chain(borrowed(&letter().added(None)));
    assert_eq!(Mark::parse(died.clone(), None), None);
    assert_eq!(DeadLetter::parse(died), Ok(letter()));
}

#[test]
fn a_letter_of_a_letter_gives_back_the_letter() {
    let first = borrowed(&letter().added(Some(ForeignNames::Spring)));
    let second = DeadLetter { topic: "payments.dead".into(), topic_id: None, ..letter() };
    let own = [&[("forebay-dead-added", Some(&b"99"[..]))], first.as_slice()].concat();
    for names in [None, Some(ForeignNames::Spring), Some(ForeignNames::Kip1191)] {
        let all = [own.clone(), borrowed(&second.added(names))].concat();
        let all = all.into_iter().chain([("proxy", None)]);
        assert_eq!(DeadLetter::parse(all.clone()), Ok(second.clone()));
        let back: Vec<_> = own_headers(all).collect();
        assert_eq!(back, [own.as_slice(), &[("proxy", None)]].concat());
        assert_eq!(DeadLetter::parse(back.into_iter()), Ok(letter()));
    }
}

#[test]
fn a_count_of_headers_that_are_not_there_is_none() {
    let mut headers = letter().headers();
    headers.push((ADDED, b"99".to_vec()));
    assert_eq!(DeadLetter::parse(borrowed(&headers).into_iter()), Ok(letter()));
}

#[test]
fn the_origin_is_the_tail_of_the_idempotency_key() {
    assert_eq!(letter().origin(), "payments/abc/3/77");
    assert_eq!(DeadLetter { topic_id: None, ..letter() }.origin(), "payments/-/3/77");
}

#[test]
fn a_letter_gives_back_its_records_own_headers() {
    let own: [(&'static str, Option<&'static [u8]>); 4] = [
        ("trace", Some(b"1")),
        ("kafka_dlt-original-topic", Some(b"from another life")),
        ("trace", None),
        (ORIGIN, Some(b"payments/-/0/1")),
    ];
    for names in [ForeignNames::Spring, ForeignNames::Kip1191] {
        let mut added = letter().headers();
        added.extend(letter().foreign_headers(names));
        let all = own.into_iter().chain(borrowed(&added)).chain([("proxy", Some(&b"p"[..]))]);
        let found: Vec<_> = own_headers(all).collect();
        assert_eq!(found, [&own[..], &[("proxy", Some(&b"p"[..]))]].concat());
    }
}

#[test]
fn an_origin_is_of_the_topic_that_is_read() {
    let letter = letter();
    assert!(is_origin(letter.origin().as_bytes(), &letter.topic));
    assert!(is_origin(b"payments/-/0/0", "payments"));
    let long = format!("payments/{}/0/0", "x".repeat(LONGEST_ORIGIN));
    for absurd in [
        &b""[..],
        b"payments",
        b"payments/id/7",
        b"payments/id/7/",
        b"payments/id/7/1234/5",
        b"payments/id/-7/1234",
        b"payments/id/7/12x4",
        b"payments//7/1234",
        b"payments/i d/7/1234",
        b"payments/\xc3\xa9/7/1234",
        b"payments/id/7/1234\r\nx: y",
        b"payments2/id/7/1234",
        b"orders/id/7/1234",
        long.as_bytes(),
    ] {
        assert!(!is_origin(absurd, "payments"), "{}", String::from_utf8_lossy(absurd));
    }
}

/// Names that count, and values that nearly do; each name any number of times.
fn headers() -> impl Strategy<Value = Vec<(String, Option<Vec<u8>>)>> {
    let own: Vec<String> =
        letter().headers().into_iter().map(|(name, _)| name.to_owned()).collect();
    let mut known = own;
    known.extend([MARK_WHAT, MARK_OFFSET, ORIGIN].map(str::to_owned));
    let name = prop_oneof![6 => prop::sample::select(known), 1 => "(forebay-dead-)?[a-z-]{0,8}"];
    let value = prop_oneof![
        4 => "-?[0-9]{1,20}".prop_map(String::into_bytes),
        1 => "redriven|purged|[+]?[0-9]{1,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let value = prop_oneof![9 => value.prop_map(Some), 1 => Just(None)];
    prop::collection::vec((name, value), 0..60)
}

fn given(
    headers: &[(String, Option<Vec<u8>>)],
) -> impl Iterator<Item = (&str, Option<&[u8]>)> + Clone {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
}

proptest! {
    #[test]
    fn whatever_letter_is_read_can_be_written_and_read_again(headers in headers()) {
        let mark = Mark::parse(given(&headers), None);
        if let Some((mark, offset)) = mark {
            let written = mark.headers(offset);
            let written = written.iter().map(|(name, value)| (*name, Some(value.as_slice())));
            prop_assert_eq!(Mark::parse(written, None), Some((mark, offset)));
        }
        if let Ok(letter) = DeadLetter::parse(given(&headers)) {
            let written = letter.headers();
            let written = written.iter().map(|(name, value)| (*name, Some(value.as_slice())));
            prop_assert_eq!(DeadLetter::parse(written), Ok(letter));
        }
    }

    #[test]
    fn a_letter_among_other_headers_reads_the_same(
        topic: String,
        offset: i64,
        attempts: u32,
        status: Option<u16>,
        reason: Option<String>,
        others in prop::collection::vec(("[a-z]{0,9}", prop::collection::vec(any::<u8>(), 0..9)), 0..9),
    ) {
        let letter = DeadLetter { topic, offset, attempts, status, reason, ..letter() };
        let written = letter.headers();
        let own = written.iter().map(|(name, value)| (*name, Some(value.as_slice())));
        let others = others.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice())));
        prop_assert_eq!(DeadLetter::parse(others.clone().chain(own).chain(others)), Ok(letter));
    }
}
