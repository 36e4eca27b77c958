//! `[models.NAME]`: the names that clients may ask for, and where each leads.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, nearest};
use super::reader::{Keys, Section};
use super::value::{Text, pick};
use haltline_gateway::settings::ModelSettings;
use haltline_policy::route::FallbackOn;
use haltline_types::{ModelName, Name, Tokens};
use std::collections::BTreeMap;

const KEYS: Keys = Keys::of(&["targets", "strategy", "max_output_tokens", "fallback_on"]);

/// A model with the places that warnings point at.
pub(super) struct Placed {
    pub(super) settings: ModelSettings,
    pub(super) targets: Vec<Text>,
}

pub(super) fn models(root: &Section<'_>, providers: &[String], default_cap: Tokens) -> BTreeMap<Name, Placed> {
    let mut models = BTreeMap::new();
    for (name, section) in root.named("models") {
        section.check_keys(&KEYS);
        if name.text.is_empty() || name.text.contains('/') {
            let message = format!("`{}` cannot be the name of a model: it is empty or contains a slash", name.text);
            let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(name.span.clone());
            section.walk.report(wrong.help("`provider/model` can be asked for without an entry"));
        }
        models.insert(Name::new(&name.text), model(&section, providers, default_cap));
    }
    models
}

fn model(section: &Section<'_>, providers: &[String], default_cap: Tokens) -> Placed {
    let texts = section.texts("targets");
    if texts.is_none() && section.is_present() && section.value("targets").is_none() {
        section.missing("targets", "targets = [\"provider/model\"]");
    }
    let texts = texts.unwrap_or_default();
    if let Some(value) = section.value("targets")
        && texts.is_empty()
        && section.items("targets").is_some_and(|items| items.is_empty())
    {
        let message = format!("{}: there is no target", section.title);
        section.walk.report(Diagnostic::new(ConfigCode::Empty, message).at(value.span));
    }
    let mut targets = Vec::new();
    let mut places = Vec::new();
    for text in texts {
        if let Some(target) = endpoint(section, &text, providers) {
            targets.push(target);
            places.push(text);
        }
    }
    section.choice("strategy", &["fallback"], &["weighted", "cheapest", "fastest"]);
    let settings = ModelSettings {
        targets,
        max_output_tokens: section.tokens("max_output_tokens").unwrap_or(default_cap),
        fallback_on: fallback_on(section),
    };
    Placed { settings, targets: places }
}

/// `provider/model` of a provider that is configured.
pub(super) fn endpoint(section: &Section<'_>, text: &Text, providers: &[String]) -> Option<ModelName> {
    let Some(name) = ModelName::parse(&text.text) else {
        let message = format!("`{}` is not a model of a provider; write \"provider/model\"", text.text);
        section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, message).at(text.span.clone()));
        return None;
    };
    if providers.iter().any(|provider| *provider == *name.provider) {
        return Some(name);
    }
    let message = format!("there is no provider `{}`", name.provider);
    let mut unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(text.span.clone());
    if let Some(near) = nearest(&name.provider, providers.iter().map(String::as_str)) {
        unknown = unknown.label(format!("did you mean `{near}/{}`?", name.model));
    }
    section.walk.report(unknown.help(format!("add [providers.{}]", name.provider)));
    None
}

fn fallback_on(section: &Section<'_>) -> Vec<FallbackOn> {
    let Some(texts) = section.texts("fallback_on") else { return FallbackOn::ALL.to_vec() };
    let words = FallbackOn::ALL.map(FallbackOn::word);
    let picked = texts.iter().filter_map(|text| pick(section.walk, "fallback_on", text, &words, &[]));
    picked.filter_map(FallbackOn::from_word).collect()
}
