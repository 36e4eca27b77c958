//! Quote: the most that the next attempt can be billed. The arithmetic is `policy::quote`'s; here
//! it meets the request and the endpoint.

use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::route::Routed;
use crate::problem::Problem;
use crate::settings::ProviderKind;
use haltline_policy::media::{Detail, ImageRule, Pixels, image_rule, image_tokens};
use haltline_policy::meter::Pieces;
use haltline_policy::price::{Multiplier, Price};
use haltline_policy::quote::{self, Framing, Quote, QuoteError, QuoteInput, TextMeasure, TokenBound, measure_json};
use haltline_policy::vendor::Vendor;
use haltline_types::{Code, Demand, Tokens};
use haltline_wire::media::{self, DetailWord, MediumKind};

/// A request measured once, however many attempts it takes.
pub(crate) struct Measured {
    text: TextMeasure,
    segments: u32,
    messages: u32,
    tools: u32,
    images: Vec<(Option<Pixels>, Detail)>,
    names: u32,
    n: u32,
    client_cap: Option<Tokens>,
    default_cap: Tokens,
}

impl Measured {
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let measure = request.asked.measure();
        // All bytes that are sent bound all text there is, framing included. Only an image's data
        // is no text: then what a model may read is counted, and every member of the JSON as a
        // text that a vocabulary may add a token to.
        let body = request.body();
        let (text, segments) = match std::str::from_utf8(body) {
            Ok(body) if measure.images == 0 => (measure_json(body), 0),
            _ => {
                let members = body.iter().filter(|byte| **byte == b':').count();
                let text = TextMeasure { ascii: measure.ascii_bytes, other: measure.other_bytes_decomposed };
                (text, u32::try_from(members).unwrap_or(u32::MAX))
            }
        };
        Ok(Self {
            text,
            segments,
            messages: measure.messages,
            tools: measure.tools,
            images: images(body, measure.images)?,
            names: measure.names,
            n: request.asked.n(),
            client_cap: request.asked.client_cap(),
            default_cap: request.default_cap,
        })
    }

    fn media_tokens(&self, rule: ImageRule) -> Option<Tokens> {
        let each = self.images.iter().map(|(size, detail)| image_tokens(rule, *size, *detail));
        each.into_iter().try_fold(Tokens::ZERO, Tokens::checked_add)
    }
}

/// The images of the body, as many as the dialect has counted: those that were not found, or whose
/// size is not known, are as large as can be.
fn images(body: &[u8], counted: u32) -> Result<Vec<(Option<Pixels>, Detail)>, Problem> {
    let counted = usize::try_from(counted).unwrap_or(usize::MAX);
    if counted == 0 {
        return Ok(Vec::new());
    }
    let mut images = Vec::new();
    for medium in media::find(body) {
        let MediumKind::Image { size, detail } = medium.kind else { continue };
        let size =
            size.map_err(|error| Problem::new(Code::InvalidRequest, format!("An image cannot be accepted: {error}.")))?;
        let detail = match detail {
            DetailWord::Low => Detail::Low,
            DetailWord::High => Detail::High,
            DetailWord::Unsaid => Detail::Unsaid,
        };
        images.push((size.map(|size| Pixels { width: size.width, height: size.height }), detail));
    }
    if images.len() < counted {
        images.resize(counted, (None, Detail::Unsaid));
    }
    Ok(images)
}

/// A price and what may be asked at it.
pub(crate) struct Quoted<'a> {
    pub(crate) quote: Quote,
    /// The ceiling before a quarantine raised it.
    pub(crate) base: Demand,
    pub(crate) price: &'a Price,
    pub(crate) n: u32,
    pub(crate) pieces: Pieces,
    input: QuoteInput<'a>,
}

