//! `haltline check`: everything that is wrong with a configuration, or the worst case it allows.

use super::args::{CheckArgs, Global};
use super::exit::CliError;
use super::plan;
use super::ui::{Format, Ui};
use crate::config::worst_case::{self, Bound, Report, WorstCase};
use crate::config::{Secrets, find, load_fetching};
use crate::prices::remote::Fetching;
use serde_json::{Value, json};

pub(super) fn run(
    args: &CheckArgs,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    if args.json {
        ui.format = Format::Json;
        ui.is_explicit = true;
    }
    let found = find(global.config.as_deref(), env)?;
    let fetching = if args.fetch { Fetching::Now } else { Fetching::FromCopy };
    let loaded = load_fetching(&found, env, Secrets::Needed, fetching)?;
    let is_json = ui.is_explicit && ui.format == Format::Json;
    if is_json {
        ui.text(&loaded.warnings.to_json_lines())?;
    } else {
        let warnings = loaded.warnings.to_text(ui.paint);
        ui.note(&warnings);
    }
    if let Some(model) = &args.plan {
        return plan::run(model, args, &loaded.settings, ui);
    }
    let report = worst_case::report(&loaded.settings);
    if ui.format == Format::Json {
        return report.rows.iter().try_for_each(|row| ui.json(&row_json(&report, row)));
    }
    let (settings, name) = (&loaded.settings, found.name());
    ui.text(&format!(
        "{name}: sound. {} providers, {} models, {} prices, {} budgets.\n\n",
        settings.providers.len(),
        settings.models.len(),
        settings.prices.len(),
        settings.budgets.len()
    ))?;
    let hooks = &settings.alerts.hooks;
    if !hooks.is_empty() {
        let list = hooks.iter().map(|hook| {
            let on: Vec<&str> = hook.on.iter().map(|kind| kind.word()).collect();
            format!("  {}: {}\n", shown_url(&hook.hook.url), on.join(", "))
        });
        ui.text(&format!("Alerts go to:\n{}\n", list.collect::<String>()))?;
    }
    print(&report, ui)
}

/// Scheme and host: the path of a webhook is often as good as its password.
fn shown_url(url: &str) -> String {
    let path = url.find("://").and_then(|at| url[at + 3..].find(['/', '?']).map(|end| at + 3 + end));
    path.map_or_else(|| url.to_owned(), |end| format!("{}/…", &url[..end]))
}

fn print(report: &Report, ui: &mut Ui<'_>) -> Result<(), CliError> {
    ui.text(&format!("Worst case, the most that can be spent (clock and calendar of {}):\n\n", report.zone))?;
    let cell = |bound: &Option<Bound>| bound.as_ref().map_or("no limit".to_owned(), |bound| bound.most.to_string());
    let row = |row: &WorstCase| {
        vec![
            row.spender.word().to_owned(),
            cell(&row.clock_hour),
            cell(&row.any_hour),
            cell(&row.calendar_day),
            cell(&row.any_day),
            row.any_day.as_ref().map_or(String::new(), |bound| bound.by.clone()),
        ]
    };
    let headers = ["", "a clock hour", "any 60 minutes", "a calendar day", "any 24 hours", "any 24 hours bounded by"];
    let rows: Vec<Vec<String>> = report.rows.iter().map(row).collect();
    ui.list(&headers, &rows, Clone::clone)?;
    ui.text(&format!("\n{}\n", worst_case::NOTES))
}

/// `{"kind":"worst_case","spender":"whole gateway","zone":"UTC","clock_hour":{"most":"50.00","by":"day"},…}`;
/// null where nothing is the limit.
fn row_json(report: &Report, row: &WorstCase) -> Value {
    let bound =
        |bound: &Option<Bound>| bound.as_ref().map(|bound| json!({ "most": bound.most.to_decimal(), "by": bound.by }));
    json!({
        "kind": "worst_case",
        "spender": row.spender.word(),
        "zone": report.zone.to_string(),
        "clock_hour": bound(&row.clock_hour),
        "any_hour": bound(&row.any_hour),
        "calendar_day": bound(&row.calendar_day),
        "any_day": bound(&row.any_day),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_webhook_is_not_shown() {
        for (url, shown) in [
            ("https://hooks.example.com/services/T0/secret", "https://hooks.example.com/…"),
            ("https://hooks.example.com?token=secret", "https://hooks.example.com/…"),
            ("https://hooks.example.com:8443", "https://hooks.example.com:8443"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}
