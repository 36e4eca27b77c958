//! `[prices."provider/model"]`, laid over the listed prices.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::like;
use super::models::endpoint;
use super::price_lists::{SOURCE, ShippedPrices};
use super::reader::{Keys, Section};
use super::value::Text;
use crate::prices::{factor, times, usd_per_million};
use haltline_policy::price::{Multiplier, Price, PriceError, Rates};
use haltline_types::{ModelName, NanoUsd, PicoUsdPerToken, Tokens};
use std::collections::BTreeMap;
use std::ops::Range;

const KEYS: Keys = Keys::of(&[
    "input",
    "cached_input",
    "cache_write",
    "cache_write_long",
    "media",
    "output",
    "request_fee",
    "multiplier",
    "states_cost",
    "max_input",
    "max_output",
    "long_prompts",
    "free",
    "price",
    "like",
]);
const ROW: Keys =
    Keys::of(&["over", "input", "cached_input", "cache_write", "cache_write_long", "media", "output", "request_fee"]);
/// What a factor on the listed price excludes, and so does a price of nothing.
pub(super) const RATES: [&str; 8] =
    ["input", "cached_input", "cache_write", "cache_write_long", "media", "output", "request_fee", "long_prompts"];
/// `[prices."provider/*"]`: the factor of all of a provider's models.
const ALL_MODELS: &str = "*";
const FACTOR_ONLY: Keys = Keys::of(&["multiplier"]);

/// Prices, and those that nobody knows.
pub(super) struct Prices {
    pub(super) all: BTreeMap<ModelName, Price>,
    /// Where `price = "unknown-ok"` stands.
    pub(super) unknown_ok: Vec<(ModelName, Range<usize>)>,
    /// Which listed model has the price of one that no list knows.
    pub(super) alike: BTreeMap<ModelName, ModelName>,
}

pub(super) fn prices(root: &Section<'_>, names: &[String], shipped: ShippedPrices) -> Prices {
    let mut prices = Prices { all: shipped.prices, unknown_ok: Vec::new(), alike: BTreeMap::new() };
    let sections = root.named_but("prices", SOURCE);
    let (whole, single): (Vec<_>, Vec<_>) =
        sections.into_iter().partition(|(name, _)| name.text.ends_with(&format!("/{ALL_MODELS}")));
    for (name, section) in whole {
        section.check_keys(&FACTOR_ONLY);
        let Some(all) = endpoint(&section, &name, names) else { continue };
        let Some(factor) = multiplier(&section) else { continue };
        for (model, listed) in shipped.unraised.iter().filter(|(model, _)| model.provider == all.provider) {
            insert_or_remove(&mut prices.all, model, times(listed, factor));
        }
    }
    let listed = prices.all.clone();
    let mut alike = Vec::new();
    for (name, section) in single {
        section.check_keys(&KEYS);
        let Some(endpoint) = endpoint(&section, &name, names) else { continue };
        if section.value(like::KEY).is_some() {
            alike.push((endpoint, section));
            continue;
        }
        let listed = prices.all.get(&endpoint).cloned();
        let stated = if is_factor_only(&section) {
            let unraised = shipped.unraised.get(&endpoint);
            if unraised.is_none() {
                let message = format!("{}: there is no listed price to multiply", section.title);
                let wrong = Diagnostic::new(ConfigCode::MissingKey, message).at(section.key_span("multiplier"));
                section.walk.report(wrong.help("give `input` and `output` beside it"));
            }
            unraised.zip(multiplier(&section)).and_then(|(unraised, factor)| times(unraised, factor))
        } else {
            price(&section, &name, listed.as_ref())
        };
        if section.choice("price", &["unknown-ok"], &[]).is_some() {
            let span = section.value("price").map_or(name.span.clone(), |value| value.span);
            prices.unknown_ok.push((endpoint.clone(), span));
        }
        if let Some(stated) = stated {
            prices.all.insert(endpoint, stated);
        }
    }
    for (endpoint, section) in alike {
        if let Some((of, price)) = like::price(&section, names, &listed, &shipped.unraised) {
            prices.all.insert(endpoint.clone(), price);
            prices.alike.insert(endpoint, of);
        }
    }
    prices
}

/// A factor that does not fit leaves the model without a price: refused, not too cheap.
pub(super) fn insert_or_remove(prices: &mut BTreeMap<ModelName, Price>, model: &ModelName, price: Option<Price>) {
    match price {
        Some(price) => prices.insert(model.clone(), price),
        None => prices.remove(model),
    };
}

/// A factor and no price of one's own.
fn is_factor_only(section: &Section<'_>) -> bool {
    let absent = |key: &str| section.value(key).is_none();
    !absent("multiplier") && RATES.iter().chain(&["free", "price"]).all(|key| absent(key))
}

pub(super) fn multiplier(section: &Section<'_>) -> Option<Multiplier> {
    if section.is_present() && section.value("multiplier").is_none() {
        section.missing("multiplier", "multiplier = \"1.1\"");
    }
    section.parsed("multiplier", |text| {
        factor(text).ok_or_else(|| "a factor is a decimal from \"1\" to \"10\", like \"1.1\"".to_owned())
    })
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
        for key in RATES.into_iter().chain(["multiplier", "states_cost"]).filter(|key| section.value(key).is_some()) {
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
        max_input: limit(section, "max_input", listed),
        max_output: limit(section, "max_output", listed),
        fees: listed.map(|listed| listed.fees).unwrap_or_default(),
        states_cost: section.boolean("states_cost").unwrap_or_else(|| listed.is_some_and(|listed| listed.states_cost)),
        ..Price::default()
    };
    // A product that does not fit is no price: the check below says so of the factors.
    let raised = section.value("multiplier").and_then(|_| multiplier(section)).and_then(|factor| times(&price, factor));
    let price = raised.unwrap_or(price);
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

pub(super) fn limit(section: &Section<'_>, key: &str, listed: Option<&Price>) -> Option<Tokens> {
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
    let (cached_input, media) = (optional("cached_input"), optional("media"));
    let (cache_write, cache_write_long) = (optional("cache_write"), optional("cache_write_long"));
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
        cache_write_long: cache_write_long?,
        media: media?,
        output: output?,
        request_fee: fee?,
    })
}
