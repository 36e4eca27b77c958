//! The first sound ceiling of an attempt, from the bytes of its body alone (stage one), and the
//! largest output cap that fits what is left. Exact counts are stage two and lower it later.

pub use crate::measure::{TextMeasure, measure_json, measure_text};
use crate::price::{Multiplier, Price};
use haltline_types::{Demand, NanoUsd, Tokens};
use std::fmt;

/// Added to each choice's cap: providers count stop and format tokens beyond it.
pub const OUTPUT_SLACK: Tokens = Tokens::new(64);
/// No token of a public vocabulary covers more bytes than this (a run of spaces).
pub const BYTES_PER_TOKEN_MAX: u64 = 128;

/// How the measure of a text bounds its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenBound {
    /// The vocabulary is public: a token covers a byte at least.
    Bytes,
    /// It is not (Claude, Grok, gpt-6): 1.25 for each ASCII byte and 1.5 for each other one.
    Unpublished,
}

impl TokenBound {
    /// The bound, rounded up; `None` when it does not fit.
    #[must_use]
    pub fn of(self, text: TextMeasure) -> Option<Tokens> {
        match self {
            Self::Bytes => text.bytes().map(Tokens::new),
            Self::Unpublished => {
                let quarters = text.ascii.checked_mul(5)?.checked_add(text.other.checked_mul(6)?)?;
                Some(Tokens::new(quarters.div_ceil(4)))
            }
        }
    }
}

/// What a provider adds to the text of a request, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Once.
    pub per_request: Tokens,
    /// For each message.
    pub per_message: Tokens,
    /// For each named message.
    pub per_name: Tokens,
    /// Once, when there are tools: their system prompt.
    pub with_tools: Tokens,
    /// For each tool, beyond the bytes of its JSON.
    pub per_tool: Tokens,
    /// For each image whose size is not known.
    pub per_image: Tokens,
}

impl Framing {
    /// OpenAI. An image: a patch model at most detail takes 30,000 patches, times 1.62; a tile
    /// model at its dearest (2,833 and 8 tiles of 5,667) stays below.
    pub const OPENAI: Self = Self {
        per_request: Tokens::new(16),
        per_message: Tokens::new(8),
        per_name: Tokens::new(1),
        with_tools: Tokens::ZERO,
        per_tool: Tokens::new(16),
        per_image: Tokens::new(48_600),
    };
    /// Servers that speak OpenAI's dialect: any chat template (the longest known adds 222 tokens)
    /// and a tool prompt on top.
    pub const OPENAI_COMPATIBLE: Self = Self {
        per_request: Tokens::new(256),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(1_024),
        per_tool: Tokens::new(16),
        per_image: Tokens::new(48_600),
    };
    /// Anthropic. The tool prompt was 804 tokens at most, and has grown before.
    pub const ANTHROPIC: Self = Self {
        per_request: Tokens::new(16),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(1_024),
        per_tool: Tokens::new(16),
        per_image: Tokens::new(4_784),
    };
    /// Gemini at the highest media resolution.
    pub const GOOGLE: Self = Self {
        per_request: Tokens::new(16),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(1_024),
        per_tool: Tokens::new(16),
        per_image: Tokens::new(2_240),
    };

    fn of(&self, input: &QuoteInput<'_>) -> Option<Tokens> {
        let times = |each: Tokens, count: u32| each.checked_mul(u64::from(count));
        let with_tools = if input.tools > 0 { self.with_tools } else { Tokens::ZERO };
        self.per_request
            .checked_add(times(self.per_message, input.messages)?)?
            .checked_add(times(self.per_name, input.names)?)?
            .checked_add(with_tools)?
            .checked_add(times(self.per_tool, input.tools)?)?
            .checked_add(times(self.per_image, input.images)?)?
            .checked_add(Tokens::new(u64::from(input.segments)))
    }
}

/// What a ceiling is computed from.
#[derive(Clone, Copy, Debug)]
pub struct QuoteInput<'a> {
    /// The whole JSON body, by `measure_json`; image data that stands in it may be left out if it
    /// is counted among `images`.
    pub text: TextMeasure,
    /// Messages or input items, the system prompt included.
    pub messages: u32,
    /// Tool definitions.
    pub tools: u32,
    /// Images, however given.
    pub images: u32,
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
    let bound = text.checked_add(framing).ok_or(QuoteError::Overflow)?;
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
