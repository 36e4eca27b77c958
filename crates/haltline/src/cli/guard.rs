//! `haltline guard`: what the rules of the input guard are worth on labelled texts. Needs no gateway
//! and no configuration.

mod corpus;

use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use clap::{Args, Subcommand};
use corpus::Corpus;
use haltline_guard::input::quality::{Hits, Label, Quality, Tally};
use haltline_guard::input::{Allow, Ruleset, Threshold};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Texts between two signs of life.
const NOTE_EVERY: u64 = 2_000;
/// Bytes of a rules file, at most.
const RULES_BYTES_MAX: u64 = 4 << 20;

/// `haltline guard …`.
#[derive(Debug, Subcommand)]
pub enum GuardCommand {
    /// Try the input rules on labelled texts: recall and false positives by source, hits by rule
    Eval(GuardEval),
}

/// `haltline guard eval`.
#[derive(Debug, Args)]
pub struct GuardEval {
    /// Texts, one JSON object a line: text, label (1 for an attack, 0 for an honest text), and source,
    /// kind, lang as far as known
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Own rules (TOML), in addition to the shipped ones
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Switch this rule off; once for each
    #[arg(long, value_name = "RULE")]
    pub allow: Vec<String>,
    /// Points from which a text is flagged
    #[arg(long, value_name = "POINTS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub flag_at: u32,
    /// Points from which a text is blocked
    #[arg(long, value_name = "POINTS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub block_at: u32,
    /// As Markdown, for documents
    #[arg(long)]
    pub markdown: bool,
}

/// Does what was asked.
pub(super) fn run(command: &GuardCommand, ui: &mut Ui<'_>) -> Result<(), CliError> {
    match command {
        GuardCommand::Eval(args) => eval(args, ui),
    }
}

fn eval(args: &GuardEval, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if args.block_at < args.flag_at {
        return Err(CliError::usage("--block-at is below --flag-at").help("what is blocked is flagged as well"));
    }
    let rules = rules(args.rules.as_deref())?;
    if let Some(unknown) = args.allow.iter().find(|rule| !rules.has(rule)) {
        return Err(
            CliError::usage(format!("there is no rule `{unknown}`")).help("`--format json` lists those that fire")
        );
    }
    let allow = Allow::rules(args.allow.iter().cloned());
    let threshold = Threshold { flag_at: args.flag_at, block_at: args.block_at };
    let mut quality = Quality::new(threshold);
    let mut seen: u64 = 0;
    for file in &args.files {
        let mut corpus = Corpus::open(file)?;
        while let Some(row) = corpus.next_row()? {
            let found = rules.scan(&row.text, &allow);
            quality.add(Label { is_attack: row.is_attack, source: &row.source, kind: &row.kind }, &found);
            seen += 1;
            if seen.is_multiple_of(NOTE_EVERY) {
                ui.note(&format!("{seen} texts read, now in {} \u{2026}", file.display()));
            }
        }
    }
    if seen == 0 {
        return Err(CliError::usage("there are no texts in these files"));
    }
    if args.markdown {
        return ui.text(&quality.markdown(&rules));
    }
    show(&quality, &rules, threshold, ui)
}

fn rules(extra: Option<&Path>) -> Result<Arc<Ruleset>, CliError> {
    let shipped = Ruleset::shipped();
    let Some(path) = extra else { return Ok(shipped) };
    let cannot = |error| CliError::new(Exit::NotFound, format!("{} cannot be read: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > RULES_BYTES_MAX {
        return Err(CliError::usage(format!(
            "{} has {size} bytes, at most {RULES_BYTES_MAX} are read",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let rules = shipped.with(&text).map_err(|error| CliError::usage(format!("{}: {error}", path.display())))?;
    Ok(Arc::new(rules))
}

/// A line of the first table.
#[derive(Serialize)]
struct SourceLine {
    table: &'static str,
    source: String,
    texts: &'static str,
    n: u32,
    flagged: u32,
    blocked: u32,
    flagged_percent: String,
    blocked_percent: String,
}

impl SourceLine {
    fn new(table: &'static str, source: &str, texts: &'static str, tally: Tally) -> Self {
        Self {
            table,
            source: source.to_owned(),
            texts,
            n: tally.rows,
            flagged: tally.flagged,
            blocked: tally.blocked,
            flagged_percent: format!("{:.2}", tally.flagged_percent()),
            blocked_percent: format!("{:.2}", tally.blocked_percent()),
        }
    }

    fn cells(&self) -> Vec<String> {
        let percent = |percent: &str| format!("{percent} %");
        vec![
            self.source.clone(),
            self.texts.to_owned(),
            self.n.to_string(),
            percent(&self.flagged_percent),
            percent(&self.blocked_percent),
        ]
    }
}

/// A line of the table of rules.
#[derive(Serialize)]
struct RuleLine {
    table: &'static str,
    rule: String,
    category: &'static str,
    severity: &'static str,
    points: u32,
    attacks: u32,
    honest: u32,
    honest_blocked: u32,
}

impl RuleLine {
    fn cells(&self) -> Vec<String> {
        vec![
            self.rule.clone(),
            self.category.to_owned(),
            self.points.to_string(),
            self.attacks.to_string(),
            self.honest.to_string(),
            self.honest_blocked.to_string(),
        ]
    }
}

fn show(quality: &Quality, rules: &Ruleset, threshold: Threshold, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let mut sources: Vec<SourceLine> = quality
        .sources()
        .map(|(is_attack, source, tally)| {
            SourceLine::new("source", source, if is_attack { "attacks" } else { "honest" }, tally)
        })
        .collect();
    sources.push(SourceLine::new("total", "all", "attacks", quality.attacks()));
    sources.push(SourceLine::new("total", "all", "honest", quality.honest()));
    sources.extend(quality.disguises().map(|(kind, tally)| SourceLine::new("disguise", kind, "disguised", tally)));
    if quality.disguised().rows > 0 {
        sources.push(SourceLine::new("total", "all", "disguised", quality.disguised()));
    }
    let hits = |id: &str| quality.rules().find(|(rule, _)| *rule == id).map_or_else(Hits::default, |(_, hits)| hits);
    let fired: Vec<RuleLine> = rules
        .rules()
        .iter()
        .map(|rule| {
            let Hits { attacks, honest, blocked_honest } = hits(&rule.id);
            RuleLine {
                table: "rule",
                rule: rule.id.to_string(),
                category: rule.category.word(),
                severity: rule.severity.word(),
                points: rule.points,
                attacks,
                honest,
                honest_blocked: blocked_honest,
            }
        })
        .filter(|line| line.attacks + line.honest > 0)
        .collect();
    ui.list(&["source", "texts", "n", "flag: hit", "block: hit"], &sources, SourceLine::cells)?;
    if ui.format == Format::Table {
        ui.text("\n")?;
    }
    let headers = ["rule", "category", "points", "in attacks", "in honest", "honest blocked"];
    ui.list(&headers, &fired, RuleLine::cells)?;
    ui.note(&format!(
        "rules {}; flagged at {} points, blocked at {}; a hit of attacks is recall, of honest texts a false positive",
        rules.version(),
        threshold.flag_at,
        threshold.block_at
    ));
    Ok(())
}