/// Computes the ceiling at the endpoint.
pub(crate) fn quote<'a>(
    gateway: &Gateway,
    live: &'a Live,
    routed: &Routed,
    measured: &Measured,
) -> Result<Quoted<'a>, Problem> {
    let endpoint = &routed.endpoint;
    let Some(price) = live.settings.prices.get(endpoint) else {
        return Err(Problem::new(
            Code::UnpricedModel,
            format!("`{endpoint}` has no price, so its cost cannot be bounded."),
        )
        .about("model"));
    };
    let kind = live
        .settings
        .providers
        .get(&endpoint.provider)
        .map_or(ProviderKind::OpenAiCompatible, |provider| provider.kind);
    let (vendor, pieces) = match kind {
        ProviderKind::OpenAi | ProviderKind::Simulated => (Vendor::OpenAi, Pieces::WholeTokens),
        ProviderKind::Azure => (Vendor::OpenAi, Pieces::PartsOfTokens),
        ProviderKind::Anthropic => (Vendor::Anthropic, Pieces::PartsOfTokens),
        ProviderKind::Google => (Vendor::Google, Pieces::PartsOfTokens),
        ProviderKind::Mistral => (Vendor::Mistral, Pieces::PartsOfTokens),
        ProviderKind::OpenAiCompatible => (Vendor::Other, Pieces::PartsOfTokens),
    };
    let (bound, framing) = match kind {
        // It counts bytes, whatever the model is called.
        ProviderKind::Simulated => (TokenBound::Bytes, Framing::OPENAI),
        _ => vendor.bounds(&endpoint.model),
    };
    let media_tokens =
        measured.media_tokens(image_rule(vendor, &endpoint.model)).ok_or_else(|| refuse(&QuoteError::Overflow))?;
    let input = QuoteInput {
        text: measured.text,
        messages: measured.messages,
        tools: measured.tools,
        media_tokens,
        names: measured.names,
        segments: measured.segments,
        n: measured.n,
        client_cap: measured.client_cap,
        default_cap: measured.default_cap,
        price,
        bound,
        framing,
        multiplier: Multiplier::ONE,
        exact: None,
    };
    let quote = quote::quote(&input).map_err(|error| refuse(&error))?;
    let mut quoted = Quoted { quote, base: quote.ceiling, price, n: measured.n, pieces, input };
    quoted.raise(gateway, routed)?;
    Ok(quoted)
}

impl Quoted<'_> {
    /// The quote at the largest cap whose ceiling fits, not below `minimum`.
    pub(crate) fn lowered(
        &self,
        gateway: &Gateway,
        routed: &Routed,
        fits_usd: Option<haltline_types::NanoUsd>,
        fits_tokens: Option<Tokens>,
        minimum: Tokens,
    ) -> Option<Quote> {
        // A quarantined endpoint keeps its raised ceiling or is refused: its cap has proved nothing.
        if gateway.quarantine.holds(&routed.endpoint) {
            return None;
        }
        quote::lower_cap(&self.input, fits_usd, fits_tokens, minimum)
    }

    fn raise(&mut self, gateway: &Gateway, routed: &Routed) -> Result<(), Problem> {
        let overflow = || refuse(&QuoteError::Overflow);
        let ceiling = &mut self.quote.ceiling;
        ceiling.usd = gateway.quarantine.raise(&routed.endpoint, ceiling.usd).ok_or_else(overflow)?;
        ceiling.tokens = gateway.quarantine.raise_tokens(&routed.endpoint, ceiling.tokens).ok_or_else(overflow)?;
        Ok(())
    }
}

fn refuse(error: &QuoteError) -> Problem {
    match error {
        QuoteError::InputAboveContext { .. } => {
            Problem::new(Code::ContextLengthExceeded, format!("The input is longer than the model's context: {error}."))
        }
        QuoteError::Unpriced => {
            Problem::new(Code::UnpricedModel, "The model has no price, so its cost cannot be bounded.")
        }
        QuoteError::Overflow => {
            Problem::new(Code::InvalidRequest, "The request's cost cannot be bounded: a number in it is too large.")
        }
    }
}
