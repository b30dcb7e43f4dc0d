//! The outline of a request's bytes, walked before the codec allocates anything for it.
//!
//! The codec reserves memory for as many elements as an array claims to have. A frame of a few
//! bytes could therefore ask for gigabytes. Each API declares the [`Shape`] of its request, and
//! [`check`] promises that every string, array and tagged field lies inside the frame and that
//! all arrays and tags together hold at most [`MAX_ELEMENTS`] elements. Values are not looked at.
//!
//! Encoding rules: Kafka's protocol guide; compact forms and tagged fields: KIP-482.

/// More elements than the largest request that makes sense has (every partition of 250 topics
/// with a thousand partitions each), and few enough to be decoded in memory.
pub(crate) const MAX_ELEMENTS: usize = 250_000;

/// One field: its kind and the first and last request version that carries it.
pub(crate) struct Field(pub(crate) Kind, pub(crate) i16, pub(crate) i16);

pub(crate) type Shape = &'static [Field];

pub(crate) enum Kind {
    /// So many bytes: integers, booleans, UUIDs.
    Fixed(usize),
    /// A string, nullable or not.
    Text,
    /// Bytes, nullable or not; record batches are laid out the same way.
    Bytes,
    /// An array of bare values.
    List(&'static Kind),
    /// An array of structures.
    Array(Shape),
}

/// Last version of a field that was never removed.
pub(crate) const ON: i16 = i16::MAX;

pub(crate) const I8: Kind = Kind::Fixed(1);
pub(crate) const I16: Kind = Kind::Fixed(2);
pub(crate) const I32: Kind = Kind::Fixed(4);
pub(crate) const I64: Kind = Kind::Fixed(8);
pub(crate) const UUID: Kind = Kind::Fixed(16);

/// The frame does not have the shape of the request it says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("request bytes do not fit the request's outline")]
pub(crate) struct Malformed;

/// Walks a whole request body. Bytes behind the last field are allowed, as in Kafka.
pub(crate) fn check(
    body: &[u8],
    shape: Shape,
    version: i16,
    flexible: bool,
) -> Result<(), Malformed> {
    let mut walk = Walk { rest: body, version, flexible, elements: 0 };
    walk.fields(shape)
}

/// Length of the tagged fields that `bytes` begin with.
pub(crate) fn tagged_fields_length(bytes: &[u8]) -> Result<usize, Malformed> {
    let mut walk = Walk { rest: bytes, version: 0, flexible: true, elements: 0 };
    walk.tagged_fields()?;
    Ok(bytes.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn fields(&mut self, shape: Shape) -> Result<(), Malformed> {
        for Field(kind, first, last) in shape {
            if (*first..=*last).contains(&self.version) {
                self.value(kind)?;
            }
        }
        if self.flexible { self.tagged_fields() } else { Ok(()) }
    }

    fn value(&mut self, kind: &Kind) -> Result<(), Malformed> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text if self.flexible => self.compact_blob(),
            Kind::Text => {
                let length = i16::from_be_bytes(self.take::<2>()?);
                self.skip(length_or_null(length.into())?)
            }
            Kind::Bytes if self.flexible => self.compact_blob(),
            Kind::Bytes => {
                let length = i32::from_be_bytes(self.take::<4>()?);
                self.skip(length_or_null(length.into())?)
            }
            Kind::List(element) => (0..self.count()?).try_for_each(|_| self.value(element)),
            Kind::Array(fields) => (0..self.count()?).try_for_each(|_| self.fields(fields)),
        }
    }

    fn compact_blob(&mut self) -> Result<(), Malformed> {
        let length = self.varint()?.saturating_sub(1);
        self.skip(length)
    }

    fn count(&mut self) -> Result<usize, Malformed> {
        let count = if self.flexible {
            self.varint()?.saturating_sub(1)
        } else {
            length_or_null(i32::from_be_bytes(self.take::<4>()?).into())?
        };
        self.admit(count)?;
        Ok(count)
    }

    fn admit(&mut self, count: usize) -> Result<(), Malformed> {
        self.elements = self.elements.saturating_add(count);
        if count > self.rest.len() || self.elements > MAX_ELEMENTS {
            return Err(Malformed);
        }
        Ok(())
    }

    fn tagged_fields(&mut self) -> Result<(), Malformed> {
        let count = self.varint()?;
        self.admit(count)?;
        for _ in 0..count {
            self.varint()?;
            let size = self.varint()?;
            self.skip(size)?;
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<usize, Malformed> {
        let mut value = 0_u32;
        for shift in (0..32).step_by(7) {
            let [byte] = self.take::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| Malformed);
            }
        }
        Err(Malformed)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*head)
    }

    fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(count..).ok_or(Malformed)?;
        Ok(())
    }
}

fn length_or_null(length: i64) -> Result<usize, Malformed> {
    usize::try_from(length.max(0)).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        &[Field(Kind::Array(&[Field(Kind::Text, 0, ON), Field(Kind::List(&I32), 1, ON)]), 0, ON)];

    #[test]
    fn an_array_that_claims_more_than_the_frame_holds_is_refused() {
        assert_eq!(check(&[0x7f, 0xff, 0xff, 0xff, 0, 0], SHAPE, 0, false), Err(Malformed));
        assert_eq!(check(&[0xff, 0xff, 0xff, 0xff, 0x0f], SHAPE, 0, true), Err(Malformed));
    }

    #[test]
    fn nested_structures_are_walked_in_both_encodings() {
        let plain = [0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(check(&plain, SHAPE, 1, false), Ok(()));
        assert_eq!(check(&plain[..14], SHAPE, 1, false), Err(Malformed));
        let compact = [2, 2, b'a', 2, 0, 0, 0, 9, 0, 0];
        assert_eq!(check(&compact, SHAPE, 1, true), Ok(()));
        assert_eq!(check(&compact[..9], SHAPE, 1, true), Err(Malformed));
    }

    #[test]
    fn elements_of_all_arrays_are_bounded_together() {
        let mut body = vec![0, 0, 0, 2];
        for _ in 0..2 {
            body.extend([0, 0]);
            body.extend(u32::to_be_bytes(130_000));
            body.extend(vec![0; 4 * 130_000]);
        }
        assert_eq!(check(&body, SHAPE, 1, false), Err(Malformed));
    }
}
