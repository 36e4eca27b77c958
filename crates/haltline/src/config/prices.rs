//! `[prices."provider/model"]`, laid over the shipped catalogue.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::models::endpoint;
use super::reader::{Keys, Section};
use super::value::Text;
use crate::prices::{Catalogue, simulated, times};
use haltline_gateway::settings::{ProviderKind, ProviderSettings};
use haltline_policy::price::{Price, PriceError, Rates};
use haltline_types::{ModelName, Name, NanoUsd, PicoUsdPerToken, Tokens};
use std::collections::BTreeMap;
use std::ops::Range;

const KEYS: Keys = Keys::of(&[
    "input",
    "cached_input",
    "cache_write",
    "output",
    "request_fee",
    "max_input",
    "max_output",
    "long_prompts",
    "free",
    "price",
]);
const ROW: Keys = Keys::of(&["over", "input", "cached_input", "cache_write", "output", "request_fee"]);
const RATES: [&str; 6] = ["input", "cached_input", "cache_write", "output", "request_fee", "long_prompts"];

/// Prices, and those that nobody knows.
pub(super) struct Prices {
    pub(super) all: BTreeMap<ModelName, Price>,
    /// Where `price = "unknown-ok"` stands.
    pub(super) unknown_ok: Vec<(ModelName, Range<usize>)>,
}

/// What providers cost before the configuration says anything of it.
pub(super) fn shipped<'m>(
    providers: &BTreeMap<Name, ProviderSettings>,
    targets: impl Iterator<Item = &'m ModelName>,
    openai: &Catalogue,
) -> BTreeMap<ModelName, Price> {
    let mut prices = BTreeMap::new();
    for (name, provider) in providers.iter().filter(|(_, provider)| provider.kind == ProviderKind::OpenAi) {
        let regional = is_regional(&provider.base_url);
        for (model, listed) in &openai.models {
            let raised = listed.regional.filter(|_| regional).map(|factor| times(&listed.price, factor));
            // A factor that does not fit leaves the model without a price: refused, not too cheap.
            if let Some(price) = raised.unwrap_or_else(|| Some(listed.price.clone())) {
                prices.insert(ModelName { provider: name.clone(), model: Name::new(model) }, price);
            }
        }
    }
    for target in targets {
        let kind = providers.get(&target.provider).map(|provider| provider.kind);
        if kind == Some(ProviderKind::Simulated) {
            prices.insert(target.clone(), simulated());
        }
    }
    prices
}

pub(super) fn prices(root: &Section<'_>, names: &[String], shipped: BTreeMap<ModelName, Price>) -> Prices {
    let mut prices = Prices { all: shipped, unknown_ok: Vec::new() };
    for (name, section) in root.named("prices") {
        section.check_keys(&KEYS);
        let Some(endpoint) = endpoint(&section, &name, names) else { continue };
        let listed = prices.all.get(&endpoint).cloned();
        let stated = price(&section, &name, listed.as_ref());
        if section.choice("price", &["unknown-ok"], &[]).is_some() {
            let span = section.value("price").map_or(name.span.clone(), |value| value.span);
            prices.unknown_ok.push((endpoint.clone(), span));
        }
        if let Some(stated) = stated {
            prices.all.insert(endpoint, stated);
        }
    }
    prices
}

/// Regional endpoints of OpenAI charge a factor on some models.
fn is_regional(base_url: &str) -> bool {
    let host = base_url.split("//").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    host.ends_with(".api.openai.com")
}

fn price(section: &Section<'_>, name: &Text, listed: Option<&Price>) -> Option<Price> {
    if !section.is_present() {
        return None;
    }
    let without_rates = if section.boolean("free") == Some(true) {
        Some("free = true")
    } else if section.value("price").is_some() {
        Some("price = \"unknown-ok\"")
    } else {
        None
    };
    if let Some(stated) = without_rates {
        for key in RATES.into_iter().filter(|key| section.value(key).is_some()) {
            let message = format!("{}: `{stated}` and `{key}` exclude each other", section.title);
            section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(key)));
        }
        return Some(Price {
            max_input: limit(section, "max_input", listed),
            max_output: limit(section, "max_output", listed),
            ..Price::free()
        });
    }
    let mut settle = vec![row(section, Tokens::ZERO)?];
    let rows = section.list("long_prompts", &ROW);
    for long in &rows {
        let Some(over) = long.tokens("over") else {
            if long.value("over").is_none() {
                long.missing("over", "over = 200000");
            }
            return None;
        };
        settle.push(row(long, over)?);
    }
    let hidden = listed.filter(|listed| rows.is_empty() && listed.settle.len() > 1);
    if hidden.is_some() {
        let message = format!("{}: prompts beyond a length cost more, and this price says nothing of it", name.text);
        section.walk.report(Diagnostic::new(ConfigCode::LongPromptRate, message).at(name.span.clone()));
    }
    let price = Price {
        settle,
        ceiling: Vec::new(),
        max_input: limit(section, "max_input", listed),
        max_output: limit(section, "max_output", listed),
        free: false,
    };
    match price.check() {
        Ok(()) => Some(price),
        Err(why) => {
            let why = match why {
                PriceError::Implausible(rate) => {
                    format!("{} USD per million tokens is outside 0.001 to 1,000", usd_per_million(rate))
                }
                other => other.to_string(),
            };
            section
                .walk
                .report(Diagnostic::new(ConfigCode::Price, format!("{}: {why}", name.text)).at(name.span.clone()));
            None
        }
    }
}

/// A price as providers print it; a picodollar is a millionth of a dollar per million tokens.
fn usd_per_million(rate: PicoUsdPerToken) -> String {
    let fraction = format!("{:06}", rate.get() % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    format!("{}{}{fraction}", rate.get() / 1_000_000, if fraction.is_empty() { "" } else { "." })
}

fn limit(section: &Section<'_>, key: &str, listed: Option<&Price>) -> Option<Tokens> {
    let least = if key == "max_output" { 0 } else { 1 };
    let known = listed.and_then(|listed| if key == "max_output" { listed.max_output } else { listed.max_input });
    section.integer(key, least..=1_000_000_000).map(Tokens::new).or(known)
}

fn row(section: &Section<'_>, over: Tokens) -> Option<Rates> {
    for key in ["input", "output"] {
        if section.value(key).is_none() {
            section.missing(key, &format!("{key} = \"0.25\" (USD per million tokens), or free = true"));
        }
    }
    let rate = |key: &str| {
        section.parsed(key, |text| PicoUsdPerToken::from_usd_per_million(text).map_err(|why| why.to_string()))
    };
    let optional = |key: &str| match section.value(key) {
        None => Some(None),
        Some(_) => rate(key).map(Some),
    };
    let (input, output) = (rate("input"), rate("output"));
    let (cached_input, cache_write) = (optional("cached_input"), optional("cache_write"));
    let fee = match section.value("request_fee") {
        None => Some(NanoUsd::ZERO),
        Some(_) => section
            .parsed("request_fee", |text| text.parse().map_err(|why: haltline_types::MoneyError| why.to_string())),
    };
    Some(Rates {
        over_prompt_tokens: over,
        input: input?,
        cached_input: cached_input?,
        cache_write: cache_write?,
        output: output?,
        request_fee: fee?,
    })
}
