//! What usage costs at a price, and the most that it can cost. Which price belongs to which model
//! is the catalogue's matter.

use haltline_types::{NanoUsd, PicoUsd, PicoUsdPerToken, Tokens, Usage};
use std::fmt;

/// 0.001 USD per million tokens: below this a price is a mistake.
const PLAUSIBLE_MIN: PicoUsdPerToken = PicoUsdPerToken::new(1_000);
/// 1,000 USD per million tokens: above this a price is a mistake.
const PLAUSIBLE_MAX: PicoUsdPerToken = PicoUsdPerToken::new(1_000_000_000);
/// Above this a fee per request is a mistake.
const FEE_MAX: NanoUsd = NanoUsd::new(10 * NanoUsd::DOLLAR.get());

/// What one model costs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Price {
    /// What is charged, by length of the prompt.
    pub settle: Vec<Rates>,
    /// The dearest that may apply (price changes under way, doubtful sources), by length of the
    /// prompt. Added to `settle`, so it may be empty.
    pub ceiling: Vec<Rates>,
    /// The longest input that the provider takes.
    pub max_input: Option<Tokens>,
    /// The longest output that the model gives.
    pub max_output: Option<Tokens>,
    /// Costs nothing: one's own machine. Then there are no rates.
    pub free: bool,
}

/// Rates for prompts longer than a number of tokens. They apply to *all* tokens of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Applies when the prompt has more tokens than this; 0 is the base row.
    pub over_prompt_tokens: Tokens,
    /// Input that is neither read from nor written to the provider's cache.
    pub input: PicoUsdPerToken,
    /// Input read from the cache; as `input` when absent.
    pub cached_input: Option<PicoUsdPerToken>,
    /// Input written to the cache; as `input` when absent.
    pub cache_write: Option<PicoUsdPerToken>,
    /// Output, reasoning included.
    pub output: PicoUsdPerToken,
    /// Per request, whatever its size.
    pub request_fee: NanoUsd,
}

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

/// Why a price cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceError {
    /// There are no rates, and it is not declared free.
    NoRates,
    /// Declared free, and rates are given.
    FreeWithRates,
    /// No row, or more than one, applies from the first token on.
    NoBaseRow,
    /// Two rows begin at the same length.
    SameThreshold(Tokens),
    /// A price of zero.
    Zero,
    /// Outside 0.001 to 1,000 USD per million tokens.
    Implausible(PicoUsdPerToken),
    /// Output is cheaper than a tenth of input.
    OutputTooCheap,
    /// A negative fee, or one above 10 USD.
    ImplausibleFee(NanoUsd),
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRates => write!(f, "there is no price; give `input` and `output`, or `free = true`"),
            Self::FreeWithRates => write!(f, "`free = true` and rates exclude each other"),
            Self::NoBaseRow => write!(f, "exactly one row of rates must apply from the first token on"),
            Self::SameThreshold(at) => write!(f, "two rows of rates begin above {at}"),
            Self::Zero => write!(f, "a price of zero is refused; write `free = true` if it costs nothing"),
            Self::Implausible(rate) => {
                write!(f, "{} picodollars per token is outside 0.001 to 1,000 USD per million tokens", rate.get())
            }
            Self::OutputTooCheap => write!(f, "output is cheaper than a tenth of input"),
            Self::ImplausibleFee(fee) => write!(f, "a fee of {fee} per request is outside $0 to $10"),
        }
    }
}

impl std::error::Error for PriceError {}

impl Price {
    /// A price that is one row for all lengths, without cache rates or fee.
    #[must_use]
    pub fn flat(input: PicoUsdPerToken, output: PicoUsdPerToken) -> Self {
        Self { settle: vec![Rates::flat(input, output)], ..Self::default() }
    }

    /// Free of charge.
    #[must_use]
    pub fn free() -> Self {
        Self { free: true, ..Self::default() }
    }

