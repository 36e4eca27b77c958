//! Quote: the most that the next attempt can be billed. The arithmetic is `policy::quote`'s; here
//! it meets the request and the endpoint.

use crate::gateway::{Gateway, Live};
use crate::line::accept::{Request, invalid};
use crate::line::cache_writes::cache_writes;
use crate::line::call;
use crate::line::route::Routed;
use crate::line::tighten::Counted;
use crate::problem::Problem;
use crate::settings::ProviderKind;
use haltline_policy::media::{Detail, ImageRule, Pixels, image_rule, image_tokens};
use haltline_policy::meter::Pieces;
use haltline_policy::price::{CacheWrites, Multiplier, Price};
use haltline_policy::quote::{
    self, ExactInput, Framing, Quote, QuoteError, QuoteInput, TextMeasure, TokenBound, measure_json, measure_json_bytes,
};
use haltline_policy::vendor::Vendor;
use haltline_types::{Code, Demand, PicoUsdPerToken, Timestamp, Tokens};
use haltline_wire::anthropic::CacheTtl;
use haltline_wire::canon::Target;
use haltline_wire::client::ClientRequest;
use haltline_wire::media::{self, DetailWord, MediumKind};
use haltline_wire::openai::ProviderKind as Server;
use haltline_wire::openai::chat;
use haltline_wire::provider::ProviderDialect;
use haltline_wire::{Measure, RequestError};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;

/// A request measured once, however many attempts it takes.
pub(crate) struct Measured {
    asked: Arc<ClientRequest>,
    /// What was counted of it when bytes did not fit.
    pub(crate) counted: Counted,
    /// Its text as it is written in other dialects than its own; measured when first needed.
    written: Mutex<Vec<(ProviderDialect, Result<TextMeasure, RequestError>)>>,
    writes: CacheWrites,
    text: TextMeasure,
    segments: u32,
    messages: u32,
    tools: u32,
    images: Vec<(Option<Pixels>, Detail)>,
    names: u32,
    n: u32,
    inputs: u32,
    client_cap: Option<Tokens>,
    default_cap: Tokens,
}

impl Measured {
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let measure = request.asked.measure();
        let body = request.body();
        let (text, segments) = text_of(measure, body);
        Ok(Self {
            asked: Arc::clone(&request.asked),
            counted: Counted::default(),
            written: Mutex::default(),
            writes: match request.asked.cache_ttl() {
                None => CacheWrites::None,
                Some(CacheTtl::FiveMinutes) => CacheWrites::Short,
                Some(CacheTtl::OneHour) => CacheWrites::Long,
            },
            text,
            segments,
            messages: measure.messages,
            tools: measure.tools,
            images: images(body, measure.images)?,
            names: measure.names,
            n: request.asked.n(),
            inputs: request.asked.inputs(),
            client_cap: request.asked.client_cap(),
            default_cap: request.default_cap,
        })
    }

    /// The text that the endpoint reads: the body as it was sent or, where it is written anew in
    /// another dialect, the longer of the two.
    fn text_for(&self, dialect: ProviderDialect, model: &str) -> Result<TextMeasure, RequestError> {
        if self.asked.keeps_text(dialect) {
            return Ok(self.text);
        }
        let mut written = self.written.lock();
        if let Some((_, known)) = written.iter().find(|(known, _)| *known == dialect) {
            return known.clone();
        }
        let target = Target { model, cap: self.client_cap.unwrap_or(self.default_cap) };
        let text =
            self.asked.outgoing(dialect, &target).map(|outgoing| longer(self.text, written_text(&outgoing.body)));
        written.push((dialect, text.clone()));
        text
    }

    /// The most that its images can take under the rule.
    pub(crate) fn media_tokens(&self, rule: ImageRule) -> Option<Tokens> {
        let each = self.images.iter().map(|(size, detail)| image_tokens(rule, *size, *detail));
        each.into_iter().try_fold(Tokens::ZERO, Tokens::checked_add)
    }
}

