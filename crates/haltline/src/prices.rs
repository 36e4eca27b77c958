//! The prices that are part of the program: `prices/openai.toml` of this repository. What a
//! configuration says of a price goes before them. Servers that only speak OpenAI's dialect have
//! no shipped price: what they charge is their operator's matter.

use haltline_policy::price::{Price, PriceError, Rates};
use haltline_types::{MoneyError, NanoUsd, PicoUsdPerToken, Tokens};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

const OPENAI: &str = include_str!("../../../prices/openai.toml");

/// The catalogue of one provider.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The day for which the prices were compared, `2026-11-23`.
    pub as_of: String,
    /// By the model's id at the provider.
    pub models: BTreeMap<String, Listed>,
}

/// A model of the catalogue.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it costs.
    pub price: Price,
    /// The factor of regional endpoints, as numerator and denominator.
    pub regional: Option<(u32, u32)>,
    /// The day on which the model is said to be shut down.
    pub retires: Option<String>,
}

/// Why the catalogue cannot be used: it was edited by hand.
#[derive(Debug)]
pub enum CatalogueError {
    /// It is not what `prices/build.py` writes.
    Shape(String),
    /// A number is not a price.
    Number(String, MoneyError),
    /// A price is not fit to hold money by.
    Price(String, PriceError),
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(why) => write!(f, "the shipped price list is damaged: {why}"),
            Self::Number(model, why) => write!(f, "the shipped price of {model}: {why}"),
            Self::Price(model, why) => write!(f, "the shipped price of {model}: {why}"),
        }
    }
}

impl std::error::Error for CatalogueError {}

