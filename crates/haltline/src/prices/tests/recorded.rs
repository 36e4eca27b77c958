//! The shipped prices against the shared data: every model that the data prices is shipped or is
//! listed as left out, every shipped model can be quoted, and no recorded usage settles above its
//! ceiling.

use crate::prices::Shipped;
use haltline_policy::measure::measure_json;
use haltline_policy::price::{CacheWrites, Multiplier};
use haltline_policy::quote::{Framing, QuoteInput, TokenBound, quote};
use haltline_types::{NanoUsd, Tokens, Usage};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("HALTLINE_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from).join("data");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the shared data is not at {}", folder.display());
    eprintln!("NOTE: the shared data is not at {}; nothing is compared with it", folder.display());
    None
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_priced_model_is_shipped_and_quotes_or_is_listed_as_left_out() {
    let left_out = include_str!("../../../../../prices/left-out.md");
    let Some(shared) = shared() else { return };
    let list = json(&shared.join("prices/prices.json"));
    let (mut shipped_models, mut others) = (0, 0);
    for model in list["models"].as_object().expect("models").values() {
        let (provider, id) = (model["provider"].as_str().expect("a provider"), model["id"].as_str().expect("an id"));
        let shipped = Shipped::from_word(provider).unwrap_or_else(|| panic!("no list of {provider}"));
        if shipped.catalogue().expect("a list").models.contains_key(id) {
            shipped_models += 1;
        } else {
            others += 1;
            let (row, name) = (format!("| {provider} | "), format!("`{id}`"));
            let is_listed = left_out.lines().any(|line| line.starts_with(&row) && line.contains(&name));
            assert!(is_listed, "{provider}/{id} is nowhere");
        }
    }
    assert!(shipped_models > 1000 && others > 0, "{shipped_models} {others}");
}

#[test]
fn every_shipped_model_quotes() {
    let body = r#"{"messages":[{"role":"user","content":"How much is it?"}]}"#;
    let text = measure_json(body);
    for shipped in Shipped::ALL {
        for (model, listed) in &shipped.catalogue().expect("a list").models {
            let price = shipped.price(listed, "").expect(model);
            let request = QuoteInput {
                text,
                messages: 1,
                tools: 0,
                media_tokens: Tokens::ZERO,
                exact: None,
                counted: None,
                names: 0,
                segments: 1,
                n: 1,
                client_cap: None,
                default_cap: Tokens::new(1024),
                price: &price,
                bound: TokenBound::Unpublished,
                framing: Framing::OPENAI_COMPATIBLE,
                multiplier: Multiplier::ONE,
            };
            let quoted = quote(&request).unwrap_or_else(|error| panic!("{}/{model}: {error}", shipped.word()));
            assert!(quoted.ceiling.usd > NanoUsd::ZERO, "{}/{model}", shipped.word());
            let usage = Usage { input: quoted.input, output: quoted.cap, ..Usage::default() };
            assert!(price.cost(&usage).expect(model) <= quoted.ceiling.usd, "{}/{model}", shipped.word());
        }
    }
}

/// `expected.usage` of a record, in our meaning.
fn usage(expected: &Value) -> Option<Usage> {
    let usage = expected.get("usage").filter(|usage| usage.is_object())?;
    let tokens = |key: &str| Tokens::new(usage.get(key).and_then(Value::as_u64).unwrap_or(0));
    let input = if usage.get("input_total").is_some() { tokens("input_total") } else { tokens("input") };
    Some(Usage {
        input,
        cached_input: tokens("cached"),
        cache_write: tokens("cache_write"),
        cache_write_long: tokens("cache_write"),
        output: tokens("output"),
        reasoning: tokens("reasoning"),
        stated_cost: usage.get("cost").and_then(|cost| cost.to_string().trim_matches('"').parse().ok()),
    })
}

#[test]
fn no_recorded_usage_settles_above_its_ceiling() {
    let Some(shared) = shared() else { return };
    let (mut settled, mut stated) = (0, 0);
    for case in folders(&shared.join("fixtures/dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        let word = match record["provider"].as_str() {
            Some("gemini") => "google",
            Some(word) => word,
            None => continue,
        };
        let (Some(shipped), Some(usage), Some(model)) =
            (Shipped::from_word(word), usage(&record["expected"]), record["model"].as_str())
        else {
            continue;
        };
        // A search that the provider ran has a fee: requests with such tools are refused.
        if record["what_it_shows"].as_array().is_some_and(|shown| shown.iter().any(|word| word == "annotations")) {
            continue;
        }
        let catalogue = shipped.catalogue().expect("a list");
        let Some(listed) = catalogue.models.get(model) else { continue };
        let price = shipped.price(listed, "").expect(model);
        // One report has more cached tokens than input: it is charged by its parts.
        let parts = usage.cached_input.checked_add(usage.cache_write).expect("fits");
        let most = usage.input.max(parts);
        let ceiling = price.ceiling(most, usage.output).expect(model);
        let cost = price.cost(&usage).expect(model);
        assert!(cost <= ceiling, "{}: {cost} above {ceiling} {usage:?}", record["id"]);
        if usage.cache_write == Tokens::ZERO {
            let narrow = price.with_writes(CacheWrites::None);
            assert!(narrow.cost(&usage).expect(model) <= narrow.ceiling(most, usage.output).expect(model));
        }
        settled += 1;
        stated += usize::from(price.states_cost && usage.stated_cost.is_some());
    }
    assert!(settled > 80 && stated > 0, "{settled} settled, {stated} by the provider's figure");
}
