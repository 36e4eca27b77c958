//! One row of rates, what usage costs by it, and the dearest of several rows.

use super::error::PriceError;
use haltline_types::{NanoUsd, PicoUsd, PicoUsdPerToken, Tokens, Usage};

/// 0.001 USD per million tokens: below this a price is a mistake.
const PLAUSIBLE_MIN: PicoUsdPerToken = PicoUsdPerToken::new(1_000);
/// 1,000 USD per million tokens: above this a price is a mistake.
const PLAUSIBLE_MAX: PicoUsdPerToken = PicoUsdPerToken::new(1_000_000_000);
/// Above this a fee for one request or one use of a tool is a mistake.
pub(super) const FEE_MAX: NanoUsd = NanoUsd::new(10 * NanoUsd::DOLLAR.get());

/// The dearest way in which a request can write to the provider's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheWrites {
    /// Not at all: the provider writes only what is marked, and nothing is.
    None,
    /// For minutes, marked or of the provider's own accord.
    Short,
    /// For an hour or more too.
    Long,
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
    /// Input written to the cache to be kept for an hour or more; as `cache_write` when absent.
    pub cache_write_long: Option<PicoUsdPerToken>,
    /// The dearest of sound, pictures and film as input, where that is dearer than text.
    pub media: Option<PicoUsdPerToken>,
    /// Output, reasoning included.
    pub output: PicoUsdPerToken,
    /// Per request, whatever its size.
    pub request_fee: NanoUsd,
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
            cache_write_long: None,
            media: None,
            output,
            request_fee: NanoUsd::ZERO,
        }
    }

    /// Every rate replaced by what `change` makes of it; `None` when one cannot be changed.
    #[must_use]
    pub fn map(&self, change: impl Fn(PicoUsdPerToken) -> Option<PicoUsdPerToken>) -> Option<Self> {
        let optional = |rate: Option<PicoUsdPerToken>| rate.map_or(Some(None), |rate| change(rate).map(Some));
        Some(Self {
            input: change(self.input)?,
            cached_input: optional(self.cached_input)?,
            cache_write: optional(self.cache_write)?,
            cache_write_long: optional(self.cache_write_long)?,
            media: optional(self.media)?,
            output: change(self.output)?,
            ..*self
        })
    }

    /// What one token written to the cache for long costs.
    #[must_use]
    pub fn long_write(&self) -> PicoUsdPerToken {
        self.cache_write_long.or(self.cache_write).unwrap_or(self.input)
    }

    pub(super) fn applies(&self, prompt: Tokens) -> bool {
        self.over_prompt_tokens < prompt || self.over_prompt_tokens == Tokens::ZERO
    }

    /// No report tells the tokens of media from those of text, in a cache neither.
    pub(super) fn with_media(&self) -> Self {
        let Some(media) = self.media else { return *self };
        let dearer = |rate: PicoUsdPerToken| rate.max(media);
        Self {
            input: dearer(self.input),
            cached_input: self.cached_input.map(dearer),
            cache_write: self.cache_write.map(dearer),
            cache_write_long: self.cache_write_long.map(dearer),
            ..*self
        }
    }

    pub(super) fn with_writes(&self, most: CacheWrites) -> Self {
        match most {
            CacheWrites::Long => *self,
            // Without a rate of its own a long one would cost as much as a short one.
            CacheWrites::Short => Self { cache_write_long: None, ..*self },
            CacheWrites::None => Self { cache_write: None, cache_write_long: None, ..*self },
        }
    }

    /// A report whose parts are more than its input is charged by its parts.
    pub(super) fn cost(&self, usage: &Usage) -> Option<PicoUsd> {
        let (long, written) = (usage.cache_write_long, usage.cache_write.max(usage.cache_write_long));
        let plain = usage.input.saturating_sub(usage.cached_input).saturating_sub(written);
        let cached = self.cached_input.unwrap_or(self.input).cost(usage.cached_input)?;
        let short = self.cache_write.unwrap_or(self.input).cost(written.saturating_sub(long))?;
        self.input
            .cost(plain)?
            .checked_add(cached)?
            .checked_add(short)?
            .checked_add(self.long_write().cost(long)?)?
            .checked_add(self.output.cost(usage.output)?)?
            .checked_add(pico(self.request_fee)?)
    }

    fn check(&self, no_output: bool) -> Result<(), PriceError> {
        let token_rates = [Some(self.input), Some(self.output).filter(|_| !no_output)];
        let other_rates = [self.cached_input, self.cache_write, self.cache_write_long, self.media];
        for rate in token_rates.into_iter().chain(other_rates).flatten() {
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
    pub(super) fn of(row: &Rates) -> Self {
        let cached = row.cached_input.unwrap_or(row.input);
        let written = row.cache_write.unwrap_or(row.input).max(row.long_write());
        Self { input: row.input.max(cached).max(written), output: row.output, request_fee: row.request_fee }
    }

    pub(super) fn max(self, other: Self) -> Self {
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

/// A schedule has one row for every length of prompt, each of them plausible.
pub(super) fn check_rows(rows: &[Rates], no_output: bool) -> Result<(), PriceError> {
    check_thresholds(rows)?;
    rows.iter().try_for_each(|row| row.check(no_output))
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
