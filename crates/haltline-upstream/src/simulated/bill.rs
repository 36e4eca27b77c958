//! What the simulated provider bills: its own sums, made without the ledger's code.

use haltline_types::{NanoUsd, PicoUsd, PicoUsdPerToken, Tokens};
use parking_lot::Mutex;

/// What the simulated provider asks per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SimulatedPrices {
    /// Per token of input.
    pub input: PicoUsdPerToken,
    /// Per token of output.
    pub output: PicoUsdPerToken,
}

/// A provider's bill. Sums that do not fit stay at their largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SimulatedBill {
    /// Calls that arrived.
    pub calls: u64,
    /// Calls that were answered with a success.
    pub answered: u64,
    /// Input tokens billed.
    pub input: Tokens,
    /// Output tokens billed: in a stream those that were taken, whoever listened.
    pub output: Tokens,
    /// What all of that costs, rounded up once.
    pub billed: NanoUsd,
}

#[derive(Debug)]
pub(super) struct Till {
    prices: SimulatedPrices,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    calls: u64,
    answered: u64,
    input: Tokens,
    output: Tokens,
}

impl Till {
    pub(super) fn new(prices: SimulatedPrices) -> Self {
        Self { prices, sums: Mutex::default() }
    }

    pub(super) fn count_call(&self) {
        let mut sums = self.sums.lock();
        sums.calls = sums.calls.saturating_add(1);
    }

    pub(super) fn count_answer(&self) {
        let mut sums = self.sums.lock();
        sums.answered = sums.answered.saturating_add(1);
    }

    pub(super) fn charge(&self, input: Tokens, output: Tokens) {
        let mut sums = self.sums.lock();
        sums.input = sums.input.checked_add(input).unwrap_or(Tokens::new(u64::MAX));
        sums.output = sums.output.checked_add(output).unwrap_or(Tokens::new(u64::MAX));
    }

    pub(super) fn bill(&self) -> SimulatedBill {
        let sums = self.sums.lock();
        SimulatedBill {
            calls: sums.calls,
            answered: sums.answered,
            input: sums.input,
            output: sums.output,
            billed: self.cost(&sums).unwrap_or(NanoUsd::new(i64::MAX)),
        }
    }

    fn cost(&self, sums: &Sums) -> Option<NanoUsd> {
        let input = self.prices.input.cost(sums.input)?;
        let output = self.prices.output.cost(sums.output)?;
        PicoUsd::checked_add(input, output)?.ceil_nano()
    }
}
