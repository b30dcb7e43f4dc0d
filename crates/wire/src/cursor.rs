//! A reader over bytes that says "too short" instead of panicking, and Kafka's varints.
//!
//! Lengths are checked against what is left before anything is taken, so a claimed length can
//! never make a caller allocate.

/// The input ended before the field did, or a varint is longer than its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// Unsigned LEB128 of at most 32 bits.
    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.leb128(5)?).map_err(|_| Malformed)
    }

    /// Zigzag varint of at most 32 bits.
    pub(crate) fn varint(&mut self) -> Result<i32, Malformed> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// Zigzag varint of at most 64 bits.
    pub(crate) fn varlong(&mut self) -> Result<i64, Malformed> {
        let raw = self.leb128(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Bytes behind a zigzag varint length; any negative length means null, as in Kafka.
    pub(crate) fn varint_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Unsigned LEB128.
    pub(crate) fn leb128(&mut self, max_bytes: u32) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for i in 0..max_bytes {
            let byte = self.u8()?;
            // The tenth byte of a 64-bit varint has room for one bit only.
            if i == 9 && byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_leb128(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_leb128(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_leb128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_varint_that_does_not_end_in_its_type_is_malformed() {
        assert_eq!(Cursor::new(&[0xff; 5]).unsigned_varint(), Err(Malformed));
        assert_eq!(Cursor::new(&[0xff; 10]).varlong(), Err(Malformed));
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint(), Err(Malformed));
    }

    proptest! {
        #[test]
        fn varints_come_back(small: i32, large: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, small);
            put_varlong(&mut out, large);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.varint(), Ok(small));
            prop_assert_eq!(cursor.varlong(), Ok(large));
            prop_assert_eq!(cursor.remaining(), 0);
        }
    }
}
