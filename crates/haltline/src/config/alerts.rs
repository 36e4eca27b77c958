//! `[[alerts]]`: webhooks that want to be told.

use super::budgets;
use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use super::value::{Value, pick};
use haltline_gateway::Hook;
use haltline_gateway::settings::{AlertHook, AlertKind, AlertSettings, Secret};
use haltline_gateway::webhooks::check_secret;
use haltline_ports::Reach;
use haltline_upstream::check_webhook;

const KEYS: Keys = Keys::of(&["webhook", "secret", "on", "allow_private"]);
const WORDS: [&str; 5] = [
    AlertKind::ALL[0].word(),
    AlertKind::ALL[1].word(),
    AlertKind::ALL[2].word(),
    AlertKind::ALL[3].word(),
    AlertKind::ALL[4].word(),
];
/// More webhooks are not taken: each alert goes to each of them.
const HOOKS_MAX: usize = 50;
const HOW: &str = "make one with: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"";

pub(super) fn alerts(root: &Section<'_>, budgets: &budgets::Read) -> AlertSettings {
    let mut hooks: Vec<AlertHook> = Vec::new();
    for section in root.list("alerts", &KEYS) {
        if section.map.is_some_and(|map| map.is_empty()) {
            let message = "an [[alerts]] without a `webhook` has no effect".to_owned();
            let warning = Diagnostic::new(ConfigCode::NoEffect, message).at(section.span.clone());
            section.walk.report(warning.help("write webhook = \"https://…\" and secret = \"${NAME}\""));
            continue;
        }
        let Some(hook) = hook(&section) else { continue };
        let wants_budgets = hook.on == [AlertKind::Budget];
        if wants_budgets && budgets.alerts.is_empty() {
            let message = "no budget has an `alert_at`, so this webhook is never called".to_owned();
            section.walk.report(Diagnostic::new(ConfigCode::NoEffect, message).at(section.key_span("on")));
        }
        if hooks.iter().any(|other| other.hook.url == hook.hook.url) {
            let message = "two [[alerts]] have the same webhook".to_owned();
            let wrong = Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("webhook"));
            section.walk.report(wrong.help("write one with all of its `on`"));
        }
        hooks.push(hook);
        if hooks.len() == HOOKS_MAX + 1 {
            let message = format!("more than {HOOKS_MAX} [[alerts]]");
            section.walk.report(Diagnostic::new(ConfigCode::OutOfRange, message).at(section.span.clone()));
        }
    }
    AlertSettings { at: budgets.alerts.clone(), hooks }
}

fn hook(section: &Section<'_>) -> Option<AlertHook> {
    let allow_private = section.boolean("allow_private").unwrap_or(false);
    let url = url(section, "webhook", allow_private);
    let secrets = secrets(section);
    let on = kinds(section);
    Some(AlertHook { hook: Hook { url: url?, secrets, allow_private }, on: on? })
}

/// The address of a webhook; one that is out of reach is a warning, because nothing else depends on it.
pub(super) fn url(section: &Section<'_>, key: &str, allow_private: bool) -> Option<String> {
    let Some(text) = section.text(key) else {
        if section.value(key).is_none() {
            section.missing(key, &format!("{key} = \"https://…\""));
        }
        return None;
    };
    // What is refused even where everything is allowed is no address of a webhook.
    if let Err(fault) = check_webhook(&text.text, Reach::Private) {
        let message = format!("`{key}` cannot be called: {fault}");
        section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, message).at(text.span));
        return None;
    }
    if let Err(fault) = check_webhook(&text.text, Reach::private_if(allow_private)) {
        let message = format!("`{key}` is never called: {fault}");
        let warning = Diagnostic::new(ConfigCode::PrivateWebhook, message).at(text.span.clone());
        section.walk.report(warning.help("if it is yours, write allow_private = true"));
    }
    Some(text.text)
}

/// `secret`, or a list of them while one is being changed for another.
fn secrets(section: &Section<'_>) -> Vec<Secret> {
    let Some(value) = section.value("secret") else {
        section.missing("secret", "secret = \"${ALERTS_SECRET}\"; messages are signed with it");
        return Vec::new();
    };
    if !value.is_list() {
        return secret(section, &value).into_iter().collect();
    }
    let items = section.items("secret").unwrap_or_default();
    if items.is_empty() {
        let message = "`secret` is empty".to_owned();
        section.walk.report(Diagnostic::new(ConfigCode::Empty, message).at(value.span).help(HOW));
    }
    items.iter().filter_map(|item| secret(section, item)).collect()
}

/// What signs messages.
pub(super) fn secret(section: &Section<'_>, value: &Value<'_>) -> Option<Secret> {
    let secret = value.secret(&section.title)?;
    if let Err(why) = check_secret(&secret) {
        let wrong = Diagnostic::new(ConfigCode::NotUnderstood, why).at(value.span.clone());
        section.walk.report(wrong.help(HOW));
        return None;
    }
    Some(secret)
}

fn kinds(section: &Section<'_>) -> Option<Vec<AlertKind>> {
    if section.value("on").is_none() {
        return Some(AlertKind::ALL.to_vec());
    }
    let texts = section.texts("on")?;
    if texts.is_empty() {
        let message = "`on` is empty, so this webhook is never called".to_owned();
        let wrong = Diagnostic::new(ConfigCode::Empty, message).at(section.key_span("on"));
        section.walk.report(wrong.help("remove it to be told of everything").allowed(WORDS));
        return None;
    }
    let mut kinds: Vec<AlertKind> = Vec::new();
    for text in &texts {
        let word = pick(section.walk, "on", text, &WORDS, &[]);
        let kind = word.and_then(|word| AlertKind::ALL.into_iter().find(|kind| kind.word() == word));
        kinds.extend(kind.filter(|kind| !kinds.contains(kind)));
    }
    Some(kinds)
}
