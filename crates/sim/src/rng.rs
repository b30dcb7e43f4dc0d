//! Chance from a seed, the only source of it in a world: the same seed, the same world, on every
//! machine (P10). It is the core's own, with more ways to ask.

#[derive(Clone, Debug)]
pub(crate) struct Rng(forebay_core::Rng);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(forebay_core::Rng::new(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// Uniform below `bound`; zero where `bound` is.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Spread over the orders of magnitude from `low` to `high`, so that small is as usual as large.
    pub(crate) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let doublings = (high / low.max(1)).max(1).ilog2();
        let top = low.max(1) << self.between(0, u64::from(doublings));
        self.between(low, top.saturating_mul(2).clamp(low, high))
    }

    /// True so many times in a thousand.
    pub(crate) fn odds(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}
