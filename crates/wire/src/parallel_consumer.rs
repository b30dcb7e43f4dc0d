//! The completion maps of Confluent's Parallel Consumer, so that its groups can be taken over.
//!
//! The commit metadata is padded base64 of a byte that names the encoding, and a payload that says
//! of each offset from the committed one on whether it is complete:
//!
//! | byte | payload |
//! |---|---|
//! | `l`, `o` | bit set: count of bits (2 or 4 bytes), then bits, lowest first; set is complete |
//! | `n`, `e` | runs: lengths (2 or 4 bytes each), incomplete and complete in turn, incomplete first |
//! | `L` | a byte for each offset; not 0 is complete |
//! | `a`, `s`, `J`, `p`, 0xEE | the same in this order, compressed with zstd |
//!
//! Numbers are big-endian. There is no checksum and no base: the base is the committed offset. What
//! can't be read is damaged: its reader replays.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::completion::Completion;
use crate::cursor::{Cursor, Malformed};

/// No map says more than this of one partition; Parallel Consumer's own limit is 4,096 characters.
const OFFSETS_MAX: i64 = 1 << 24;
/// No payload is larger when it is unpacked.
const UNPACKED_MAX: u64 = 1 << 24;

/// What the metadata of a commit of `base` says is complete beyond it; none where it is not a map.
pub fn decode(metadata: &str, base: i64) -> Option<Completion> {
    let bytes = STANDARD.decode(metadata).ok()?;
    let (encoding, payload) = bytes.split_first()?;
    let unpacked;
    let (encoding, payload) = match encoding {
        b'a' | b's' | b'J' | b'p' | 0xee => {
            unpacked = unpack(payload)?;
            let plain = match encoding {
                b'a' => b'l',
                b's' => b'o',
                b'J' => b'n',
                b'p' => b'e',
                _ => b'L',
            };
            (plain, unpacked.as_slice())
        }
        plain => (*plain, payload),
    };
    let mut map = Completion { open: Vec::new(), end: base };
    let mut cursor = Cursor::new(payload);
    match encoding {
        b'l' => short(&mut cursor).and_then(|bits| bit_set(&mut map, bits, cursor)),
        b'o' => long(&mut cursor).and_then(|bits| bit_set(&mut map, bits, cursor)),
        b'n' => runs(&mut map, cursor, short),
        b'e' => runs(&mut map, cursor, long),
        b'L' => bytewise(&mut map, payload),
        _ => Err(Malformed),
    }
    .ok()?;
    Some(map)
}

fn unpack(payload: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let stream = zstd::stream::read::Decoder::new(payload).ok()?;
    let read = stream.take(UNPACKED_MAX + 1).read_to_end(&mut unpacked).ok()?;
    (read as u64 <= UNPACKED_MAX).then_some(unpacked)
}

/// How many offsets follow.
fn short(cursor: &mut Cursor<'_>) -> Result<i64, Malformed> {
    Some(i64::from(cursor.i16()?)).filter(|count| *count >= 0).ok_or(Malformed)
}

fn long(cursor: &mut Cursor<'_>) -> Result<i64, Malformed> {
    Some(i64::from(cursor.i32()?)).filter(|count| *count >= 0).ok_or(Malformed)
}

impl Completion {
    fn said(&mut self, complete: bool) -> Result<(), Malformed> {
        if !complete {
            self.push(self.end);
        }
        self.end = self.end.checked_add(1).ok_or(Malformed)?;
        Ok(())
    }
}

fn bit_set(map: &mut Completion, bits: i64, mut cursor: Cursor<'_>) -> Result<(), Malformed> {
    let bytes = cursor.take(usize::try_from(bits.div_euclid(8)).map_err(|_| Malformed)?)?;
    let rest = bits.rem_euclid(8);
    let last = if rest > 0 { cursor.u8()? } else { 0 };
    for byte in bytes {
        (0..8).try_for_each(|bit| map.said(byte & (1 << bit) != 0))?;
    }
    (0..rest).try_for_each(|bit| map.said(last & (1 << bit) != 0))
}

