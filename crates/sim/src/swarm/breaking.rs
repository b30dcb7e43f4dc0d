//! Records that break their service each time that it gets them, as one does that runs it out of
//! memory: its process is gone with all that it was at work on, and another comes after a while.
//!
//! Whether a world has any is drawn apart, so that all others are what they would be without.

use super::{MILLI, Row, SECOND};
use crate::agenda::Micros;
use crate::rng::Rng;

/// How the service breaks in a world, and comes back.
#[derive(Clone, Debug)]
pub struct Breaking {
    /// Nothing else happens to the one endpoint there is, and there is always something new to
    /// send: whose fault it is can be known.
    pub steady: bool,
    /// All endpoints go with the one that got the record.
    pub whole: bool,
    /// How long it is gone at most, and at least half of that.
    pub lasts: Micros,
    /// Chooses the records.
    seed: u64,
}

impl Breaking {
    /// None in most worlds.
    pub(super) fn draw(seed: u64) -> Option<Self> {
        let mut rng = Rng::new(seed ^ 0x6272_6561_6b73_2100);
        rng.odds(30).then(|| Self {
            steady: rng.odds(600),
            whole: rng.odds(500),
            lasts: rng.spread(10 * MILLI, 2 * SECOND),
            seed: rng.next(),
        })
    }

    /// One record or a few, early enough to be sent as often as they may.
    pub(super) fn mark(&self, logs: &mut [Vec<Row>]) {
        let mut rng = Rng::new(self.seed);
        for _ in 0..rng.spread(1, 3) {
            let log = rng.below(logs.len() as u64) as usize;
            let early = logs[log].len().div_ceil(4) as u64;
            if let Some(row) = logs[log].get_mut(rng.below(early) as usize) {
                row.breaks = true;
            }
        }
    }
}
