//! Round trips, bounds, older versions, foreign and damaged strings.

use proptest::prelude::*;

use super::*;

fn tenure(tenure: i64) -> CommitMetadata {
    CommitMetadata { tenure, ..CommitMetadata::default() }
}

fn signed(body: &str) -> String {
    format!("{body};c={:08x}", crc32c::crc32c(body.as_bytes()))
}

fn map(open: &[i64], end: i64) -> Completion {
    let mut map = Completion { open: Vec::new(), end };
    open.iter().for_each(|offset| map.push(*offset));
    map
}

#[test]
fn it_is_text_with_named_fields() {
    let metadata = CommitMetadata {
        tenure: 1_700_000_000_000,
        base: Some(100),
        topic_id: Some("bG9uZyBsaXZlIHRvcGlj".to_owned()),
        leader_epoch: Some(7),
        quiet: true,
        rewinds: Rewinds::default(),
        parked_in: Some("payments.park".to_owned()),
        parked: vec![ParkedKey { hash: 1, partition: -1, offset: 2 }],
        completion: map(&[100, 103], 106),
        failed: vec![Failed { offset: 100, deliveries: 3, charged: 2 }],
    };
    let text = metadata.encode(MAX_LEN);
    let fields = "fb5;t=1700000000000;b=100;i=bG9uZyBsaXZlIHRvcGlj;e=7;q=1;p=payments.park;\
                  k=AAAAAAAAAAH_____AAAAAAAAAAI;m=BgABkA;a=AAMC;c=";
    assert!(text.starts_with(fields), "{text}");
    assert_eq!(CommitMetadata::decode(&text), Ok(metadata));
}

#[test]
fn who_was_never_rewound_and_parks_nothing_writes_what_the_version_before_can_read() {
    let rewinds = Rewinds { count: 2, until: 106 };
    let (base, completion) = (Some(100), map(&[], 100));
    let rewound = CommitMetadata { base, rewinds, completion, quiet: true, ..tenure(5) };
    let text = rewound.encode(MAX_LEN);
    assert!(text.starts_with("fb4;t=5;b=100;q=1;r=2.106;c="), "{text}");
    assert_eq!(CommitMetadata::decode(&text), Ok(rewound));
    let parks_nothing = CommitMetadata { parked_in: Some("a.park".to_owned()), ..tenure(5) };
    assert!(parks_nothing.encode(MAX_LEN).starts_with("fb3;t=5;c="));
}

#[test]
fn what_older_versions_wrote_is_read() {
    let read = |body: &str| CommitMetadata::decode(&signed(body));
    assert_eq!(read("fb1;t=5"), Ok(tenure(5)));
    let key = ParkedKey { hash: 1, partition: -1, offset: 2 };
    let parked = CommitMetadata { parked: vec![key], ..tenure(5) };
    assert_eq!(read("fb2;t=5;k=AAAAAAAAAAH_____AAAAAAAAAAI"), Ok(parked));
    let completion = map(&[], 7);
    let quiet = CommitMetadata { base: Some(7), completion, quiet: true, ..tenure(5) };
    assert_eq!(read("fb3;t=5;b=7;q=1"), Ok(quiet));
}

#[test]
fn strings_of_others_are_foreign() {
    for text in ["", "hello", "fb", "fb;t=1", "fbx;t=1", "fb0;t=1;c=0", "{\"a\":1}", "fb1"] {
        assert_eq!(CommitMetadata::decode(text), Err(Unreadable::Foreign), "{text}");
    }
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    assert_eq!(CommitMetadata::decode("fb6;anything"), Err(Unreadable::Newer { version: 6 }));
    for body in [
        "fb3;t=x",
        "fb3;b=1",
        "fb3;t=1;q=2",
        "fb3;t=1;m=BgABkA",
        "fb3;t=1;b=1;z=1",
        "fb3;t=1;b=100;b=100",
        "fb3;t=1;b=100;k=",
        "fb4;t=1;b=100;r=1",
        "fb4;t=1;b=100;r=0.7",
        "fb4;t=1;b=100;r=1.7;q=1",
        "fb5;t=1;b=100;p=a.park",
        "fb3;t=1;b=100;m=AAAA",
        "fb3;t=1;b=100;a=AA",
        "fb3;t=1;b=100;a=AAMCAAMC",
    ] {
        assert_eq!(CommitMetadata::decode(&signed(body)), Err(Unreadable::Damaged), "{body}");
    }
    assert_eq!(CommitMetadata::decode("fb3;t=5"), Err(Unreadable::Damaged));
}

#[test]
fn a_map_of_the_weight_that_is_allowed_fits_whole() {
    let longest = "x".repeat(249);
    for (park_topic, keys) in [(None, 0), (Some(&*longest), PARKED_MAX)] {
        let most = map_max(MAX_LEN, park_topic);
        let blocks = i64::try_from(most).unwrap() - 16;
        let open: Vec<i64> = (0..blocks * 8).step_by(2).collect();
        let metadata = CommitMetadata {
            tenure: i64::MAX,
            base: Some(0),
            topic_id: Some("x".repeat(22)),
            leader_epoch: Some(i32::MAX),
            quiet: true,
            rewinds: Rewinds { count: u32::MAX, until: i64::MAX },
            parked_in: park_topic.map(str::to_owned),
            parked: vec![ParkedKey { hash: u64::MAX, partition: 1, offset: i64::MAX }; keys],
            completion: map(&open, blocks * 8),
            failed: (0..32)
                .map(|offset| Failed { offset, deliveries: 1_000, charged: 999 })
                .collect(),
        };
        let text = metadata.encode(MAX_LEN);
        assert!(text.len() <= MAX_LEN, "{}", text.len());
        assert_eq!(CommitMetadata::decode(&text), Ok(metadata));
    }
}

