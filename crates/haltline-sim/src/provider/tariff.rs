//! What a simulated provider asks, and what was used. Integers, and no code of the ledger's or the
//! gateway's: this is the other side's arithmetic.

use haltline_policy::price::{Price, Rates};
use haltline_types::{PicoUsdPerToken, Tokens};

/// A provider's published prices for one model, in picodollars per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// Input that is not read from its cache.
    pub input: u64,
    /// Input read from its cache.
    pub cached: u64,
    /// Output.
    pub output: u64,
}

/// What one attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Used {
    /// All input.
    pub input: u64,
    /// The part of it that came from the cache.
    pub cached: u64,
    /// All output, that nobody sees included.
    pub output: u64,
}

impl Tariff {
    /// What `used` costs, in picodollars.
    #[must_use]
    pub fn pico(&self, used: &Used) -> u128 {
        let plain = used.input.saturating_sub(used.cached);
        u128::from(plain) * u128::from(self.input)
            + u128::from(used.cached) * u128::from(self.cached)
            + u128::from(used.output) * u128::from(self.output)
    }

    /// What `used` costs, in nanodollars, a part of one counted as a whole.
    #[must_use]
    pub fn nano(&self, used: &Used) -> i64 {
        i64::try_from(self.pico(used).div_ceil(1_000)).unwrap_or(i64::MAX)
    }

    /// The price that an operator writes down for it.
    #[must_use]
    pub fn price(&self) -> Price {
        let rate = PicoUsdPerToken::new;
        let rates = Rates { cached_input: Some(rate(self.cached)), ..Rates::flat(rate(self.input), rate(self.output)) };
        Price { settle: vec![rates], max_output: Some(Tokens::new(16_384)), ..Price::default() }
    }
}

impl Used {
    /// Input and output together.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input + self.output
    }
}
