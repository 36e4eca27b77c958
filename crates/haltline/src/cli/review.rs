//! `haltline review …`: what guards have refused, cut, taken out or flagged, and what people make
//! of it.

use super::admin::{Admin, IfAbsent, configuration, connect};
use super::args::Global;
use super::block_on;
use super::exit::CliError;
use super::ui::{Format, Ui};
use clap::{Args, Subcommand};
use haltline_http::admin::dto::{DecideCase, ReviewCase};
use serde_json::json;

/// `haltline review …`.
#[derive(Clone, Debug, Subcommand)]
pub enum ReviewCommand {
    /// Cases that nobody has decided, the latest first
    List(ReviewList),
    /// One of them: what was found, where, and the text around it
    Show(ReviewShow),
    /// Let the same text pass once, or switch its rules off
    Allow(ReviewAllow),
    /// Say that the guard was right
    #[command(alias = "confirm")]
    Deny(ReviewDeny),
    /// Rules that decisions have switched off
    Rules,
    /// Switch such a rule on again
    Restore(ReviewRestore),
    /// Decided cases as lines for `haltline guard eval`: what passes is labelled 0, what does not 1
    Export(ReviewExport),
}

/// `haltline review list`.
#[derive(Clone, Debug, Args)]
pub struct ReviewList {
    /// open, allowed_once, passed, rule_allowed or confirmed
    #[arg(long, default_value = "open", conflicts_with = "all")]
    pub state: String,
    /// Decided ones, too
    #[arg(long)]
    pub all: bool,
}

/// `haltline review show`.
#[derive(Clone, Debug, Args)]
pub struct ReviewShow {
    /// grd_…
    pub id: String,
    /// The text as it was, where `[guard.review] keep_prompts` keeps it; this is written down
    #[arg(long)]
    pub reveal: bool,
}

