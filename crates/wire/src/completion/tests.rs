//! The map against a plain set of offsets, its size, and bytes that are no map.

use proptest::prelude::*;

use super::*;

fn map(open: &[i64], end: i64) -> Completion {
    let mut map = Completion { open: Vec::new(), end };
    open.iter().for_each(|offset| map.push(*offset));
    map
}

#[test]
fn the_bytes_are_as_described() {
    // Six offsets from 100 on; block 12 is 96..104, with 100 and 103 open.
    let bytes = map(&[100, 103], 106).encode(100, 100);
    assert_eq!(bytes, [6, 0, 1, 0b1001_0000]);
    // Far away holes cost what near ones do, but for a longer number.
    let bytes = map(&[0, 80_000], 80_001).encode(0, 100);
    assert_eq!(bytes, [0x81, 0xf1, 0x04, 0, 1, 1, 0x8f, 0x4e, 1, 1]);
}

#[test]
fn nothing_settled_beyond_is_no_map() {
    assert!(map(&[], 7).encode(7, 100).is_empty());
    let read = Completion::decode(&[], 7).unwrap();
    assert_eq!(read, Completion { open: vec![], end: 7 });
    assert!(!read.is_settled(7));
}

#[test]
fn one_stuck_record_costs_nothing_however_much_is_settled_behind_it() {
    assert!(map(&[5], 10_000_006).encode(5, 100).len() <= 8);
}

#[test]
fn a_thousand_holes_among_a_million_fit_beside_a_commit() {
    let holes: Vec<i64> = (0..600).map(|hole| hole * 1_667).collect();
    assert!(map(&holes, 1_000_000).encode(0, usize::MAX).len() < 2_700);
    let dense: Vec<i64> = (0..20_000).step_by(2).collect();
    assert!(map(&dense, 20_000).encode(0, usize::MAX).len() < 2_510);
}

#[test]
fn damaged_bytes_are_refused() {
    for bytes in [
        &[0][..],
        &[6, 0],
        &[6, 0, 2, 1],
        &[6, 0, 1, 0b0000_0001],
        &[2, 0, 1, 0b1000_0000],
        &[0xff; 12],
        &[6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1],
    ] {
        assert_eq!(Completion::decode(bytes, 100), Err(Malformed), "{bytes:?}");
    }
}

fn offsets() -> impl Strategy<Value = (i64, Vec<i64>, i64)> {
    let near = prop::collection::vec(0..40_i64, 0..60);
    let far = prop::collection::vec(0..100_000_i64, 0..40);
    (-1_000..1_000_000_i64, prop_oneof![near, far], 0..50_i64).prop_map(|(point, steps, tail)| {
        let open: Vec<i64> = steps
            .iter()
            .scan(point - 1, |at, step| {
                *at += step + 1;
                Some(*at)
            })
            .collect();
        let end = open.last().map_or(point, |last| last + 1) + tail;
        (point, open, end)
    })
}

proptest! {
    #[test]
    fn it_comes_back((point, open, end) in offsets()) {
        let map = map(&open, end);
        let read = Completion::decode(&map.encode(point, usize::MAX), point).unwrap();
        prop_assert_eq!(&read, &map);
        for offset in point..point + 300 {
            prop_assert_eq!(read.is_settled(offset), offset < end && !open.contains(&offset));
        }
    }

    /// What is cut says less, and nothing wrong; with one more byte it says as much or more.
    #[test]
    fn a_cut_map_is_a_part_of_the_whole((point, open, end) in offsets(), most in 0..80_usize) {
        let whole = map(&open, end);
        let cut = |most| {
            let bytes = whole.encode(point, most);
            assert!(bytes.len() <= most);
            Completion::decode(&bytes, point).unwrap()
        };
        let (shorter, longer) = (cut(most), cut(most + 1));
        prop_assert!(shorter.end <= longer.end && longer.end <= whole.end);
        for offset in point..shorter.end {
            prop_assert_eq!(shorter.is_settled(offset), whole.is_settled(offset));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_come_back(bytes: Vec<u8>, point in -10..1_000_i64) {
        if let Ok(map) = Completion::decode(&bytes, point) {
            prop_assert!(map.open.windows(2).all(|two| two[0].end < two[1].start));
            prop_assert!(map.open.iter().all(|range| range.start >= point && range.end <= map.end));
            let again = Completion::decode(&map.encode(point, usize::MAX), point);
            prop_assert_eq!(again, Ok(map));
        }
    }
}
