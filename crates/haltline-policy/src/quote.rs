//! The ceiling of an attempt, and the largest output cap that fits what is left.
//!
//! Stage one knows the bytes of the body alone and costs nothing. Stage two adds an exact count of
//! tokens, which takes time and is worth it only where stage one does not fit a budget or would
//! lower the cap; it can lower a ceiling and never raise it. Counting is done elsewhere.

pub use crate::framing::{ExactInput, Framing, TokenBound, counted_bound};
pub use crate::measure::{TextMeasure, measure_json, measure_json_bytes, measure_text};
use crate::price::{Multiplier, Price};
use haltline_types::{Demand, NanoUsd, Tokens};
use std::fmt;

/// Added to each choice's cap: providers count stop and format tokens beyond it.
pub const OUTPUT_SLACK: Tokens = Tokens::new(64);
/// No token of a public vocabulary covers more bytes than this (a run of spaces).
pub const BYTES_PER_TOKEN_MAX: u64 = 128;

/// What a ceiling is computed from.
#[derive(Clone, Copy, Debug)]
pub struct QuoteInput<'a> {
    /// The whole JSON body, by `measure_json` or `measure_json_bytes`; the data of media that stands in it may be left out
    /// if it is counted in `media_tokens`.
    pub text: TextMeasure,
    /// Messages or input items, the system prompt included.
    pub messages: u32,
    /// Tool definitions.
    pub tools: u32,
    /// The most that all images, pages and recordings can take (`crate::media`).
    pub media_tokens: Tokens,
    /// Messages with a name.
    pub names: u32,
    /// Texts that are tokenized apart; some vocabularies add one token to each.
    pub segments: u32,
    /// Choices asked for; 0 counts as 1.
    pub n: u32,
    /// The client's output cap for each choice.
    pub client_cap: Option<Tokens>,
    /// The cap when the client gives none.
    pub default_cap: Tokens,
    /// The endpoint's price.
    pub price: &'a Price,
    /// How text bounds tokens there.
    pub bound: TokenBound,
    /// What is added there.
    pub framing: Framing,
    /// What the region adds there.
    pub multiplier: Multiplier,
    /// What an exact count found; `None` in stage one.
    pub exact: Option<ExactInput>,
    /// What the provider's own count puts all input at, by `counted_bound`: framing, tools and
    /// media are in it. `None` where nobody was asked.
    pub counted: Option<Tokens>,
}

impl QuoteInput<'_> {
    /// The same with an exact count: what stage two is computed from. `quote`, `quote_at` and
    /// `lower_cap` take it like any other.
    #[must_use]
    pub const fn with_exact(self, exact: ExactInput) -> Self {
        Self { exact: Some(exact), ..self }
    }
}

/// A ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The most input that can be billed.
    pub input: Tokens,
    /// The output cap of each choice, to be written into the request.
    pub cap: Tokens,
    /// The most output that can be billed: all choices, slack included.
    pub output: Tokens,
    /// What has to be held. `retries` is 0: the line knows whether it repeats.
    pub ceiling: Demand,
}

/// Why there is no ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteError {
    /// A number does not fit.
    Overflow,
    /// The endpoint has no price.
    Unpriced,
    /// The input cannot fit the model's context, whatever its tokens are.
    InputAboveContext {
        /// Fewer tokens it cannot have.
        at_least: Tokens,
        /// The model takes so many.
        max_input: Tokens,
    },
}

impl fmt::Display for QuoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => write!(f, "the cost of the request cannot be computed: a number is too large"),
            Self::Unpriced => write!(f, "the model has no price"),
            Self::InputAboveContext { at_least, max_input } => {
                write!(f, "the input has at least {at_least}; the model takes {max_input}")
            }
        }
    }
}

impl std::error::Error for QuoteError {}

/// The ceiling at the cap that the client asked for, the default if it named none, in either case
/// not more than the model gives.
///
/// # Errors
/// When there is no ceiling.
pub fn quote(request: &QuoteInput<'_>) -> Result<Quote, QuoteError> {
    quote_at(request, asked_cap(request))
}

/// Stage two: the ceiling at the cap that is asked for, with an exact count of the input. Never
/// above `quote` of the same request.
///
/// # Errors
/// When there is no ceiling.
pub fn tighter(request: &QuoteInput<'_>, exact: ExactInput) -> Result<Quote, QuoteError> {
    quote(&request.with_exact(exact))
}

