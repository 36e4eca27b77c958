//! `[guard]`: what is looked at, how strictly, and what is kept for review. External services stand
//! in a file of their own.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::guard_output;
use super::guard_services;
use super::models::Placed;
use super::reader::{Keys, Section};
use super::value::{Text, pick};
use haltline_gateway::guard::settings::{GuardSettings, InputGuard, Mode, Part, Reach, ReviewQueue};
use haltline_gateway::settings::ReviewSettings;
use haltline_guard::input::{Ruleset, Threshold};
use haltline_types::Name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const GUARD: Keys = Keys::of(&["input", guard_output::KEY, "review", guard_services::KEY]);
const INPUT: Keys = Keys::of(&[
    "mode",
    "reach",
    "parts",
    "flag_at",
    "block_at",
    "rules_file",
    "allow",
    "secrets",
    "rules",
    "models",
    "teams",
]);
const REVIEW: Keys = Keys::of(&["keep_prompts", "keep_for"]);
/// Input is never rewritten: what is forwarded is what was sent.
const INPUT_MODES: [&str; 4] = ["off", "shadow", "flag", "block"];
const DAY: Duration = Duration::from_secs(86_400);
const POINTS: std::ops::RangeInclusive<u64> = 1..=1_000;

/// The section. `models` are the names that requests may ask for besides `provider/model`.
pub(super) fn guard(root: &Section<'_>, models: &BTreeMap<Name, Placed>, providers: &[String]) -> GuardSettings {
    let section = root.section("guard", &GUARD);
    GuardSettings {
        input: input(&section, &models.keys()),
        services: guard_services::services(&section, models, providers),
        output: guard_output::output(&section),
        review: review(&section),
    }
}

/// What is kept of prompts that a provider's own policy has forbidden: as of those that guards have.
pub(super) const fn provider_reviews(guard: &GuardSettings) -> ReviewSettings {
    if guard.review.raw { ReviewSettings::Prompt } else { ReviewSettings::Fingerprint }
}

fn part<'w>(guard: &Section<'w>, key: &str, keys: &Keys) -> Section<'w> {
    Section { title: format!("[guard.{key}]"), ..guard.section(key, keys) }
}

fn input<'n>(guard: &Section<'_>, models: &(impl Iterator<Item = &'n Name> + Clone)) -> InputGuard {
    let section = part(guard, "input", &INPUT);
    let usual = InputGuard::default();
    let ruleset = ruleset(&section).unwrap_or(usual.ruleset);
    let mut rules = modes(&section, "rules");
    for text in section.texts("allow").unwrap_or_default() {
        rules.push((text, Mode::Off));
    }
    for (rule, _) in &rules {
        if !ruleset.has(&rule.text) {
            let message = format!("{}: there is no rule `{}`", section.title, rule.text);
            let unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(rule.span.clone());
            section.walk.report(unknown.suggest(&rule.text, ruleset.rules().iter().map(|rule| &*rule.id)));
        }
    }
    let by_model = modes(&section, "models");
    for (model, _) in &by_model {
        if !model.text.contains('/') && !models.clone().any(|name| **name == *model.text) {
            let message = format!("{}: there is no model `{}`", section.title, model.text);
            let unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(model.span.clone());
            section.walk.report(unknown.suggest(&model.text, models.clone().map(|name| &**name)));
        }
    }
    let points = |key: &str, usual: u32| {
        section.integer(key, POINTS).and_then(|points| u32::try_from(points).ok()).unwrap_or(usual)
    };
    let threshold = Threshold {
        flag_at: points("flag_at", usual.threshold.flag_at),
        block_at: points("block_at", usual.threshold.block_at),
    };
    if threshold.flag_at > threshold.block_at {
        let message = "`flag_at` is above `block_at`: a text would be refused before it is remarkable";
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("flag_at")));
    }
    InputGuard {
        mode: mode(&section, "mode").unwrap_or(usual.mode),
        models: named(by_model),
        teams: named(modes(&section, "teams")),
        rules: named(rules),
        reach: match section.choice("reach", &["latest_turn", "all", "session"], &[]) {
            Some("all") => Reach::All,
            Some("session") => Reach::Session,
            _ => Reach::LatestTurn,
        },
        parts: parts(&section).unwrap_or(usual.parts),
        threshold,
        ruleset,
        secrets: mode(&section, "secrets").unwrap_or(usual.secrets),
    }
}

/// The shipped rules, with those of the operator's own file.
fn ruleset(section: &Section<'_>) -> Option<Arc<Ruleset>> {
    let path = section.text("rules_file")?;
    let outside = section.walk.outside;
    let file = outside.base.join(path.text.strip_prefix("file:").unwrap_or(&path.text));
    let wrong = |message: String| {
        section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, message).at(path.span.clone()));
    };
    let text = match (outside.read)(&file) {
        Ok(text) => text,
        Err(error) => {
            wrong(format!("the rules file {} cannot be read: {error}", file.display()));
            return None;
        }
    };
    match Ruleset::shipped().with(&text) {
        Ok(ruleset) => Some(Arc::new(ruleset)),
        Err(error) => {
            wrong(format!("the rules file {}: {error}", file.display()));
            None
        }
    }
}

fn mode_of(word: &str) -> Option<Mode> {
    Mode::ALL.into_iter().find(|mode| mode.word() == word)
}

fn mode(section: &Section<'_>, key: &str) -> Option<Mode> {
    section.choice(key, &INPUT_MODES, &[]).and_then(mode_of)
}

/// A table of names and modes.
fn modes(section: &Section<'_>, key: &str) -> Vec<(Text, Mode)> {
    let Some(value) = section.value(key) else { return Vec::new() };
    let inner = value.into_section(format!("[guard.input.{key}]"), section.key_span(key));
    let mut found = Vec::new();
    for name in inner.map.into_iter().flat_map(|map| map.keys()) {
        let Some(value) = inner.value(name.get_ref()) else { continue };
        let Some(text) = value.text() else { continue };
        if let Some(mode) = pick(section.walk, name.get_ref(), &text, &INPUT_MODES, &[]).and_then(mode_of) {
            found.push((Text { text: name.get_ref().to_string(), span: name.span() }, mode));
        }
    }
    found
}

fn named(modes: Vec<(Text, Mode)>) -> BTreeMap<Name, Mode> {
    modes.into_iter().map(|(name, mode)| (Name::new(&name.text), mode)).collect()
}

fn parts(section: &Section<'_>) -> Option<Vec<Part>> {
    const WORDS: [&str; 4] = ["user", "tool_result", "document", "tool_description"];
    let texts = section.texts("parts")?;
    let words = texts.iter().filter_map(|text| pick(section.walk, "parts", text, &WORDS, &[]));
    Some(words.filter_map(|word| Part::ALL.into_iter().find(|part| part.word() == word)).collect())
}

fn review(guard: &Section<'_>) -> ReviewQueue {
    let section = part(guard, "review", &REVIEW);
    let usual = ReviewQueue::default();
    ReviewQueue {
        keep_for: section.duration("keep_for", DAY..=365 * DAY).unwrap_or(usual.keep_for),
        raw: section.boolean("keep_prompts").unwrap_or(usual.raw),
    }
}
