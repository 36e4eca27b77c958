//! `[guard.output]`: what is looked for in answers, and what follows.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use super::value::{Text, pick};
use haltline_gateway::guard::output::{OutputGuard, OutputSettings};
use haltline_gateway::guard::settings::Mode;
use haltline_guard::output::{Action, InArguments, Phrase, PiiKind, SecretPattern, secret_rules};
use std::collections::BTreeMap;

/// The one key of `[guard]` that is read here.
pub(super) const KEY: &str = "output";

const OUTPUT: Keys = Keys::of(&[
    "secrets",
    "all_secrets",
    "rules",
    "own_secrets",
    "tool_arguments",
    "phrases",
    "topics",
    "canaries",
    "canary",
    "prompt_leak",
    "personal",
    "personal_mode",
]);
/// Nothing is noted in silence here: what may be said is said.
const MODES: [&str; 4] = ["off", "flag", "redact", "block"];
/// What was repeated of a system prompt is out already when it is found.
const LEAK_MODES: [&str; 3] = ["off", "flag", "block"];
const ACTIONS: [&str; 3] = ["flag", "redact", "block"];
const PERSONAL: [&str; 6] = [
    PiiKind::ALL[0].word(),
    PiiKind::ALL[1].word(),
    PiiKind::ALL[2].word(),
    PiiKind::ALL[3].word(),
    PiiKind::ALL[4].word(),
    PiiKind::ALL[5].word(),
];
const PHRASE: Keys = Keys::of(&["id", "match", "mode"]);
const PATTERN: Keys = Keys::of(&["id", "prefix", "class", "min", "max", "mode"]);

/// The section of `[guard]`.
pub(super) fn output(guard: &Section<'_>) -> OutputGuard {
    let section = Section { title: "[guard.output]".to_owned(), ..guard.section(KEY, &OUTPUT) };
    if !section.is_present() {
        return OutputGuard::default();
    }
    let usual = OutputSettings::default();
    let mode = |key: &str, words: &[&'static str], usual: Mode| {
        section.choice(key, words, &[]).and_then(mode_of).unwrap_or(usual)
    };
    let arguments = match section.choice("tool_arguments", &["keys", "flag", "as_text"], &[]) {
        Some("flag") => InArguments::Flagged,
        Some("as_text") => InArguments::AsInText,
        _ => usual.tool_arguments,
    };
    let mut phrases = phrases(&section, "phrases", Action::Cut);
    phrases.extend(self::phrases(&section, "topics", Action::Flag));
    let settings = OutputSettings {
        secrets: mode("secrets", &MODES, usual.secrets),
        all_secrets: section.boolean("all_secrets").unwrap_or(usual.all_secrets),
        secret_rules: rules(&section),
        own_secrets: patterns(&section),
        tool_arguments: arguments,
        phrases,
        canaries: section.texts("canaries").unwrap_or_default().into_iter().map(|text| text.text).collect(),
        canary: mode("canary", &MODES, usual.canary),
        prompt_leak: mode("prompt_leak", &LEAK_MODES, usual.prompt_leak),
        personal: personal(&section),
        personal_mode: mode("personal_mode", &MODES, usual.personal_mode),
        placeholders: BTreeMap::new(),
    };
    match OutputGuard::new(settings) {
        Ok(guard) => guard,
        Err(error) => {
            let wrong = Diagnostic::new(ConfigCode::NotUnderstood, format!("{}: {error}", section.title));
            section.walk.report(wrong.at(section.span.clone()));
            OutputGuard::default()
        }
    }
}

fn mode_of(word: &str) -> Option<Mode> {
    Mode::ALL.into_iter().find(|mode| mode.word() == word)
}

fn action_of(word: &str) -> Action {
    match word {
        "flag" => Action::Flag,
        "block" => Action::Cut,
        _ => Action::Redact,
    }
}

