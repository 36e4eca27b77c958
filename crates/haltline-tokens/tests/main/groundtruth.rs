//! Counts by Claude itself: the bound for vocabularies that are not public holds on all of them.

use crate::{ratio, shared};
use haltline_policy::quote::{Framing, TextMeasure, TokenBound, measure_text};
use haltline_policy::vendor::Vendor;
use haltline_types::Tokens;
use serde_json::Value;

/// Category, text, tokens without what the message around it takes.
type Sample = (String, String, u64);

/// What a message adds, and the samples.
fn claude() -> Option<(u64, Vec<Sample>)> {
    let path = shared("prices/claude-haiku-4-5-groundtruth.json")?;
    let file: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let word = |sample: &Value, key: &str| sample[key].as_str().expect("a string").to_owned();
    let samples = file["samples"].as_array().expect("a list").iter();
    let samples = samples
        .map(|sample| (word(sample, "category"), word(sample, "text"), sample["expected"].as_u64().expect("a count")));
    Some((file["overhead"].as_u64().expect("a count"), samples.collect()))
}

#[test]
fn the_bound_holds_on_what_claude_counted() {
    let Some((overhead, samples)) = claude() else { return };
    assert!(samples.len() >= 100, "only {} samples", samples.len());
    let (bound, framing) = Vendor::Anthropic.bounds("claude-haiku-4-5-20251001");
    assert_eq!((bound, framing), (TokenBound::Unpublished, Framing::ANTHROPIC));
    let added = framing.per_request.get() + framing.per_message.get();
    assert!(overhead <= added, "a message adds {overhead}");
    let mut worst = (0, String::new());
    for (_, text, tokens) in &samples {
        let most = bound.of(measure_text(text)).expect("fits").get();
        // Without the framing, which would hide a bound that fails for long texts.
        assert!(*tokens <= most, "{tokens} beyond {most}: {text:?}");
        let share = tokens * 1000 / most;
        if text.len() > 10 && share > worst.0 {
            worst = (share, text.clone());
        }
    }
    assert!(worst.0 < 800, "{worst:?} is nearer to the bound than the margin was made for");
}

#[test]
fn bytes_alone_would_not_hold() {
    let Some((_, samples)) = claude() else { return };
    let beyond = |(_, text, tokens): &&Sample| {
        TokenBound::Bytes.of(measure_text(text)).is_some_and(|most| Tokens::new(*tokens) > most)
    };
    assert!(samples.iter().filter(beyond).count() > 0, "the margin of the bound could go");
}

/// Rows of the table: category, samples, bound over real at best, in the mean, at worst.
pub(crate) fn rows() -> Vec<String> {
    let Some((_, samples)) = claude() else { return Vec::new() };
    let mut categories: Vec<&String> = samples.iter().map(|(category, ..)| category).collect();
    categories.sort();
    categories.dedup();
    let mut rows = Vec::new();
    for category in categories {
        let of: Vec<(u64, u64)> = samples
            .iter()
            .filter(|(c, text, _)| c == category && text.len() > 10)
            .map(|(_, text, tokens)| (bound_of(measure_text(text)), *tokens))
            .collect();
        let best = of.iter().min_by_key(|(bound, real)| bound * 1000 / real.max(&1));
        let worst = of.iter().max_by_key(|(bound, real)| bound * 1000 / real.max(&1));
        let (Some(best), Some(worst)) = (best, worst) else { continue };
        let sum = of.iter().fold((0, 0), |sum, (bound, real)| (sum.0 + bound, sum.1 + real));
        rows.push(format!(
            "| {category} | {} | {} | {} | {} |",
            of.len(),
            ratio(best.0, best.1),
            ratio(sum.0, sum.1),
            ratio(worst.0, worst.1)
        ));
    }
    rows
}

fn bound_of(text: TextMeasure) -> u64 {
    TokenBound::Unpublished.of(text).map_or(u64::MAX, Tokens::get)
}