    /// What `usage` costs, rounded up once. `None` when there is no rate or it does not fit.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        self.cost_times(usage, Multiplier::ONE)
    }

    /// What `usage` costs times a factor, rounded up once more before that.
    #[must_use]
    pub fn cost_times(&self, usage: &Usage, multiplier: Multiplier) -> Option<NanoUsd> {
        if self.free {
            return Some(NanoUsd::ZERO);
        }
        multiplier.of(self.settle_row(usage.input)?.cost(usage)?)?.ceil_nano()
    }

    /// The most that so much input and output can cost. `None` when there is no rate or it does
    /// not fit. Never falls when either grows.
    #[must_use]
    pub fn ceiling(&self, input: Tokens, output: Tokens) -> Option<NanoUsd> {
        self.ceiling_times(input, output, Multiplier::ONE)
    }

    /// The most that so much input and output can cost, times a factor.
    #[must_use]
    pub fn ceiling_times(&self, input: Tokens, output: Tokens, multiplier: Multiplier) -> Option<NanoUsd> {
        if self.free {
            return Some(NanoUsd::ZERO);
        }
        multiplier.of(self.dearest(input)?.cost(input, output)?)?.ceil_nano()
    }

    /// The dearest of every rate that can apply to a prompt of at most `input` tokens.
    #[must_use]
    pub fn dearest(&self, input: Tokens) -> Option<Dearest> {
        let applies = |row: &&Rates| row.over_prompt_tokens < input || row.over_prompt_tokens == Tokens::ZERO;
        self.settle.iter().chain(&self.ceiling).filter(applies).map(Dearest::of).reduce(Dearest::max)
    }

    /// Is the price fit to hold and settle money by?
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), PriceError> {
        if self.free {
            let empty = self.settle.is_empty() && self.ceiling.is_empty();
            return if empty { Ok(()) } else { Err(PriceError::FreeWithRates) };
        }
        if self.settle.is_empty() {
            return Err(PriceError::NoRates);
        }
        check_thresholds(&self.settle)?;
        if !self.ceiling.is_empty() {
            check_thresholds(&self.ceiling)?;
        }
        let no_output = self.max_output == Some(Tokens::ZERO);
        self.settle.iter().chain(&self.ceiling).try_for_each(|row| row.check(no_output))
    }

    fn settle_row(&self, prompt: Tokens) -> Option<&Rates> {
        let applies = |row: &&Rates| row.over_prompt_tokens < prompt || row.over_prompt_tokens == Tokens::ZERO;
        self.settle.iter().filter(applies).max_by_key(|row| row.over_prompt_tokens)
    }
}

impl Rates {
    /// A base row without cache rates or fee.
    #[must_use]
    pub const fn flat(input: PicoUsdPerToken, output: PicoUsdPerToken) -> Self {
        Self {
            over_prompt_tokens: Tokens::ZERO,
            input,
            cached_input: None,
            cache_write: None,
            output,
            request_fee: NanoUsd::ZERO,
        }
    }

    /// A report whose parts are more than its input is charged by its parts.
    fn cost(&self, usage: &Usage) -> Option<PicoUsd> {
        let plain = usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
        let cached = self.cached_input.unwrap_or(self.input).cost(usage.cached_input)?;
        let written = self.cache_write.unwrap_or(self.input).cost(usage.cache_write)?;
        self.input
            .cost(plain)?
            .checked_add(cached)?
            .checked_add(written)?
            .checked_add(self.output.cost(usage.output)?)?
            .checked_add(pico(self.request_fee)?)
    }

    fn check(&self, no_output: bool) -> Result<(), PriceError> {
        let token_rates = [Some(self.input), Some(self.output).filter(|_| !no_output)];
        let cache_rates = [self.cached_input, self.cache_write];
        for rate in token_rates.into_iter().chain(cache_rates).flatten() {
            if rate.get() == 0 {
                return Err(PriceError::Zero);
            }
            if rate > PLAUSIBLE_MAX {
                return Err(PriceError::Implausible(rate));
            }
        }
        // Cache reads are allowed to be cheaper than any input.
        for rate in token_rates.into_iter().flatten() {
            if rate < PLAUSIBLE_MIN {
                return Err(PriceError::Implausible(rate));
            }
        }
        if !no_output && self.output.get() < self.input.get() / 10 {
            return Err(PriceError::OutputTooCheap);
        }
        if self.request_fee < NanoUsd::ZERO || self.request_fee > FEE_MAX {
            return Err(PriceError::ImplausibleFee(self.request_fee));
        }
        Ok(())
    }
}

/// The dearest rates that can apply together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dearest {
    /// Of all ways to charge an input token.
    pub input: PicoUsdPerToken,
    /// Of output.
    pub output: PicoUsdPerToken,
    /// Of the fee per request.
    pub request_fee: NanoUsd,
}

impl Dearest {
    fn of(row: &Rates) -> Self {
        let cached = row.cached_input.unwrap_or(row.input);
        let written = row.cache_write.unwrap_or(row.input);
        Self { input: row.input.max(cached).max(written), output: row.output, request_fee: row.request_fee }
    }

    fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            request_fee: self.request_fee.max(other.request_fee),
        }
    }

    /// The cost before the one rounding; `None` when it does not fit.
    #[must_use]
    pub fn cost(&self, input: Tokens, output: Tokens) -> Option<PicoUsd> {
        self.input.cost(input)?.checked_add(self.output.cost(output)?)?.checked_add(pico(self.request_fee)?)
    }
}

fn pico(fee: NanoUsd) -> Option<PicoUsd> {
    u128::try_from(fee.get()).ok().map(|nano| PicoUsd::new(nano * 1000))
}

fn check_thresholds(rows: &[Rates]) -> Result<(), PriceError> {
    let mut thresholds: Vec<Tokens> = rows.iter().map(|row| row.over_prompt_tokens).collect();
    thresholds.sort_unstable();
    if thresholds.first() != Some(&Tokens::ZERO) || thresholds.get(1) == Some(&Tokens::ZERO) {
        return Err(PriceError::NoBaseRow);
    }
    match thresholds.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PriceError::SameThreshold(pair[0])),
        None => Ok(()),
    }
}