/// The text that a model may read of a body as it was sent, and how many pieces it has that a
/// vocabulary may add a token to.
///
/// All bytes that are sent bound all text that was sent, framing included. Only an image's data is
/// no text: then what the dialect has counted stands alone, and every member of the JSON is a
/// piece. The dialect also counts what the provider adds to the text that it gets (definitions of
/// its own tools, marks between cited sentences), so it is never less than that.
fn text_of(counted: Measure, body: &[u8]) -> (TextMeasure, u32) {
    let text = TextMeasure { ascii: counted.ascii_bytes, other: counted.other_bytes_decomposed };
    let whole = if counted.images == 0 { measure_json_bytes(body) } else { None };
    match whole {
        Some(whole) => (longer(whole, text), 0),
        None => {
            let members = body.iter().filter(|byte| **byte == b':').count();
            (text, u32::try_from(members).unwrap_or(u32::MAX))
        }
    }
}

/// All text of a body that we wrote; media are counted apart.
fn written_text(body: &[u8]) -> TextMeasure {
    let mut text = String::with_capacity(body.len());
    let mut at = 0;
    for medium in media::find(body) {
        text.push_str(&String::from_utf8_lossy(body.get(at..medium.span.start).unwrap_or_default()));
        at = medium.span.end;
    }
    text.push_str(&String::from_utf8_lossy(body.get(at..).unwrap_or_default()));
    measure_json(&text)
}

fn longer(a: TextMeasure, b: TextMeasure) -> TextMeasure {
    TextMeasure { ascii: a.ascii.max(b.ascii), other: a.other.max(b.other) }
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
    /// What is charged once the bill is known.
    pub(crate) listed: Cow<'a, Price>,
    /// What may be charged from now on: what the request cannot cause is left out.
    price: Cow<'a, Price>,
    pub(crate) n: u32,
    pub(crate) pieces: Pieces,
    asked: Asked,
}

/// The base rates that a hold reckons with, in USD per million tokens.
#[derive(Clone, Copy)]
pub(crate) struct MaxPrice {
    input: PicoUsdPerToken,
    output: PicoUsdPerToken,
}

impl MaxPrice {
    /// As a server takes them.
    pub(crate) fn in_words(self) -> MaxPriceWords {
        MaxPriceWords { prompt: self.input.to_usd_per_million(), completion: self.output.to_usd_per_million() }
    }
}

/// The same rates as decimals.
pub(crate) struct MaxPriceWords {
    prompt: String,
    completion: String,
}

impl MaxPriceWords {
    pub(crate) fn written(&self) -> chat::MaxPrice<'_> {
        chat::MaxPrice { prompt: &self.prompt, completion: &self.completion }
    }
}

/// What a quote is computed from, but for the price.
#[derive(Clone, Copy)]
struct Asked {
    text: TextMeasure,
    messages: u32,
    tools: u32,
    media_tokens: Tokens,
    names: u32,
    segments: u32,
    n: u32,
    client_cap: Option<Tokens>,
    default_cap: Tokens,
    bound: TokenBound,
    framing: Framing,
    exact: Option<ExactInput>,
    counted: Option<Tokens>,
}

impl Asked {
    fn at(self, price: &Price) -> QuoteInput<'_> {
        QuoteInput {
            text: self.text,
            messages: self.messages,
            tools: self.tools,
            media_tokens: self.media_tokens,
            names: self.names,
            segments: self.segments,
            n: self.n,
            client_cap: self.client_cap,
            default_cap: self.default_cap,
            price,
            bound: self.bound,
            framing: self.framing,
            multiplier: Multiplier::ONE,
            exact: self.exact,
            counted: self.counted,
        }
    }
}

/// Whose models a kind of provider runs, and what the pieces of its streams are.
pub(crate) fn vendor(kind: ProviderKind, server: Option<Server>) -> (Vendor, Pieces) {
    match kind {
        ProviderKind::OpenAi | ProviderKind::Simulated => (Vendor::OpenAi, Pieces::WholeTokens),
        ProviderKind::Azure => (Vendor::OpenAi, Pieces::PartsOfTokens),
        ProviderKind::Anthropic => (Vendor::Anthropic, Pieces::PartsOfTokens),
        ProviderKind::Google => (Vendor::Google, Pieces::PartsOfTokens),
        ProviderKind::Mistral => (Vendor::Mistral, Pieces::PartsOfTokens),
        ProviderKind::OpenAiCompatible => (vendor_of(server), Pieces::PartsOfTokens),
    }
}

