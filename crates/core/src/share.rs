//! Bounds that several consumers of one subscription keep together: each has a part, and the parts
//! sum up to the whole (P3).
//!
//! A part is fixed, whatever the others need: consumers do not know each other. What is a bound of
//! one partition is not divided, for a partition is one consumer's.

use crate::rules::Rules;

/// One of several parts, as equal as whole numbers can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: usize,
    parts: usize,
}

impl Share {
    pub const WHOLE: Self = Self { index: 0, parts: 1 };

    /// # Panics
    /// Where there is no such part.
    pub const fn new(index: usize, parts: usize) -> Self {
        assert!(index < parts, "parts are counted from 0");
        Self { index, parts }
    }

    /// What this part has of a whole; nothing where there is less than one for each.
    pub const fn of(self, whole: usize) -> usize {
        let rest = whole % self.parts;
        whole / self.parts + if self.index < rest { 1 } else { 0 }
    }
}

impl Rules {
    /// One consumer's part of these rules.
    #[must_use]
    pub fn share(&self, share: Share) -> Self {
        Self {
            in_flight: share.of(self.in_flight),
            in_flight_max: share.of(self.in_flight_max),
            rate_max: self.rate_max.map(|rate| share.of(rate as usize) as u32),
            records_max: share.of(self.records_max),
            bytes_max: share.of(self.bytes_max),
            given_up_free: share.of(self.given_up_free),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;
    use crate::subscription::tests::rules;

    proptest! {
        #[test]
        fn the_parts_of_every_bound_are_the_whole(
            parts in 1_usize..=64,
            [first, more, records, bytes, rate, free] in
                proptest::array::uniform6(0..5_000_usize),
        ) {
            let whole = Rules {
                in_flight: parts + first,
                in_flight_max: parts + first + more,
                records_max: parts + records,
                bytes_max: parts + bytes,
                rate_max: Some((parts + rate) as u32),
                given_up_free: free,
                ..rules()
            };
            let shares: Vec<Rules> =
                (0..parts).map(|index| whole.share(Share::new(index, parts))).collect();
            let sum = |read: fn(&Rules) -> usize| shares.iter().map(read).sum::<usize>();
            prop_assert_eq!(sum(|part| part.in_flight), whole.in_flight);
            prop_assert_eq!(sum(|part| part.in_flight_max), whole.in_flight_max);
            prop_assert_eq!(sum(|part| part.records_max), whole.records_max);
            prop_assert_eq!(sum(|part| part.bytes_max), whole.bytes_max);
            prop_assert_eq!(sum(|part| part.given_up_free), whole.given_up_free);
            prop_assert_eq!(sum(|part| part.rate_max.unwrap() as usize), parts + rate);
            for part in &shares {
                // What may begin may be reached, and nobody is left with nothing.
                prop_assert!((1..=part.in_flight_max).contains(&part.in_flight));
                prop_assert!(part.records_max > 0 && part.bytes_max > 0);
                prop_assert!(part.rate_max > Some(0));
                prop_assert_eq!(part.window_max, whole.window_max);
            }
        }
    }

    #[test]
    fn no_cap_stays_none_and_the_whole_stays_whole() {
        let whole = rules();
        assert_eq!(whole.share(Share::new(1, 3)).rate_max, None);
        assert_eq!(whole.share(Share::WHOLE).records_max, whole.records_max);
    }
}
