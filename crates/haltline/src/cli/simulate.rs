//! `haltline simulate FILE`: a night in virtual time, once without Haltline and once through it.

use super::Global;
use super::args::SimulateArgs;
use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use crate::config::{self, Secrets};
use haltline_sim::incident::{self, IncidentReport, Scenario};
use serde_json::json;

/// With a configuration that was named (`-c`), that one; else the scenario's own budget.
pub(super) fn run(
    args: &SimulateArgs,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let text = match &args.file {
        None => Scenario::POST_MORTEM.to_owned(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| CliError::new(Exit::NotFound, format!("{} cannot be read: {error}", path.display())))?,
    };
    let scenario = Scenario::parse(&text).map_err(|error| CliError::usage(error.to_string()))?;
    let settings = match &global.config {
        None => None,
        Some(path) => {
            let found = config::find(Some(path), env)?;
            Some(config::load_found(&found, env, Secrets::Ignored)?.settings)
        }
    };
    let calls = scenario.clients.users.saturating_mul(scenario.clients.calls_per_user);
    ui.note(&format!("playing {} with {calls} calls, twice, in virtual time \u{2026}", scenario.name));
    let report = incident::run(&scenario, settings).map_err(|error| CliError::failed(error.to_string()))?;
    show(&report, ui)?;
    match report.over {
        Some(over) if over.get() > 0 => {
            Err(CliError::new(Exit::OverBudget, format!("the limit was crossed by {over}")))
        }
        _ => Ok(()),
    }
}

fn show(report: &IncidentReport, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format != Format::Json {
        return ui.text(&report.render());
    }
    ui.json(&json!({
        "scenario": report.scenario,
        "users": report.users,
        "asked": report.asked,
        "admitted": report.admitted,
        "answered": report.answered,
        "refused": report.refused,
        "failed": report.failed,
        "retries": report.retries,
        "upstream_calls": report.upstream_calls,
        "upstream_calls_without": report.upstream_calls_without,
        "charged": report.charged.to_decimal(),
        "billed": report.billed_with.to_decimal(),
        "billed_without": report.without_haltline.to_decimal(),
        "limit": report.limit.as_ref().map(|(_, limit)| limit.to_decimal()),
        "over": report.over.map(|over| over.to_decimal()),
    }))
}