/// The ceiling at a given cap.
///
/// # Errors
/// When there is no ceiling.
pub fn quote_at(request: &QuoteInput<'_>, cap: Tokens) -> Result<Quote, QuoteError> {
    let input = input_bound(request)?;
    let output = output_bound(request, cap).ok_or(QuoteError::Overflow)?;
    let tokens = input.checked_add(output).ok_or(QuoteError::Overflow)?;
    if !request.price.free && request.price.settle.is_empty() {
        return Err(QuoteError::Unpriced);
    }
    let usd = request.price.ceiling_times(input, output, request.multiplier).ok_or(QuoteError::Overflow)?;
    Ok(Quote { input, cap, output, ceiling: Demand { usd, tokens, requests: 1, retries: 0 } })
}

/// The quote at the largest cap whose ceiling fits the money and tokens that are left (`None` =
/// no such limit). The cap is never above the one asked for, and never below `minimum` unless
/// less was asked for; `None` when no such cap fits.
#[must_use]
pub fn lower_cap(
    request: &QuoteInput<'_>,
    fits_usd: Option<NanoUsd>,
    fits_tokens: Option<Tokens>,
    minimum: Tokens,
) -> Option<Quote> {
    let asked = asked_cap(request);
    let input = input_bound(request).ok()?;
    let mut output = u64::MAX;
    if let Some(left) = fits_tokens {
        output = output.min(left.get().checked_sub(input.get())?);
    }
    if let Some(left) = fits_usd
        && !request.price.free
    {
        output = output.min(output_for(request, input, left)?);
    }
    let slack = slack_of(request).get();
    let cap = (output / choices(request)).checked_sub(slack).map(Tokens::new)?.min(asked);
    if cap < minimum.min(asked) {
        return None;
    }
    quote_at(request, cap).ok()
}

/// The cap that is asked for.
#[must_use]
pub fn asked_cap(request: &QuoteInput<'_>) -> Tokens {
    let cap = request.client_cap.unwrap_or(request.default_cap);
    request.price.max_output.map_or(cap, |most| cap.min(most))
}

/// How much output so much money pays for beyond the input: the ceiling's formula solved for
/// output. Both roundings of the formula go up, so both divisions here go down.
fn output_for(request: &QuoteInput<'_>, input: Tokens, left: NanoUsd) -> Option<u64> {
    let dearest = request.price.dearest(input)?;
    let fixed = dearest.cost(input, Tokens::ZERO)?.get();
    let Multiplier { numerator, denominator } = request.multiplier;
    let pico = u128::try_from(left.get()).ok()?.checked_mul(1000)?;
    let before_factor = pico.checked_mul(u128::from(denominator))?.checked_div(u128::from(numerator))?;
    let for_output = before_factor.checked_sub(fixed)?;
    let tokens = for_output.checked_div(u128::from(dearest.output.get()));
    Some(tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(u64::MAX))
}

fn input_bound(request: &QuoteInput<'_>) -> Result<Tokens, QuoteError> {
    let text = request.bound.of(request.text).ok_or(QuoteError::Overflow)?;
    let framing = request.framing.of(request).ok_or(QuoteError::Overflow)?;
    let stage_one = text.checked_add(framing).ok_or(QuoteError::Overflow)?;
    // A count that does not fit proves nothing, and stage one stands.
    let stage_two = request.exact.and_then(|exact| exact.bound(framing, request.tools > 0));
    let tighter = [stage_two, request.counted].into_iter().flatten();
    let bound = tighter.fold(stage_one, Tokens::min);
    let Some(max_input) = request.price.max_input else { return Ok(bound) };
    let bytes = request.text.bytes().ok_or(QuoteError::Overflow)?;
    let at_least = Tokens::new(bytes / BYTES_PER_TOKEN_MAX);
    if at_least > max_input {
        return Err(QuoteError::InputAboveContext { at_least, max_input });
    }
    // More than that is rejected by the provider before it costs anything.
    Ok(bound.min(max_input))
}

fn output_bound(request: &QuoteInput<'_>, cap: Tokens) -> Option<Tokens> {
    cap.checked_add(slack_of(request))?.checked_mul(choices(request))
}

/// A model that gives no output (embeddings) has no slack either.
fn slack_of(request: &QuoteInput<'_>) -> Tokens {
    if request.price.max_output == Some(Tokens::ZERO) { Tokens::ZERO } else { OUTPUT_SLACK }
}

fn choices(request: &QuoteInput<'_>) -> u64 {
    u64::from(request.n.max(1))
}
