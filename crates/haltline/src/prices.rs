//! The prices that are part of the program: `prices/*.toml` of this repository, one list for each
//! provider, read when a provider asks for it and kept. What a configuration says of a price goes
//! before them. Which list a configured provider has stands in `prices/provider.rs`; what the words
//! of a list mean, in `prices/read.rs`.

pub mod days;
mod differ;
mod provider;
mod read;
pub mod remote;
#[cfg(test)]
mod tests;

pub use differ::{Difference, differences, named, when};
pub use provider::{Shipped, shipped_for};
pub use read::{CatalogueError, ModelError, Wrong, factor, read};

use haltline_policy::price::{Change, Multiplier, Price, Rates};
use haltline_types::{NanoUsd, PicoUsdPerToken};
use std::collections::BTreeMap;

/// A list older than this is worth a warning.
pub const MAX_AGE_DAYS: u64 = 45;
/// A model that is shut down within so many days is worth a warning.
pub const RETIRES_SOON_DAYS: u64 = 60;

/// The catalogue of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Whose prices they are.
    pub provider: String,
    /// The day for which the prices were compared, `2026-11-23`.
    pub as_of: String,
    /// The lists that were compared, with versions and dates.
    pub lists: Vec<String>,
    /// By the model's id at the provider.
    pub models: BTreeMap<String, Listed>,
}

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it costs.
    pub price: Price,
    /// The factor of regional endpoints.
    pub regional: Option<Multiplier>,
    /// The day on which the model is said to be shut down.
    pub retires: Option<String>,
    /// How sure the lists are of it.
    pub status: Status,
    /// On what they differ, or what stands in for an unknown limit.
    pub doubt: Vec<String>,
    /// The lists that know the model.
    pub sources: Vec<String>,
    /// The day on which somebody compared it with the provider's page.
    pub verified: Option<String>,
    /// The provider's page.
    pub page: Option<String>,
}

/// How sure the lists are of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Status {
    /// Two or more say the same.
    Agree,
    /// They differ, and the dearest is charged.
    Disagree,
    /// Only one has it.
    #[default]
    Single,
}

impl Status {
    /// As it is written in a list.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Disagree => "disagree",
            Self::Single => "single",
        }
    }
}

/// What the simulated model bills when the configuration gives it no price: 1 and 4 USD per
/// million tokens.
#[must_use]
pub fn simulated() -> Price {
    Price::flat(PicoUsdPerToken::new(1_000_000), PicoUsdPerToken::new(4_000_000))
}

/// The price at an endpoint that charges a factor on every rate and fee for a request; each is
/// rounded up. `None` when one does not fit.
#[must_use]
pub fn times(price: &Price, factor: Multiplier) -> Option<Price> {
    let (numerator, denominator) = (u128::from(factor.numerator), u128::from(factor.denominator));
    let product =
        |number: u128| number.checked_mul(numerator)?.checked_next_multiple_of(denominator)?.checked_div(denominator);
    let rate = |rate: PicoUsdPerToken| u64::try_from(product(rate.get().into())?).ok().map(PicoUsdPerToken::new);
    let fee = |fee: NanoUsd| i64::try_from(product(u128::try_from(fee.get()).ok()?)?).ok().map(NanoUsd::new);
    let row = |row: &Rates| Some(Rates { request_fee: fee(row.request_fee)?, ..row.map(rate)? });
    let rows = |rows: &[Rates]| rows.iter().map(row).collect::<Option<Vec<_>>>();
    let changes = price.changes.iter().map(|change| Some(Change { when: change.when, settle: rows(&change.settle)? }));
    Some(Price {
        settle: rows(&price.settle)?,
        ceiling: rows(&price.ceiling)?,
        changes: changes.collect::<Option<Vec<_>>>()?,
        ..price.clone()
    })
}

/// A rate as providers print it.
#[must_use]
pub fn usd_per_million(rate: PicoUsdPerToken) -> String {
    rate.to_usd_per_million()
}