/// Computes the ceiling at the endpoint: stage one, by bytes alone.
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
    let known = live.settings.providers.get(&endpoint.provider);
    let kind = known.map_or(ProviderKind::OpenAiCompatible, |provider| provider.kind);
    let (vendor, pieces) = vendor(kind, known.map(|known| known.server));
    let (bound, framing) = match kind {
        // It counts bytes, whatever the model is called.
        ProviderKind::Simulated => (TokenBound::Bytes, Framing::OPENAI),
        _ => vendor.bounds(&endpoint.model),
    };
    let media_tokens =
        measured.media_tokens(image_rule(vendor, &endpoint.model)).ok_or_else(|| refuse(&QuoteError::Overflow))?;
    let dialect = call::dialect(live, &measured.asked, &endpoint.provider);
    let asked = Asked {
        text: measured.text_for(dialect, &endpoint.model).map_err(invalid)?,
        messages: measured.messages,
        tools: measured.tools,
        media_tokens,
        names: measured.names,
        segments: measured.segments,
        n: measured.n,
        client_cap: measured.client_cap,
        default_cap: measured.default_cap,
        bound,
        framing,
        exact: None,
        counted: None,
    };
    let listed = if measured.images.is_empty() { Cow::Borrowed(price) } else { price.with_media() };
    let writes = cache_writes(live, endpoint, measured.writes);
    let price = each_apart(from_now_on(&listed, gateway.clock.now(), writes), measured.inputs);
    let quote = quote::quote(&asked.at(&price)).map_err(|error| refuse(&error))?;
    let mut quoted = Quoted { quote, base: quote.ceiling, listed, price, n: measured.n, pieces, asked };
    quoted.raise(gateway, routed)?;
    Ok(quoted)
}

/// Who runs the models of a server that speaks Chat Completions, where it runs its own only.
fn vendor_of(server: Option<Server>) -> Vendor {
    match server {
        Some(Server::XAi) => Vendor::Xai,
        Some(Server::DeepSeek) => Vendor::DeepSeek,
        _ => Vendor::Other,
    }
}

impl Quoted<'_> {
    /// What a server that chooses among sellers must keep to; `None` where there are no rates.
    pub(crate) fn max_price(&self) -> Option<MaxPrice> {
        let (input, output) = self.price.base_rates()?;
        Some(MaxPrice { input, output })
    }

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
        quote::lower_cap(&self.asked.at(&self.price), fits_usd, fits_tokens, minimum)
    }

    /// Fewer tokens the text that was sent cannot have, in any vocabulary.
    pub(crate) fn input_at_least(&self) -> Tokens {
        Tokens::new(self.asked.text.bytes().unwrap_or(u64::MAX) / quote::BYTES_PER_TOKEN_MAX)
    }

    /// Was it looked at more closely?
    pub(crate) const fn is_tightened(&self) -> bool {
        self.asked.exact.is_some() || self.asked.counted.is_some()
    }

    /// Could any count make it fit, at the smallest cap? No token covers more bytes than the text
    /// would then have for each.
    pub(crate) fn could_fit(
        &self,
        fits_usd: Option<haltline_types::NanoUsd>,
        fits_tokens: Option<Tokens>,
        minimum: Tokens,
    ) -> bool {
        let least = self.asked.text.bytes().unwrap_or(0) / quote::BYTES_PER_TOKEN_MAX;
        let best = Asked { counted: Some(Tokens::new(least)), ..self.asked };
        quote::lower_cap(&best.at(&self.price), fits_usd, fits_tokens, minimum).is_some()
    }

    /// Takes an exact count of the input. Is the ceiling lower now?
    pub(crate) fn with_exact(&mut self, exact: ExactInput) -> bool {
        self.asked.exact = Some(exact);
        self.again()
    }

    /// Takes the provider's own count of the input, its margin added. Is the ceiling lower now?
    pub(crate) fn with_count(&mut self, counted: Tokens) -> bool {
        self.asked.counted = Some(counted);
        self.again()
    }

    /// Stage two is never above stage one. Not for an endpoint in quarantine, whose ceiling was
    /// raised.
    fn again(&mut self) -> bool {
        let Ok(quote) = quote::quote(&self.asked.at(&self.price)) else { return false };
        let (before, after) = (self.quote.ceiling, quote.ceiling);
        let is_lower = after.usd < before.usd || after.tokens < before.tokens;
        if is_lower {
            self.quote = quote;
            self.base = quote.ceiling;
        }
        is_lower
    }

    /// The most that so much input and output can cost from now on.
    pub(crate) fn ceiling(&self, input: Tokens, output: Tokens) -> Option<haltline_types::NanoUsd> {
        self.price.ceiling(input, output)
    }

    fn raise(&mut self, gateway: &Gateway, routed: &Routed) -> Result<(), Problem> {
        let overflow = || refuse(&QuoteError::Overflow);
        let ceiling = &mut self.quote.ceiling;
        ceiling.usd = gateway.quarantine.raise(&routed.endpoint, ceiling.usd).ok_or_else(overflow)?;
        ceiling.tokens = gateway.quarantine.raise_tokens(&routed.endpoint, ceiling.tokens).ok_or_else(overflow)?;
        Ok(())
    }
}

