//! Chance, from a seed that is part of the state: the same inputs give the same outputs (P10).
//!
//! SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, good enough for jitter and for
//! choosing endpoints, and not for secrets.

use core::time::Duration;

/// A source of chance.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform below `bound`, which is not zero; the bias of a 64-bit product is below 2⁻³².
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Uniform between nothing and `limit`.
    pub(crate) fn up_to(&mut self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX - 1);
        let chosen = (u128::from(self.next()) * (u128::from(micros) + 1)) >> 64;
        Duration::from_micros(chosen as u64)
    }
}
