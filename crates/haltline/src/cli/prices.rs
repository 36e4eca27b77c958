//! `haltline prices`: what the shipped lists say, and what another list would change. The prices
//! of a configuration are `haltline check`'s matter.

mod matrix;
mod show;

use super::args::{PricesCommand, PricesList};
use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use crate::config::check_list;
use crate::prices::{Catalogue, Difference, Listed, Shipped, differences, usd_per_million};
use haltline_policy::price::Rates;
use haltline_types::Timestamp;
use serde::Serialize;
use std::fs;
use std::path::Path;

pub(super) fn run(command: &PricesCommand, now: Timestamp, ui: &mut Ui<'_>) -> Result<(), CliError> {
    match command {
        PricesCommand::List(args) => list(args, ui),
        PricesCommand::Show(args) => {
            as_asked(args.json, ui);
            show::run(&args.model, now, ui)
        }
        PricesCommand::Diff(args) => {
            as_asked(args.json, ui);
            diff(&args.file, now, ui)
        }
        PricesCommand::Check(args) => {
            as_asked(args.json, ui);
            check(&args.file, now, ui)
        }
        PricesCommand::Matrix => ui.text(&matrix::markdown()?),
    }
}

/// `--json` is short for `--format json`.
fn as_asked(json: bool, ui: &mut Ui<'_>) {
    if json {
        ui.format = Format::Json;
        ui.is_explicit = true;
    }
}

/// A line of `prices list`; rates in USD per million tokens.
#[derive(Serialize)]
struct Line {
    provider: &'static str,
    model: String,
    input: String,
    cached_input: Option<String>,
    output: String,
    /// Prompts longer than this cost more.
    long_over: Option<u64>,
    max_input: Option<u64>,
    max_output: Option<u64>,
    status: &'static str,
    retires: Option<String>,
    as_of: String,
}

fn list(args: &PricesList, ui: &mut Ui<'_>) -> Result<(), CliError> {
    as_asked(args.json, ui);
    let wanted = match &args.provider {
        Some(word) => vec![provider(word)?],
        None => Shipped::ALL.to_vec(),
    };
    let mut lines = Vec::new();
    for shipped in wanted {
        let catalogue = catalogue(shipped)?;
        lines.extend(catalogue.models.iter().filter_map(|(model, listed)| line(shipped, catalogue, model, listed)));
    }
    let headers = ["provider", "model", "input", "cached", "output", "longer than", "status", "shut down"];
    ui.list(&headers, &lines, |line| {
        vec![
            line.provider.to_owned(),
            line.model.clone(),
            line.input.clone(),
            line.cached_input.clone().unwrap_or_default(),
            line.output.clone(),
            line.long_over.map(|over| over.to_string()).unwrap_or_default(),
            line.status.to_owned(),
            line.retires.clone().unwrap_or_default(),
        ]
    })?;
    if ui.format == Format::Table {
        ui.note(&format!("{} models; USD per million tokens. More of one: haltline prices show MODEL", lines.len()));
    }
    Ok(())
}

fn line(shipped: Shipped, catalogue: &Catalogue, model: &str, listed: &Listed) -> Option<Line> {
    let row = base(listed)?;
    let long = listed.price.settle.iter().map(|row| row.over_prompt_tokens.get()).filter(|over| *over > 0).min();
    Some(Line {
        provider: shipped.word(),
        model: model.to_owned(),
        input: usd_per_million(row.input),
        cached_input: row.cached_input.map(usd_per_million),
        output: usd_per_million(row.output),
        long_over: long,
        max_input: listed.price.max_input.map(haltline_types::Tokens::get),
        max_output: listed.price.max_output.map(haltline_types::Tokens::get),
        status: listed.status.word(),
        retires: listed.retires.clone(),
        as_of: catalogue.as_of.clone(),
    })
}

fn base(listed: &Listed) -> Option<&Rates> {
    listed.price.settle.iter().min_by_key(|row| row.over_prompt_tokens)
}

fn provider(word: &str) -> Result<Shipped, CliError> {
    Shipped::from_word(word).ok_or_else(|| {
        let known = Shipped::ALL.map(Shipped::word);
        let error = CliError::new(Exit::NotFound, format!("there is no price list of `{word}`"));
        error.help(format!("there are {}", known.join(", ")))
    })
}

fn catalogue(shipped: Shipped) -> Result<&'static Catalogue, CliError> {
    shipped
        .catalogue()
        .map_err(|error| CliError::failed(format!("the shipped price list `{}` is damaged: {error}", shipped.word())))
}

/// Reads and checks a list; warnings go to standard error.
fn read_list(file: &Path, now: Timestamp, ui: &mut Ui<'_>) -> Result<Catalogue, CliError> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| CliError::usage(format!("{name} cannot be read: {error}")))?;
    let (catalogue, warnings) = check_list(&name, &text, now)?;
    if ui.is_explicit && ui.format == Format::Json {
        ui.text(&warnings.to_json_lines())?;
    } else {
        let warnings = warnings.to_text(ui.paint);
        ui.note(&warnings);
    }
    Ok(catalogue)
}

fn check(file: &Path, now: Timestamp, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let catalogue = read_list(file, now, ui)?;
    let (models, provider, as_of) = (catalogue.models.len(), &catalogue.provider, &catalogue.as_of);
    ui.said(&format!("{}: sound. {models} models of `{provider}`, prices of {as_of}.", file.display()))
}

fn diff(file: &Path, now: Timestamp, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let new = read_list(file, now, ui)?;
    let old = catalogue(provider(&new.provider)?)?;
    let found = differences(old, &new);
    if ui.format != Format::Table {
        let headers = ["model", "field", "was", "becomes"];
        return ui.list(&headers, &found, |difference| {
            let Difference { model, field, was, becomes } = difference.clone();
            vec![model, field, was.unwrap_or_default(), becomes.unwrap_or_default()]
        });
    }
    let mut text = String::new();
    for difference in &found {
        let Difference { model, field, was, becomes } = difference;
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
        text += &match (was, becomes) {
            (Some(was), None) if field.is_empty() => format!("- {model} ({was})\n"),
            (None, Some(becomes)) if field.is_empty() => format!("+ {model} ({becomes})\n"),
            _ => format!("~ {model}: {field}: {} -> {}\n", shown(was), shown(becomes)),
        };
    }
    ui.text(&text)?;
    ui.note(&format!(
        "{} changes from the shipped list of {} to {} of {}",
        found.len(),
        old.as_of,
        file.display(),
        new.as_of
    ));
    Ok(())
}
