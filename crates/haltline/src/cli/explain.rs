//! `haltline explain CODE`: the page of an error that a client sees, or of a configuration's.

use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use crate::config::ConfigCode;
use haltline_types::Code;
use serde_json::json;

pub(super) fn run(word: &str, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let (code, page) = page(word)?;
    if ui.is_explicit && ui.format == Format::Json {
        return ui.json(&json!({ "code": code, "page": page }));
    }
    ui.text(&page)
}

fn page(word: &str) -> Result<(String, String), CliError> {
    let wanted = word.trim().trim_start_matches("/errors/");
    if let Some(code) = Code::from_word(&wanted.to_ascii_lowercase()) {
        return Ok((code.word().to_owned(), haltline_http::error_page(code).to_owned()));
    }
    if let Some(code) = ConfigCode::from_word(wanted) {
        let kind = if code.is_warning() { "a warning" } else { "an error" };
        let page = format!("# {code}: {}\n\nThis is {kind} of the configuration.\n\n{}\n", code.title(), code.text());
        return Ok((code.word(), page));
    }
    let known = Code::ALL.map(Code::word);
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(wanted, known), known)).min();
    let error = CliError::new(Exit::NotFound, format!("there is no code `{word}`"));
    Err(match near {
        Some((distance, near)) if distance <= 4 => error.help(format!("did you mean `{near}`?")),
        _ => error.help(format!("codes are C001 to C116 in a configuration, and {}", known.join(", "))),
    })
}
