//! `haltline key leaked`.

use crate::cli::args::KeyLeaked;
use crate::cli::exit::CliError;
use crate::cli::ui::{Format, Ui};
use crate::cli::when::{Direction, now, when};
use haltline_http::admin::dto::{LeakedKey, LeakedReport, LeakedSecret};
use std::io::Read;

/// More than that is no report.
const REPORT_BYTES_MAX: u64 = 4 << 20;

/// What was reported, on the command line or on standard input.
pub(super) fn read(args: &KeyLeaked) -> Result<LeakedReport, CliError> {
    let mut found = Vec::new();
    for secret in &args.secrets {
        if secret == "-" {
            let mut text = String::new();
            std::io::stdin()
                .take(REPORT_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|error| CliError::usage(format!("standard input cannot be read: {error}")))?;
            found.extend(of_text(&text)?);
        } else {
            found.push(LeakedSecret::Text(secret.clone()));
        }
    }
    let since = when(&args.since, now(), Direction::Past)?;
    Ok(LeakedReport::With { found, then: args.then.clone(), since: Some(since.to_string()) })
}

/// A secret a line, or the JSON of a scanner.
fn of_text(text: &str) -> Result<Vec<LeakedSecret>, CliError> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| {
            CliError::usage(format!("this is not a report: {error}"))
                .help("write [{\"token\": \"…\", \"type\": \"…\", \"url\": \"…\"}], or a secret a line")
        });
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(|line| LeakedSecret::Text(line.to_owned())).collect())
}

pub(super) fn show(found: &[LeakedKey], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["secret", "is", "key", "works", "last used", "from", "spent", "done", "found at"];
    ui.list(&headers, found, |leaked| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            leaked.hint.clone(),
            leaked.is.clone(),
            or_dash(&leaked.key),
            if leaked.works { "yes".to_owned() } else { "no".to_owned() },
            or_dash(&leaked.last_used),
            or_dash(&leaked.last_from),
            leaked.spent.as_ref().map_or_else(|| "-".to_owned(), |spent| format!("${spent}")),
            or_dash(&leaked.done),
            or_dash(&leaked.url),
        ]
    })?;
    if ui.format != Format::Json {
        for (name, secret) in found.iter().filter_map(|leaked| Some((leaked.key.as_ref()?, leaked.secret.as_ref()?))) {
            ui.text(&format!("The new secret of {name}, shown this once: {secret}\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_lines_or_json() {
        let texts = |text: &str| -> Vec<String> {
            of_text(text)
                .expect(text)
                .into_iter()
                .map(|secret| match secret {
                    LeakedSecret::Text(text) => text,
                    LeakedSecret::Report { token, url, .. } => format!("{token} at {}", url.unwrap_or_default()),
                })
                .collect()
        };
        assert_eq!(texts("one\n\n  two \n"), ["one", "two"]);
        assert_eq!(
            texts(r#" [{"token":"one","type":"haltline","url":"https://x"},"two"]"#),
            ["one at https://x", "two"]
        );
        assert!(of_text("[{\"tokn\":1}]").is_err());
    }
}