fn runs(
    map: &mut Completion,
    mut cursor: Cursor<'_>,
    length: fn(&mut Cursor<'_>) -> Result<i64, Malformed>,
) -> Result<(), Malformed> {
    let base = map.end;
    let mut complete = false;
    while cursor.remaining() > 0 {
        let until = map.end.checked_add(length(&mut cursor)?).ok_or(Malformed)?;
        if until - base > OFFSETS_MAX {
            return Err(Malformed);
        }
        if !complete && until > map.end {
            match map.open.last_mut() {
                Some(last) if last.end == map.end => last.end = until,
                _ => map.open.push(map.end..until),
            }
        }
        map.end = until;
        complete = !complete;
    }
    Ok(())
}

fn bytewise(map: &mut Completion, payload: &[u8]) -> Result<(), Malformed> {
    payload.iter().try_for_each(|byte| map.said(*byte != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(encoding: u8, payload: &[u8], base: i64) -> Option<Completion> {
        decode(&STANDARD.encode([&[encoding], payload].concat()), base)
    }

    /// Offsets 100 and 103 are open, and 105 is the last one that is complete.
    fn example() -> Completion {
        Completion { open: vec![100..101, 103..104], end: 106 }
    }

    #[test]
    fn every_encoding_says_the_same() {
        let packed = |payload: &[u8]| zstd::stream::encode_all(payload, 3).unwrap();
        let short = [0, 1, 0, 2, 0, 1, 0, 2];
        let long = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        for (plain, compressed, payload) in [
            (b'l', b'a', &[0, 6, 0x36, 0][..]),
            (b'o', b's', &[0, 0, 0, 6, 0x36, 0]),
            (b'n', b'J', &short),
            (b'e', b'p', &long),
            (b'L', 0xee, &[0, 1, 1, 0, 1, 1]),
        ] {
            assert_eq!(read(plain, payload, 100), Some(example()), "{}", plain as char);
            assert_eq!(read(compressed, &packed(payload), 100), Some(example()));
        }
        assert_eq!(decode("bAAGNgA=", 100), Some(example()));
        assert_eq!(decode("bwAAAAY2AA==", 100), Some(example()));
    }

    #[test]
    fn whole_bytes_and_runs_that_begin_complete() {
        let all = Completion { open: vec![], end: 16 };
        assert_eq!(read(b'l', &[0, 16, 0xff, 0xff], 0), Some(all.clone()));
        assert_eq!(read(b'n', &[0, 0, 0, 16], 0), Some(all));
        let joined = read(b'n', &[0, 2, 0, 0, 0, 3], 0).unwrap();
        let run = (joined.open[0].start, joined.open[0].end);
        assert_eq!((joined.open.len(), run, joined.end), (1, (0, 5), 5));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in ["", "fb1;t=5;c=00000000", "bAAGNgA", "AQ==", "Ag==", "eA=="] {
            assert_eq!(decode(text, 0), None, "{text}");
        }
        assert_eq!(read(b'l', &[0, 17, 0xff, 0xff], 0), None);
        assert_eq!(read(b'l', &[0xff, 0xff, 0xff], 0), None);
        assert_eq!(read(b'n', &[0, 1, 0], 0), None);
        assert_eq!(read(b'e', &[0x7f, 0xff, 0xff, 0xff], 0), None);
        assert_eq!(read(b's', &[1, 2, 3], 0), None);
        let bomb = zstd::stream::encode_all(&vec![0; 1 << 25][..], 3).unwrap();
        assert!(bomb.len() < 4_096);
        assert_eq!(read(b's', &bomb, 0), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(encoding: u8, payload: Vec<u8>, base: i64) {
            for encoding in [encoding, b'l', b'o', b'n', b'e', b'L', b'a', b's', b'J', b'p'] {
                if let Some(map) = read(encoding, &payload, base) {
                    prop_assert!(map.open.iter().all(|run| base <= run.start && run.end <= map.end));
                }
            }
        }
    }
}
