//! How old each connection of an endpoint may become.
//!
//! Behind a balancer, connections are recycled so that new instances get their share. Each one has
//! an age of its own, else all that were opened together would be opened anew together, for ever.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// 2⁶⁴ divided by the golden ratio: its multiples, modulo 2⁶⁴, are spread more evenly than random
/// numbers, however few are taken.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Draws ages between a half of the most and the most.
#[derive(Debug)]
pub(crate) struct Ages {
    most: Option<Duration>,
    place: Cell<u64>,
}

impl Ages {
    /// None: any age will do. Two processes draw other ages.
    pub(crate) fn new(most: Option<Duration>) -> Self {
        Self { most, place: Cell::new(RandomState::new().hash_one(())) }
    }

    pub(crate) fn draw(&self) -> Option<Duration> {
        let most = self.most?;
        self.place.set(self.place.get().wrapping_add(STEP));
        let share = u32::try_from(self.place.get() >> 32).expect("half of the bits");
        Some(most / 2 + (most / 2).mul_f64(f64::from(share) / f64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_lie_between_a_half_and_the_whole_and_are_spread_over_it() {
        let most = Duration::from_secs(100);
        let ages = Ages::new(Some(most));
        for count in [4, 20, 1_000] {
            let mut drawn: Vec<f64> =
                (0..count).map(|_| ages.draw().unwrap().as_secs_f64()).collect();
            drawn.sort_by(f64::total_cmp);
            assert!(drawn[0] >= 50.0 && drawn[count - 1] <= 100.0, "{drawn:?}");
            // In no tenth of the time more than twice its share, and one.
            for tenth in 0..10 {
                let from = 50.0 + 5.0 * f64::from(tenth);
                let within = drawn.iter().filter(|age| (from..from + 5.0).contains(*age)).count();
                assert!(within <= count / 5 + 1, "{within} of {count} from {from}");
            }
        }
        assert_eq!(Ages::new(None).draw(), None);
    }
}