#[derive(Deserialize)]
struct File {
    catalogue: Head,
    models: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Head {
    as_of: String,
}

#[derive(Deserialize)]
struct Entry {
    max_input: u64,
    max_output: u64,
    settle: Vec<Row>,
    #[serde(default)]
    ceiling: Vec<Row>,
    regional: Option<String>,
    retires: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    over: u64,
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    output: String,
}

/// OpenAI's chat models.
///
/// # Errors
/// When the file that the program was built with is damaged.
pub fn openai() -> Result<Catalogue, CatalogueError> {
    read(OPENAI)
}

/// What the simulated model bills when the configuration gives it no price: 1 and 4 USD per
/// million tokens.
#[must_use]
pub fn simulated() -> Price {
    Price::flat(PicoUsdPerToken::new(1_000_000), PicoUsdPerToken::new(4_000_000))
}

/// The price at an endpoint that charges a factor on every rate; each is rounded up.
#[must_use]
pub fn times(price: &Price, (numerator, denominator): (u32, u32)) -> Option<Price> {
    let rate = |rate: PicoUsdPerToken| {
        let product = u128::from(rate.get()).checked_mul(u128::from(numerator))?;
        let quotient = product.checked_add(u128::from(denominator).checked_sub(1)?)?.checked_div(denominator.into())?;
        u64::try_from(quotient).ok().map(PicoUsdPerToken::new)
    };
    let rates = |rows: &[Rates]| {
        rows.iter()
            .map(|row| {
                Some(Rates {
                    input: rate(row.input)?,
                    cached_input: row.cached_input.map(rate).map_or(Some(None), |rate| rate.map(Some))?,
                    cache_write: row.cache_write.map(rate).map_or(Some(None), |rate| rate.map(Some))?,
                    output: rate(row.output)?,
                    ..*row
                })
            })
            .collect::<Option<Vec<_>>>()
    };
    Some(Price { settle: rates(&price.settle)?, ceiling: rates(&price.ceiling)?, ..price.clone() })
}

fn read(text: &str) -> Result<Catalogue, CatalogueError> {
    let file: File = toml::from_str(text).map_err(|error| CatalogueError::Shape(error.to_string()))?;
    let mut models = BTreeMap::new();
    for (name, entry) in file.models {
        let listed = entry.read(&name)?;
        models.insert(name, listed);
    }
    Ok(Catalogue { as_of: file.catalogue.as_of, models })
}

impl Entry {
    fn read(&self, name: &str) -> Result<Listed, CatalogueError> {
        let rows = |rows: &[Row]| rows.iter().map(|row| row.read(name)).collect::<Result<Vec<_>, _>>();
        let price = Price {
            settle: rows(&self.settle)?,
            ceiling: rows(&self.ceiling)?,
            max_input: Some(Tokens::new(self.max_input)),
            max_output: Some(Tokens::new(self.max_output)),
            free: false,
        };
        price.check().map_err(|why| CatalogueError::Price(name.to_owned(), why))?;
        let regional = match self.regional.as_deref() {
            None => None,
            Some(text) => Some(factor(text).ok_or_else(|| CatalogueError::Shape(format!("{name}: regional {text}")))?),
        };
        Ok(Listed { price, regional, retires: self.retires.clone() })
    }
}

impl Row {
    fn read(&self, name: &str) -> Result<Rates, CatalogueError> {
        let rate = |text: &String| {
            PicoUsdPerToken::from_usd_per_million(text).map_err(|why| CatalogueError::Number(name.to_owned(), why))
        };
        Ok(Rates {
            over_prompt_tokens: Tokens::new(self.over),
            input: rate(&self.input)?,
            cached_input: self.cached_input.as_ref().map(rate).transpose()?,
            cache_write: self.cache_write.as_ref().map(rate).transpose()?,
            output: rate(&self.output)?,
            request_fee: NanoUsd::ZERO,
        })
    }
}

/// `1.1` as 11/10.
fn factor(text: &str) -> Option<(u32, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let denominator = 10_u32.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator: u32 = format!("{whole}{fraction}").parse().ok()?;
    (numerator >= denominator).then_some((numerator, denominator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::Usage;

    fn price(model: &str) -> Price {
        openai().expect("catalogue").models[model].price.clone()
    }

    #[test]
    fn every_shipped_price_can_hold_money() {
        let catalogue = openai().expect("catalogue");
        for family in ["gpt-4o", "gpt-4.1", "o1", "o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.6", "gpt-6-astra"] {
            assert!(catalogue.models.contains_key(family), "{family}");
        }
        let input = Tokens::new(300_000);
        for (name, listed) in &catalogue.models {
            let usage = Usage { input, output: Tokens::new(1000), ..Usage::default() };
            let cost = listed.price.cost(&usage).expect(name);
            assert!(listed.price.ceiling(input, Tokens::new(1000)).expect(name) >= cost, "{name}");
        }
    }

    #[test]
    fn a_long_prompt_is_charged_by_the_long_row() {
        let price = price("gpt-6.1-terra");
        let cost = |input| price.cost(&Usage { input: Tokens::new(input), ..Usage::default() }).expect("cost");
        assert_eq!(cost(272_000).get(), 272_000 * 1_000);
        assert_eq!(cost(272_001).get(), 272_001 * 2_000);
        // Unknown input is held at the rate of a cache write.
        assert_eq!(price.ceiling(Tokens::new(1000), Tokens::ZERO).expect("ceiling").get(), 1000 * 1_250);
    }

    #[test]
    fn a_regional_factor_is_rounded_up() {
        assert_eq!(factor("1.1"), Some((11, 10)));
        assert_eq!(factor("0.5"), None);
        let raised = times(&price("gpt-6-luna"), (11, 10)).expect("fits");
        let plain = price("gpt-6-luna");
        assert_eq!(raised.settle[0].input.get(), (plain.settle[0].input.get() * 11).div_ceil(10));
        assert_eq!(raised.max_input, plain.max_input);
    }

    #[test]
    fn a_damaged_list_is_an_error_and_no_zero() {
        let zero = OPENAI.replacen("input = \"5\"", "input = \"0\"", 1);
        assert!(matches!(read(&zero), Err(CatalogueError::Price(..))));
        assert!(matches!(read("[models]"), Err(CatalogueError::Shape(_))));
    }
}
