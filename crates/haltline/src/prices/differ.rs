//! What changes from one price list to another, for people who have to decide on it.

use super::{Catalogue, Listed, usd_per_million};
use haltline_policy::price::{Rates, When};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The model.
    pub model: String,
    /// The field, as `settle over 0: input`; empty when the model is in one list only.
    pub field: String,
    /// What it was; `None` when it was not there.
    pub was: Option<String>,
    /// What it becomes; `None` when it goes.
    pub becomes: Option<String>,
}

/// From one list to the next, by model and field.
#[must_use]
pub fn differences(old: &Catalogue, new: &Catalogue) -> Vec<Difference> {
    let names: BTreeSet<&String> = old.models.keys().chain(new.models.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let difference = |field: &str, was: Option<String>, becomes: Option<String>| Difference {
            model: name.clone(),
            field: field.to_owned(),
            was,
            becomes,
        };
        match (old.models.get(name), new.models.get(name)) {
            (Some(before), Some(after)) => {
                let (before, after) = (fields(before), fields(after));
                let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
                let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
                found.extend(changed.map(|key| difference(key, before.get(key).cloned(), after.get(key).cloned())));
            }
            (Some(before), None) => found.push(difference("", Some(short(before)), None)),
            (None, Some(after)) => found.push(difference("", None, Some(short(after)))),
            (None, None) => {}
        }
    }
    found
}

/// The base rates in one line.
fn short(listed: &Listed) -> String {
    let base = listed.price.settle.iter().min_by_key(|row| row.over_prompt_tokens);
    base.map_or_else(String::new, |row| {
        format!("input {}, output {}", usd_per_million(row.input), usd_per_million(row.output))
    })
}

/// Everything of a model that money or an answer depends on.
fn fields(listed: &Listed) -> BTreeMap<String, String> {
    let price = &listed.price;
    let mut out = BTreeMap::new();
    let mut rows = |title: &str, rows: &[Rates]| {
        for row in rows {
            for (kind, rate) in named(row) {
                let key = format!("{title} over {}: {kind}", row.over_prompt_tokens.get());
                out.insert(key, usd_per_million(rate));
            }
        }
    };
    rows("settle", &price.settle);
    rows("ceiling", &price.ceiling);
    for change in &price.changes {
        rows(&when(change.when), &change.settle);
    }
    let optional = [
        ("max_input", price.max_input.map(|tokens| tokens.get().to_string())),
        ("max_output", price.max_output.map(|tokens| tokens.get().to_string())),
        ("regional", listed.regional.map(|factor| format!("{}/{}", factor.numerator, factor.denominator))),
        ("retires", listed.retires.clone()),
        ("status", Some(listed.status.word().to_owned())),
    ];
    let fees = price.fees.named().map(|(name, fee)| (name, fee.map(|fee| fee.to_decimal())));
    for (key, value) in optional.into_iter().chain(fees) {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    }
    out
}

/// The rates of a row with their names in lists; absent ones left out.
#[must_use]
pub fn named(row: &Rates) -> Vec<(&'static str, haltline_types::PicoUsdPerToken)> {
    let all = [
        ("input", Some(row.input)),
        ("cached_input", row.cached_input),
        ("cache_write", row.cache_write),
        ("cache_write_long", row.cache_write_long),
        ("media", row.media),
        ("output", Some(row.output)),
    ];
    all.into_iter().filter_map(|(kind, rate)| Some((kind, rate?))).collect()
}

/// `from 2026-12-01`, `01:00-04:00 UTC`.
#[must_use]
pub fn when(when: When) -> String {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    match when {
        When::Hours { from, until } => format!("{}-{} UTC", clock(from), clock(until)),
        When::Days { from, until } => {
            let from = from.map(|day| format!("from {}", super::days::day_of(day)));
            let until = until.map(|day| format!("until {}", super::days::day_of(day)));
            from.into_iter().chain(until).collect::<Vec<_>>().join(" ")
        }
    }
}
