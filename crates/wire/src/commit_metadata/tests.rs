//! Round trip, foreign and damaged strings.

use proptest::prelude::*;

use super::*;

#[test]
fn the_first_form_is_readable_text() {
    let text = CommitMetadata { tenure: 1_700_000_000_000, parked: vec![] }.encode();
    assert!(text.starts_with("fb1;t=1700000000000;c="), "{text}");
}

#[test]
fn parked_keys_are_a_second_form() {
    let key = ParkedKey { hash: 1, partition: -1, offset: 2 };
    let text = CommitMetadata { tenure: 5, parked: vec![key] }.encode();
    assert!(text.starts_with("fb2;t=5;k=AAAAAAAAAAH_____AAAAAAAAAAI;c="), "{text}");
    let most = CommitMetadata { tenure: i64::MIN, parked: vec![key; PARKED_MAX] };
    assert!(most.encode().len() < MAX_LEN / 2);
    assert_eq!(CommitMetadata::decode(&most.encode()), Ok(most));
}

#[test]
fn strings_of_others_are_foreign() {
    for text in ["", "hello", "fb", "fb;t=1", "fbx;t=1", "fb0;t=1;c=0", "{\"a\":1}", "fb1"] {
        assert_eq!(CommitMetadata::decode(text), Err(Unreadable::Foreign), "{text}");
    }
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    assert_eq!(CommitMetadata::decode("fb3;anything"), Err(Unreadable::Newer { version: 3 }));
    assert_eq!(CommitMetadata::decode("fb1;t=5"), Err(Unreadable::Damaged));
    let long = format!("fb1;{}", "x".repeat(MAX_LEN));
    assert_eq!(CommitMetadata::decode(&long), Err(Unreadable::Damaged));
}

proptest! {
    #[test]
    fn it_comes_back_and_fits(tenure: i64, keys: Vec<(u64, i32, i64)>) {
        let key = |(hash, partition, offset)| ParkedKey { hash, partition, offset };
        let parked = keys.into_iter().take(PARKED_MAX).map(key).collect();
        let metadata = CommitMetadata { tenure, parked };
        let text = metadata.encode();
        prop_assert!(text.len() <= MAX_LEN);
        prop_assert_eq!(CommitMetadata::decode(&text), Ok(metadata));
    }

    #[test]
    fn any_other_character_is_seen(tenure: i64, at: prop::sample::Index, byte in 0x20..0x7fu8) {
        let text = CommitMetadata { tenure, parked: vec![] }.encode();
        let mut damaged = text.clone().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let damaged = String::from_utf8(damaged).expect("ASCII");
        prop_assert_eq!(CommitMetadata::decode(&damaged).is_ok(), damaged == text);
    }

    #[test]
    fn arbitrary_text_never_panics(text: String) {
        let _ = CommitMetadata::decode(&text);
        let _ = CommitMetadata::decode(&format!("fb1;{text}"));
        let body = format!("fb2;t=1;k={text}");
        let checksum = crc32c::crc32c(body.as_bytes());
        let _ = CommitMetadata::decode(&format!("{body};c={checksum:08x}"));
    }

    #[test]
    fn what_is_read_is_what_was_checksummed(
        fields in prop::collection::vec(("[tc]?", "[-+]?[0-9]{0,20}|[ -~]{0,9}"), 0..5),
        name in "fb1|fb0|fb[0-9]{1,12}|[a-z0-9]{0,4}",
    ) {
        let fields: String =
            fields.iter().map(|(name, value)| format!(";{name}={value}")).collect();
        let body = format!("{name}{fields}");
        let text = format!("{body};c={:08x}", crc32c::crc32c(body.as_bytes()));
        if let Ok(read) = CommitMetadata::decode(&text) {
            prop_assert!(body.starts_with("fb1;"));
            prop_assert!(body.ends_with(&read.tenure.unsigned_abs().to_string()));
            prop_assert_eq!(CommitMetadata::decode(&read.encode()), Ok(read));
        }
    }
}