/// `haltline review allow`.
#[derive(Clone, Debug, Args)]
pub struct ReviewAllow {
    /// grd_…
    pub id: String,
    /// Switch its rules off for the key, instead of letting the text pass once
    #[arg(long)]
    pub rule: bool,
    /// For everybody
    #[arg(long, requires = "rule")]
    pub for_all: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline review deny`.
#[derive(Clone, Debug, Args)]
pub struct ReviewDeny {
    /// grd_…
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `haltline review restore`.
#[derive(Clone, Debug, Args)]
pub struct ReviewRestore {
    /// The rule's id
    pub rule: String,
    /// For this key; without it, what is switched off for everybody
    #[arg(long)]
    pub key: Option<String>,
}

/// `haltline review export`.
#[derive(Clone, Debug, Args)]
pub struct ReviewExport {
    /// The texts as they were, where they were kept; each is written down
    #[arg(long)]
    pub reveal: bool,
}

pub(super) fn run(
    command: &ReviewCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    let admin = connect(&loaded, IfAbsent::Refuse, env)?;
    match command {
        ReviewCommand::List(args) => {
            let state = (!args.all).then_some(args.state.as_str());
            list(&block_on(admin.cases(state))?, ui)
        }
        ReviewCommand::Show(args) => show(&block_on(admin.case(&args.id, args.reveal))?, ui),
        ReviewCommand::Allow(args) => allow(&*admin, args, ui),
        ReviewCommand::Deny(args) => {
            let wanted = DecideCase { ruling: "confirm".to_owned(), for_all: false, note: args.note.clone() };
            if args.dry_run {
                let case = block_on(admin.case(&args.id, false))?;
                return ui.said(&format!("Would confirm {}.", case.id));
            }
            let case = block_on(admin.decide_case(&args.id, &wanted))?;
            ui.said(&format!("Confirmed {}: the guard was right.", case.id))
        }
        ReviewCommand::Rules => {
            let rules = block_on(admin.allowed_rules())?;
            ui.list(&["rule", "off for", "by case", "decided by", "at"], &rules, |rule| {
                let whose = rule.key.clone().unwrap_or_else(|| "everybody".to_owned());
                vec![rule.rule.clone(), whose, rule.case.clone(), rule.by.clone(), rule.at.clone()]
            })
        }
        ReviewCommand::Restore(args) => {
            block_on(admin.restore_rule(&args.rule, args.key.as_deref()))?;
            ui.said(&format!("The rule {} is on again.", args.rule))
        }
        ReviewCommand::Export(args) => export(&*admin, args, ui),
    }
}

fn rules_of(case: &ReviewCase) -> String {
    let mut rules: Vec<&str> = case.findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.dedup();
    rules.join(", ")
}

fn list(cases: &[ReviewCase], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["id", "last", "times", "direction", "verdict", "rules", "key", "user", "model", "state", "excerpt"];
    ui.list(&headers, cases, |case| {
        let excerpt: String = clean(&case.excerpt).replace('\n', " ").chars().take(60).collect();
        let user = case.user.clone().unwrap_or_else(|| "-".to_owned());
        let (times, rules) = (case.times.to_string(), rules_of(case));
        let cells = [&case.id, &case.last_at, &times, &case.direction, &case.verdict, &rules, &case.key, &user];
        let mut cells: Vec<String> = cells.into_iter().map(|cell| clean(cell)).collect();
        cells.extend([clean(&case.model), case.state.clone(), excerpt]);
        cells
    })
}

fn show(case: &ReviewCase, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        return ui.json(case);
    }
    let user = case.user.as_ref().filter(|user| **user != case.key);
    let user = user.map(|user| format!(", user {user}")).unwrap_or_default();
    let mut text = format!(
        "{}: {} {}, {} times, the last at {}\n  key {}{user}, model {}, request {}\n",
        case.id, case.direction, case.verdict, case.times, case.last_at, case.key, case.model, case.request_id,
    );
    for finding in &case.findings {
        let span = finding.span.map(|[from, until]| format!(" [{from}..{until}]")).unwrap_or_default();
        text.push_str(&format!(
            "  {} ({}, {} points) in {}{span}, read {}\n",
            finding.rule, finding.category, finding.points, finding.place, finding.view
        ));
    }
    text.push_str(&format!("  rules {}; the text has {} bytes\n", case.rules_version, case.bytes));
    match (&case.decided_by, &case.decided_at) {
        (Some(by), Some(at)) => text.push_str(&format!(
            "  {} by {by} at {at}{}\n",
            case.state,
            case.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default()
        )),
        _ => text.push_str("  open\n"),
    }
    let shown = case.text.as_ref().unwrap_or(&case.excerpt);
    text.push_str(&format!("\n{shown}\n"));
    ui.text(&clean(&text))
}

fn allow(admin: &dyn Admin, args: &ReviewAllow, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let case = block_on(admin.case(&args.id, false))?;
    let what = match (args.rule, args.for_all) {
        (false, _) => format!("the text of {} may pass once, for key {}", case.id, case.key),
        (true, false) => format!("the rules {} are off for key {}", rules_of(&case), case.key),
        (true, true) => format!("the rules {} are off for everybody", rules_of(&case)),
    };
    if args.dry_run {
        return ui.said(&format!("Would decide: {what}."));
    }
    let ruling = if args.rule { "allow_rule" } else { "allow_once" };
    let wanted = DecideCase { ruling: ruling.to_owned(), for_all: args.for_all, note: args.note.clone() };
    block_on(admin.decide_case(&args.id, &wanted))?;
    ui.said(&format!("Decided: {what}."))
}

/// Lines that `haltline guard eval` reads.
fn export(admin: &dyn Admin, args: &ReviewExport, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let mut left = 0_usize;
    for case in block_on(admin.cases(None))? {
        let label = match case.state.as_str() {
            "confirmed" => 1,
            "allowed_once" | "passed" | "rule_allowed" => 0,
            _ => {
                left += 1;
                continue;
            }
        };
        let text = if args.reveal { block_on(admin.case(&case.id, true))?.text } else { None };
        let category = case.findings.first().map_or("-", |finding| finding.category.as_str());
        let line = json!({
            "text": text.unwrap_or_else(|| case.excerpt.clone()), "label": label, "kind": category,
            "source": format!("review/{}", case.direction), "lang": "", "id": case.id,
        });
        ui.text(&format!("{line}\n"))?;
    }
    if left > 0 {
        ui.note(&format!("{left} open cases are left out: decide them first"));
    }
    Ok(())
}

/// Text that clients wrote, without what a terminal would obey.
fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        // What changes the direction of writing makes a text look like another.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_a_client_wrote() {
        assert_eq!(clean("a\u{1b}[2J\u{9b}b\n\u{202e}c\u{2066}"), "a\u{fffd}[2J\u{fffd}b\n\u{fffd}c\u{fffd}");
    }
}
