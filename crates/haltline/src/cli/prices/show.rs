//! `haltline prices show MODEL`: rates, limits, where they come from, and what requests cost.

use super::{catalogue, provider};
use crate::cli::exit::{CliError, Exit};
use crate::cli::ui::{Format, Ui};
use crate::prices::days::{days_between, midnight};
use crate::prices::{Catalogue, Listed, Shipped, named, usd_per_million, when};
use comfy_table::{Table, presets};
use haltline_policy::price::{Multiplier, Price, Rates};
use haltline_policy::quote::OUTPUT_SLACK;
use haltline_types::{Timestamp, Tokens, Usage};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Prompts whose cost is shown, with an output cap.
const EXAMPLES: [(u64, u64); 3] = [(1_000, 1_024), (10_000, 1_024), (100_000, 4_096)];

pub(super) fn run(model: &str, now: Timestamp, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let found = find(model)?;
    for (index, (shipped, catalogue, name, listed)) in found.iter().enumerate() {
        if ui.format == Format::Json {
            ui.json(&as_json(*shipped, catalogue, name, listed, now))?;
        } else {
            let gap = if index > 0 { "\n" } else { "" };
            ui.text(&format!("{gap}{}", as_text(*shipped, catalogue, name, listed, now)))?;
        }
    }
    Ok(())
}

type Found = (Shipped, &'static Catalogue, &'static str, &'static Listed);

/// `provider/model`, or a bare id in every list that has it. Ids themselves may have slashes.
fn find(wanted: &str) -> Result<Vec<Found>, CliError> {
    let (mut found, mut near) = (Vec::new(), None);
    let (list, rest) = match wanted.split_once('/') {
        Some((list, rest)) if Shipped::from_word(list).is_some() => (Some(provider(list)?), rest),
        _ => (None, wanted),
    };
    for shipped in Shipped::ALL {
        let all = catalogue(shipped)?;
        for (name, listed) in &all.models {
            if name == wanted || (list == Some(shipped) && name == rest) {
                found.push((shipped, all, name.as_str(), listed));
                continue;
            }
            let distance = strsim::damerau_levenshtein(name, rest);
            if list.is_none_or(|list| list == shipped) && near.as_ref().is_none_or(|(least, _)| distance < *least) {
                near = Some((distance, format!("{}/{name}", shipped.word())));
            }
        }
    }
    // `openai/gpt-5` is OpenAI's, and only else the one that OpenRouter calls so.
    if found.iter().any(|(shipped, _, name, _)| list == Some(*shipped) && *name == rest) {
        found.retain(|(shipped, ..)| list == Some(*shipped));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let error = CliError::new(Exit::NotFound, format!("no shipped price list has `{wanted}`"));
    Err(match near.filter(|(distance, _)| *distance <= 4) {
        Some((_, near)) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`haltline prices list` shows all; `[prices.\"provider/model\"]` gives a price"),
    })
}

/// What one request of so much input and output costs now, and what is held for it.
fn example(price: &Price, (input, cap): (u64, u64), now: Timestamp) -> Option<(Tokens, Tokens, String, String)> {
    let input = price.max_input.map_or(Tokens::new(input), |most| most.min(Tokens::new(input)));
    let cap = price.max_output.map_or(Tokens::new(cap), |most| most.min(Tokens::new(cap)));
    let slack = if cap == Tokens::ZERO { Tokens::ZERO } else { OUTPUT_SLACK };
    let usage = Usage { input, output: cap, ..Usage::default() };
    let cost = price.cost_between(&usage, Multiplier::ONE, (now, now))?;
    let held = price.at(now).ceiling(input, cap.checked_add(slack)?)?;
    Some((input, cap, cost.to_decimal(), held.to_decimal()))
}

fn as_text(shipped: Shipped, catalogue: &Catalogue, name: &str, listed: &Listed, now: Timestamp) -> String {
    let price = &listed.price;
    let mut out = format!("{}/{name}\n\n", shipped.word());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["USD per million tokens", "input", "cached", "write", "long write", "media", "output"]);
    let mut rows = |title: &str, rows: &[Rates]| {
        for row in rows {
            let cell = |kind: &str| {
                let of = named(row).into_iter().find(|(name, _)| *name == kind);
                of.map(|(_, rate)| usd_per_million(rate)).unwrap_or_default()
            };
            let over = match row.over_prompt_tokens {
                Tokens::ZERO => title.to_owned(),
                over => format!("{title}, prompts over {}", over.get()),
            };
            let kinds = ["input", "cached_input", "cache_write", "cache_write_long", "media", "output"];
            table.add_row(std::iter::once(over).chain(kinds.map(cell)));
        }
    };
    rows("charged", &price.settle);
    for change in &price.changes {
        rows(&when(change.when), &change.settle);
    }
    rows("held", &price.ceiling);
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    }
    let _ = writeln!(out);
    let mut fact = |title: &str, text: String| {
        let _ = writeln!(out, "{title:<12} {text}");
    };
    let tokens = |tokens: Option<Tokens>| tokens.map_or("unknown".to_owned(), |tokens| tokens.get().to_string());
    fact("limits", format!("{} tokens of input, {} of output", tokens(price.max_input), tokens(price.max_output)));
    for (input, cap) in EXAMPLES {
        if let Some((input, cap, cost, held)) = example(price, (input, cap), now) {
            let both = format!("{} in, {} out: ${cost}, held ${held}", input.get(), cap.get());
            fact("a request", both);
        }
    }
    for (tool, fee) in price.fees.named() {
        if let Some(fee) = fee {
            fact("fee", format!("{tool}: {fee} each"));
        }
    }
    if let Some(factor) = listed.regional {
        fact("regional", format!("times {}/{}", factor.numerator, factor.denominator));
    }
    if price.states_cost {
        fact("settled by", "the cost that the provider states in its usage report".to_owned());
    }
    if let Some(day) = &listed.retires {
        fact("shut down", day.clone());
    }
    let doubt =
        if listed.doubt.is_empty() { String::new() } else { format!(" (in doubt: {})", listed.doubt.join(", ")) };
    fact("sources", format!("{}: {}{doubt}", listed.status.word(), listed.sources.join(", ")));
    let age = midnight(&catalogue.as_of).map_or(0, |as_of| days_between(as_of, now));
    fact("as of", format!("{}, {age} days ago", catalogue.as_of));
    for (title, value) in [("verified", &listed.verified), ("page", &listed.page)] {
        if let Some(value) = value {
            fact(title, value.clone());
        }
    }
    out
}

