//! A factor on a cost: what a regional endpoint adds.

use haltline_types::PicoUsd;

/// A factor on the whole cost: 11/10 for a regional endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// Above the line; 0 makes every cost unknown, as nothing becomes free by a factor.
    pub numerator: u32,
    /// Below the line; 0 makes every cost unknown.
    pub denominator: u32,
}

impl Multiplier {
    /// No change.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// The product, rounded up; `None` when it does not fit.
    #[must_use]
    pub fn of(self, cost: PicoUsd) -> Option<PicoUsd> {
        let product = cost.checked_mul(u64::from(self.numerator))?.get();
        (self.numerator > 0 && self.denominator > 0)
            .then(|| PicoUsd::new(product.div_ceil(u128::from(self.denominator))))
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}