/// Modes of built-in rules.
fn rules(section: &Section<'_>) -> BTreeMap<String, Mode> {
    let Some(value) = section.value("rules") else { return BTreeMap::new() };
    let inner = value.into_section("[guard.output.rules]".to_owned(), section.key_span("rules"));
    let mut found = BTreeMap::new();
    for name in inner.map.into_iter().flat_map(|map| map.keys()) {
        let Some(text) = inner.value(name.get_ref()).and_then(|value| value.text()) else { continue };
        let Some(mode) = pick(section.walk, name.get_ref(), &text, &MODES, &[]).and_then(mode_of) else { continue };
        if secret_rules().any(|rule| rule.id == name.get_ref().as_ref()) {
            found.insert(name.get_ref().to_string(), mode);
            continue;
        }
        let message = format!("[guard.output.rules]: there is no rule `{}`", name.get_ref());
        let unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(name.span());
        section.walk.report(unknown.suggest(name.get_ref(), secret_rules().map(|rule| rule.id)));
    }
    found
}

/// The tables of a list within the section.
fn tables<'w>(section: &Section<'w>, key: &str, keys: &Keys) -> Vec<Section<'w>> {
    let Some(value) = section.value(key) else { return Vec::new() };
    let title = format!("[[guard.output.{key}]]");
    if !value.is_list() {
        value.wrong_type("a list of tables", &format!("write {title}"));
        return Vec::new();
    }
    let items = section.items(key).unwrap_or_default().into_iter();
    items
        .map(|item| {
            let span = item.span.clone();
            let inner = item.into_section(title.clone(), span);
            inner.check_keys(keys);
            inner
        })
        .collect()
}

/// A text that must be there.
fn needed(section: &Section<'_>, key: &str, example: &str) -> Option<Text> {
    if section.value(key).is_none() {
        section.missing(key, example);
    }
    section.text(key)
}

fn phrases(section: &Section<'_>, key: &str, usual: Action) -> Vec<Phrase> {
    let mut found = Vec::new();
    for table in tables(section, key, &PHRASE) {
        let id = needed(&table, "id", "id = \"codename\"");
        let any = match table.value("match") {
            Some(value) if value.is_list() => table.texts("match").unwrap_or_default(),
            Some(_) => table.text("match").into_iter().collect(),
            None => {
                table.missing("match", "match = [\"project bluebird\"]");
                Vec::new()
            }
        };
        let action = table.choice("mode", &ACTIONS, &[]).map_or(usual, action_of);
        if let (Some(id), false) = (id, any.is_empty()) {
            found.push(Phrase { id: id.text, any: any.into_iter().map(|text| text.text).collect(), action });
        }
    }
    found
}

fn patterns(section: &Section<'_>) -> Vec<SecretPattern> {
    let mut found = Vec::new();
    for table in tables(section, "own_secrets", &PATTERN) {
        let id = needed(&table, "id", "id = \"acme-token\"");
        let prefix = needed(&table, "prefix", "prefix = \"acme_\"");
        let class = needed(&table, "class", "class = \"A-Za-z0-9\"");
        if table.value("min").is_none() {
            table.missing("min", "min = 32");
        }
        let number = |key: &str, most: u64| table.integer(key, 1..=most).and_then(|number| u16::try_from(number).ok());
        let (min, max) = (number("min", 96), number("max", 4_096));
        let action = table.choice("mode", &ACTIONS, &[]).map(action_of);
        if let (Some(id), Some(prefix), Some(class), Some(min)) = (id, prefix, class, min) {
            found.push(SecretPattern { id: id.text, prefix: prefix.text, class: class.text, min, max, action });
        }
    }
    found
}

fn personal(section: &Section<'_>) -> Vec<PiiKind> {
    let texts = section.texts("personal").unwrap_or_default();
    let words = texts.iter().filter_map(|text| pick(section.walk, "personal", text, &PERSONAL, &[]));
    words.filter_map(PiiKind::from_word).collect()
}