fn as_json(shipped: Shipped, catalogue: &Catalogue, name: &str, listed: &Listed, now: Timestamp) -> Value {
    let price = &listed.price;
    let rows = |rows: &[Rates]| -> Vec<Value> {
        let row = |row: &Rates| {
            let mut object: Map<String, Value> =
                named(row).into_iter().map(|(kind, rate)| (kind.to_owned(), json!(usd_per_million(rate)))).collect();
            object.insert("over".to_owned(), json!(row.over_prompt_tokens.get()));
            Value::Object(object)
        };
        rows.iter().map(row).collect()
    };
    let changes: Vec<Value> = price
        .changes
        .iter()
        .map(|change| json!({ "when": when(change.when), "settle": rows(&change.settle) }))
        .collect();
    let fees: Map<String, Value> = price
        .fees
        .named()
        .into_iter()
        .filter_map(|(tool, fee)| Some((tool.to_owned(), json!(fee?.to_decimal()))))
        .collect();
    let examples: Vec<Value> = EXAMPLES
        .into_iter()
        .filter_map(|(input, cap)| example(price, (input, cap), now))
        .map(
            |(input, cap, cost, held)| json!({ "input": input.get(), "output": cap.get(), "cost": cost, "held": held }),
        )
        .collect();
    json!({
        "provider": shipped.word(),
        "model": name,
        "settle": rows(&price.settle),
        "ceiling": rows(&price.ceiling),
        "changes": changes,
        "fees": fees,
        "max_input": price.max_input.map(Tokens::get),
        "max_output": price.max_output.map(Tokens::get),
        "regional": listed.regional.map(|factor| format!("{}/{}", factor.numerator, factor.denominator)),
        "states_cost": price.states_cost,
        "retires": listed.retires,
        "status": listed.status.word(),
        "doubt": listed.doubt,
        "sources": listed.sources,
        "verified": listed.verified,
        "page": listed.page,
        "as_of": catalogue.as_of,
        "examples": examples,
    })
}