#[test]
fn what_does_not_fit_is_said_less_of() {
    let open: Vec<i64> = (0..80_000).step_by(2).collect();
    let whole = CommitMetadata { base: Some(0), completion: map(&open, 80_000), ..tenure(1) };
    let text = whole.encode(1_000);
    assert!(text.len() <= 1_000 && text.len() > 900, "{}", text.len());
    let read = CommitMetadata::decode(&text).unwrap();
    assert!(read.completion.end > 5_000 && read.completion.end < 80_000);
    assert!((0..read.completion.end).all(|at| read.completion.is_settled(at) == (at % 2 == 1)));
}

fn any_metadata() -> impl Strategy<Value = CommitMetadata> {
    let key = |(hash, partition, offset)| ParkedKey { hash, partition, offset };
    let parked = prop::collection::vec(any::<(u64, i32, i64)>().prop_map(key), 0..8);
    let steps = prop::collection::vec(0..200_i64, 0..60);
    let failed = prop::collection::vec((0..50_i64, any::<u32>(), any::<u32>()), 0..8);
    let rewound = (1..u32::MAX, any::<i64>()).prop_map(|(count, until)| Rewinds { count, until });
    let rewinds = prop_oneof![Just(Rewinds::default()), rewound];
    let head = (any::<i64>(), 0..1_000_000_i64, any::<Option<i32>>(), any::<bool>(), rewinds);
    (head, parked, steps, failed).prop_map(
        |((tenure, base, epoch, quiet, rewinds), parked, steps, failed)| {
            let open: Vec<i64> = steps
                .iter()
                .scan(base - 1, |at, step| {
                    *at += step + 1;
                    Some(*at)
                })
                .collect();
            let mut last = base - 1;
            let failed = failed.into_iter().map(|(step, deliveries, charged)| {
                last += step + 1;
                Failed { offset: last, deliveries, charged }
            });
            CommitMetadata {
                tenure,
                base: Some(base),
                topic_id: epoch.map(|_| "an-id".to_owned()),
                leader_epoch: epoch,
                quiet,
                rewinds,
                parked_in: (!parked.is_empty()).then(|| "payments.park".to_owned()),
                parked,
                completion: map(&open, open.last().map_or(base, |last| last + 2)),
                failed: failed.collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn it_comes_back_and_fits(metadata in any_metadata()) {
        let text = metadata.encode(MAX_LEN);
        prop_assert!(text.len() <= MAX_LEN);
        prop_assert_eq!(CommitMetadata::decode(&text), Ok(metadata));
    }

    #[test]
    fn any_limit_is_kept_that_holds_tenure_and_keys(
        metadata in any_metadata(),
        limit in 700..1_500_usize,
    ) {
        let text = metadata.encode(limit);
        prop_assert!(text.len() <= limit, "{} of {limit}", text.len());
        let read = CommitMetadata::decode(&text).unwrap();
        prop_assert_eq!(read.parked, metadata.parked);
        prop_assert_eq!(read.rewinds, metadata.rewinds);
        prop_assert!(metadata.failed.starts_with(&read.failed));
    }

    #[test]
    fn any_other_character_is_seen(
        metadata in any_metadata(),
        at: prop::sample::Index,
        byte in 0x20..0x7fu8,
    ) {
        let text = metadata.encode(MAX_LEN);
        let mut damaged = text.clone().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let damaged = String::from_utf8(damaged).expect("ASCII");
        prop_assert_eq!(CommitMetadata::decode(&damaged).is_ok(), damaged == text);
    }

    #[test]
    fn arbitrary_text_never_panics(text: String, bytes: Vec<u8>, base: i64) {
        let _ = CommitMetadata::decode(&text);
        let _ = CommitMetadata::decode(&format!("fb1;{text}"));
        let bytes = URL_SAFE_NO_PAD.encode(bytes);
        for field in ["p", "k", "m", "a"] {
            let _ = CommitMetadata::decode(&signed(&format!("fb3;t=1;b={base};{field}={text}")));
            let _ = CommitMetadata::decode(&signed(&format!("fb3;t=1;b={base};{field}={bytes}")));
        }
    }

    #[test]
    fn what_is_read_is_what_was_checksummed(
        fields in prop::collection::vec(("[tbieqrpkma]?", "[-+]?[0-9]{0,20}([.][0-9]{1,3})?|[ -~]{0,9}"), 0..5),
        name in "fb1|fb3|fb4|fb5|fb0|fb[0-9]{1,12}|[a-z0-9]{0,4}",
    ) {
        let fields: String =
            fields.iter().map(|(name, value)| format!(";{name}={value}")).collect();
        if let Ok(read) = CommitMetadata::decode(&signed(&format!("{name}{fields}"))) {
            prop_assert_eq!(CommitMetadata::decode(&read.encode(READ_MAX)), Ok(read));
        }
    }
}
