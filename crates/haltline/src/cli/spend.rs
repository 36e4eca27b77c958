//! `haltline spend`.

use super::admin::{IfAbsent, SpendAsk, configuration, connect};
use super::args::{Global, SpendArgs};
use super::block_on;
use super::exit::CliError;
use super::ui::{Format, Ui};
use super::when::{Direction, now, when};
use haltline_http::admin::dto::SpendLine;
use haltline_ports::SpendKey;
use haltline_types::Timestamp;
use serde_json::{Map, Value, json};

pub(super) fn run(
    args: &SpendArgs,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let ask = ask(args, now())?;
    let (_, loaded) = configuration(global, env)?;
    let lines = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.spend(&ask).await })?;
    show(&ask, &lines, ui)
}

fn ask(args: &SpendArgs, now: Timestamp) -> Result<SpendAsk, CliError> {
    let words = args.by.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
    let key = |word: &str| {
        SpendKey::ALL.into_iter().find(|key| key.word() == word).ok_or_else(|| {
            let known = SpendKey::ALL.map(SpendKey::word).join(", ");
            CliError::usage(format!("spend cannot be grouped by `{word}`")).help(format!("group by {known}"))
        })
    };
    let since = when(&args.since, now, Direction::Past)?;
    let until = match &args.until {
        Some(text) => when(text, now, Direction::Past)?,
        // The end is not included, and what ended this very millisecond should be.
        None => now.saturating_add(std::time::Duration::from_secs(1)),
    };
    if until <= since {
        return Err(CliError::usage("--until is not after --since"));
    }
    Ok(SpendAsk { by: words.map(key).collect::<Result<_, _>>()?, since, until })
}

fn show(ask: &SpendAsk, lines: &[SpendLine], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let words: Vec<&str> = ask.by.iter().map(|key| key.word()).collect();
    if ui.format == Format::Json {
        return lines.iter().try_for_each(|line| ui.json(&line_json(&words, line)));
    }
    let headers: Vec<&str> =
        words.iter().copied().chain(["requests", "attempts", "input tokens", "output tokens", "cost usd"]).collect();
    ui.list(&headers, lines, |line| {
        let numbers =
            [line.requests, line.attempts, line.input_tokens, line.output_tokens].map(|number| number.to_string());
        line.group.iter().cloned().chain(numbers).chain([line.cost.clone()]).collect()
    })
}

/// `{"key":"web","day":"2026-11-24","requests":3,"attempts":3,"input_tokens":10,"output_tokens":5,"cost":"0.02"}`.
fn line_json(words: &[&str], line: &SpendLine) -> Value {
    let mut object: Map<String, Value> =
        words.iter().zip(&line.group).map(|(word, value)| ((*word).to_owned(), json!(value))).collect();
    object.insert("requests".to_owned(), json!(line.requests));
    object.insert("attempts".to_owned(), json!(line.attempts));
    object.insert("input_tokens".to_owned(), json!(line.input_tokens));
    object.insert("output_tokens".to_owned(), json!(line.output_tokens));
    object.insert("cost".to_owned(), json!(line.cost));
    Value::Object(object)
}