/// The rates that can apply from `now` to the end of any request.
fn from_now_on<'a>(listed: &Cow<'a, Price>, now: Timestamp, writes: CacheWrites) -> Cow<'a, Price> {
    let price = match listed {
        Cow::Borrowed(listed) => listed.at(now),
        Cow::Owned(listed) => Cow::Owned(listed.at(now).into_owned()),
    };
    if writes == CacheWrites::Long {
        return price;
    }
    match price {
        Cow::Borrowed(price) => price.with_writes(writes),
        Cow::Owned(price) => Cow::Owned(price.with_writes(writes).into_owned()),
    }
}

/// The model's context bounds each input that is read apart, not their sum.
fn each_apart(price: Cow<'_, Price>, inputs: u32) -> Cow<'_, Price> {
    match price {
        Cow::Borrowed(price) => price.with_inputs(inputs),
        Cow::Owned(price) => Cow::Owned(price.with_inputs(inputs).into_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use haltline_wire::PassFields;
    use haltline_wire::client::{Address, ClientDialect};
    use serde_json::json;

    fn asked(dialect: ClientDialect, body: &serde_json::Value) -> (ClientRequest, Bytes) {
        let body = Bytes::from(body.to_string());
        let asked = ClientRequest::parse(dialect, &Address::default(), body.clone(), &PassFields::none());
        (asked.expect("a request"), body)
    }

    fn tokens(body: &serde_json::Value) -> u64 {
        let (asked, body) = asked(ClientDialect::Messages, body);
        text_of(asked.measure(), &body).0.bytes().expect("a number")
    }

    #[test]
    fn what_the_provider_adds_is_text_without_any_image_too() {
        let document = |cited: bool| {
            let text = "A sentence. ".repeat(1_000);
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text},
                 "citations": {"enabled": cited}}]}]})
        };
        assert!(tokens(&document(true)) > 3 * tokens(&document(false)));
        let tool = |kind: &str| {
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}],
                "tools": [{"type": kind, "name": "computer"}]})
        };
        // Its definition has 735 tokens, and the prompt around it 499 more.
        assert!(tokens(&tool("computer_20250124")) > 1_234 + 50);
    }

    #[test]
    fn all_that_is_sent_is_text() {
        let body = json!({"model": "m", "max_tokens": 9, "metadata": {"user_id": "u"},
            "messages": [{"role": "user", "content": "x"}]});
        assert!(tokens(&body) >= body.to_string().len() as u64);
    }

    #[test]
    fn inputs_of_embeddings_are_read_apart() {
        let (asked, _) = asked(ClientDialect::Embeddings, &json!({"model": "m", "input": ["a", "b", "c"]}));
        assert_eq!(asked.inputs(), 3);
        let price = Price { max_input: Some(Tokens::new(8_192)), ..Price::free() };
        let each = each_apart(Cow::Borrowed(&price), asked.inputs());
        assert_eq!(each.max_input, Some(Tokens::new(3 * 8_192)));
        assert_eq!(each_apart(Cow::Borrowed(&price), 1).max_input, price.max_input);
    }
}
