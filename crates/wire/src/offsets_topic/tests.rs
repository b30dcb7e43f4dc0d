//! Kafka's bytes by hand, round trips, and that no bytes make it panic.

use proptest::prelude::*;

use super::*;

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn key() -> OffsetKey {
    OffsetKey { group: "g".into(), topic: "t".into(), partition: 5 }
}

#[test]
fn keys_and_offset_values_are_kafkas_bytes() {
    let key = key().encode().expect("short");
    assert_eq!(key, [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 5]);
    assert_eq!(encode_group_key("g").expect("short"), [0, 2, 0, 1, b'g']);
    let value =
        OffsetValue { offset: 1, leader_epoch: -1, metadata: "m".into(), commit_timestamp: 2 };
    #[rustfmt::skip]
    let expected = [
        0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff,
        0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 2,
    ];
    assert_eq!(value.encode().expect("short"), expected);
}

#[test]
fn all_versions_of_an_offset_value_say_the_same() {
    let mut expected =
        OffsetValue { offset: 9, leader_epoch: -1, metadata: "meta".into(), commit_timestamp: 77 };
    for version in 0..=4i16 {
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend_from_slice(&9i64.to_be_bytes());
        if version >= 3 {
            bytes.extend_from_slice(&4i32.to_be_bytes());
            expected.leader_epoch = 4;
        }
        if version == 4 {
            bytes.extend_from_slice(b"\x05meta");
        } else {
            text(&mut bytes, "meta");
        }
        bytes.extend_from_slice(&77i64.to_be_bytes());
        match version {
            1 => bytes.extend_from_slice(&99i64.to_be_bytes()),
            4 => bytes.extend_from_slice(&[0]),
            _ => {}
        }
        assert_eq!(OffsetValue::decode(&bytes).as_ref(), Ok(&expected), "version {version}");
    }
}

#[test]
fn all_versions_of_a_group_value_are_read() {
    for version in 0..=3i16 {
        let mut bytes = version.to_be_bytes().to_vec();
        text(&mut bytes, "consumer");
        bytes.extend_from_slice(&3i32.to_be_bytes());
        text(&mut bytes, "range");
        text(&mut bytes, "m");
        if version >= 2 {
            bytes.extend_from_slice(&50i64.to_be_bytes());
        }
        bytes.extend_from_slice(&1i32.to_be_bytes());
        text(&mut bytes, "m");
        if version >= 3 {
            text(&mut bytes, "instance");
        }
        text(&mut bytes, "client");
        text(&mut bytes, "/host");
        if version >= 1 {
            bytes.extend_from_slice(&300i32.to_be_bytes());
        }
        bytes.extend_from_slice(&100i32.to_be_bytes());
        bytes.extend_from_slice(b"\0\0\0\x01s\0\0\0\x02as");
        let value = GroupValue::decode(&bytes).expect("known version");
        assert_eq!((value.generation, value.protocol.as_deref()), (3, Some("range")));
        assert_eq!(value.state_timestamp, if version >= 2 { 50 } else { -1 });
        let member = &value.members[0];
        assert_eq!(member.group_instance_id.is_some(), version >= 3);
        assert_eq!(member.rebalance_timeout_ms, if version >= 1 { 300 } else { 100 });
        assert_eq!((&member.subscription[..], &member.assignment[..]), (&b"s"[..], &b"as"[..]));
    }
}

#[test]
fn tombstones_unknown_keys_and_unknown_values_are_told_apart() {
    let gone = Entry::decode(&key().encode().expect("short"), None);
    assert_eq!(gone, Ok(Entry::Offset { key: key(), value: None }));
    let gone = Entry::decode(&encode_group_key("g").expect("short"), None);
    assert_eq!(gone, Ok(Entry::Group { group: "g".into(), value: None }));
    assert_eq!(Entry::decode(&[0, 3, 9], Some(b"x")), Ok(Entry::Unknown { key_version: 3 }));
    let newer = Entry::decode(&key().encode().expect("short"), Some(&[0, 5]));
    assert_eq!(newer, Err(OffsetsError::Version { what: "offset value", version: 5 }));
    assert!(matches!(Entry::decode(&[0], None), Err(OffsetsError::Malformed { .. })));
}

#[test]
fn a_name_that_the_format_has_no_room_for_is_an_error() {
    let long = "x".repeat(40_000);
    assert_eq!(encode_group_key(&long), Err(OffsetsError::TooLong { len: 40_000 }));
}

/// Hashes by Java's rule: s[0]*31^(n-1) + … + s[n-1] over UTF-16.
#[test]
fn a_groups_partition_follows_javas_hash() {
    // "a" hashes to 97; "polygenelubricants" is known to hash to i32::MIN, which has no absolute.
    assert_eq!(partition_of_group("a", 50), 47);
    assert_eq!(partition_of_group("", 50), 0);
    assert_eq!(partition_of_group("polygenelubricants", 50), 0);
    // "Aa" and "BB" collide in Java, at 2112.
    assert_eq!(partition_of_group("Aa", 50), 12);
    assert_eq!(partition_of_group("BB", 50), 12);
    // U+1F600 is the surrogates d83d de00: 55357 * 31 + 56832 = 1772899.
    assert_eq!(partition_of_group("\u{1F600}", 50), 49);
}

fn member() -> impl Strategy<Value = MemberValue> {
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    (any::<[String; 3]>(), any::<Option<String>>(), any::<(i32, i32)>(), [bytes.clone(), bytes])
        .prop_map(|([member_id, client_id, client_host], group_instance_id, timeouts, parts)| {
            let [subscription, assignment] = parts.map(Bytes::from);
            MemberValue {
                member_id,
                group_instance_id,
                client_id,
                client_host,
                rebalance_timeout_ms: timeouts.0,
                session_timeout_ms: timeouts.1,
                subscription,
                assignment,
            }
        })
}

proptest! {
    #[test]
    fn offsets_come_back(
        group: String, topic: String, partition: i32,
        offset: i64, leader_epoch: i32, metadata: String, commit_timestamp: i64,
    ) {
        let key = OffsetKey { group, topic, partition };
        let value = OffsetValue { offset, leader_epoch, metadata, commit_timestamp };
        let bytes = (key.encode().expect("short"), value.encode().expect("short"));
        let entry = Entry::decode(&bytes.0, Some(&bytes.1));
        prop_assert_eq!(entry, Ok(Entry::Offset { key, value: Some(value) }));
    }

    #[test]
    fn groups_come_back(
        protocol_type: String, generation: i32, state_timestamp: i64,
        protocol: Option<String>, leader: Option<String>,
        members in prop::collection::vec(member(), 0..4),
    ) {
        let value = GroupValue {
            protocol_type, generation, protocol, leader, state_timestamp, members,
        };
        let key = encode_group_key("g").expect("short");
        let entry = Entry::decode(&key, Some(&value.encode().expect("short")));
        prop_assert_eq!(entry, Ok(Entry::Group { group: "g".into(), value: Some(value) }));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        version in -1..6i16,
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let versioned = |bytes: &[u8]| [&version.to_be_bytes()[..], bytes].concat();
        let _ = Entry::decode(&key, Some(&value));
        let _ = Entry::decode(&versioned(&key), None);
        let _ = OffsetValue::decode(&versioned(&value));
        let _ = GroupValue::decode(&versioned(&value));
        prop_assert!((0..50).contains(&partition_of_group(&String::from_utf8_lossy(&key), 50)));
    }
}
