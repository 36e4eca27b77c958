//! `[models.NAME]`: the names that clients may ask for, and where each leads.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, nearest};
use super::reader::{Keys, Section};
use super::value::{Text, Value, pick};
use haltline_gateway::settings::ModelSettings;
use haltline_policy::plan::Strategy;
use haltline_policy::route::{FallbackOn, RouteRules};
use haltline_types::{ModelName, Name, Tokens};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::Range;

const KEYS: Keys = Keys::of(&[
    "targets",
    "strategy",
    "weights",
    "max_output_tokens",
    "fallback_on",
    "content_policy_to",
    "context_length_to",
    "degrade_to",
]);
/// The largest weight; more would say nothing that a smaller one does not.
const WEIGHT_MAX: u64 = 1_000_000;

/// A model with the places that warnings point at.
pub(super) struct Placed {
    pub(super) settings: ModelSettings,
    pub(super) targets: Vec<Text>,
    /// Endpoints that are reserved for a kind of fault, with their places.
    pub(super) reserved: Vec<(ModelName, Range<usize>)>,
    /// The cheaper model.
    pub(super) degrade_to: Option<Text>,
}

impl Placed {
    /// Every endpoint that is named, with its place.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (&ModelName, &Range<usize>)> {
        let targets = self.settings.targets.iter().zip(self.targets.iter().map(|text| &text.span));
        targets.chain(self.reserved.iter().map(|(endpoint, span)| (endpoint, span)))
    }
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
    let words = Strategy::ALL.map(Strategy::word);
    let strategy = section.choice("strategy", &words, &[]).and_then(Strategy::from_word).unwrap_or_default();
    let weights = weights(section, &targets, strategy);
    let fallback_on = fallback_on(section);
    let mut reserved = Vec::new();
    let mut reserved_for = |key: &str, kind: FallbackOn| {
        let named = reserved_for(section, key, kind, &fallback_on, providers);
        reserved.extend(named.iter().cloned());
        named.into_iter().map(|(endpoint, _)| endpoint).collect()
    };
    let content_policy_to = reserved_for("content_policy_to", FallbackOn::ContentPolicy);
    let context_length_to = reserved_for("context_length_to", FallbackOn::ContextLength);
    let degrade_to = section.text("degrade_to");
    let settings = ModelSettings {
        targets,
        strategy,
        weights,
        max_output_tokens: section.tokens("max_output_tokens").unwrap_or(default_cap),
        rules: RouteRules { fallback_on, content_policy_to, context_length_to },
        degrade_to: degrade_to.as_ref().map(|text| Name::new(&text.text)),
    };
    Placed { settings, targets: places, reserved, degrade_to }
}

/// `weights = { "provider/model" = 3 }`: a target's share; 1 where there is none.
fn weights(section: &Section<'_>, targets: &[ModelName], strategy: Strategy) -> BTreeMap<ModelName, NonZeroU32> {
    let mut weights = BTreeMap::new();
    let Some(value) = section.value("weights") else { return weights };
    let span = section.key_span("weights");
    if strategy != Strategy::Weighted {
        let message = "`weights` has no effect without `strategy = \"weighted\"`";
        section.walk.report(Diagnostic::new(ConfigCode::NoEffect, message).at(span.clone()));
    }
    let table = value.into_section(format!("{} weights", section.title), span);
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    for (key, value) in table.map.into_iter().flat_map(|map| map.iter()) {
        let name = key.get_ref().to_string();
        let Some(target) = names.iter().position(|known| *known == name).and_then(|at| targets.get(at)) else {
            let message = format!("`{name}` is not among the targets");
            let unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(key.span());
            section.walk.report(unknown.suggest(&name, names.iter().map(String::as_str)).allowed(&names));
            continue;
        };
        let key = format!("the weight of {name}");
        let value = Value { walk: section.walk, key, span: value.span(), value: value.get_ref() };
        let weight =
            value.integer(1..=WEIGHT_MAX).and_then(|weight| u32::try_from(weight).ok()).and_then(NonZeroU32::new);
        weights.extend(weight.map(|weight| (target.clone(), weight)));
    }
    weights
}

/// A list of endpoints that is used after one kind of fault only.
fn reserved_for(
    section: &Section<'_>,
    key: &str,
    kind: FallbackOn,
    fallback_on: &[FallbackOn],
    providers: &[String],
) -> Vec<(ModelName, Range<usize>)> {
    let Some(texts) = section.texts(key) else { return Vec::new() };
    if !fallback_on.contains(&kind) {
        let message = format!("`{key}` has no effect: `fallback_on` does not name \"{}\"", kind.word());
        section.walk.report(Diagnostic::new(ConfigCode::NoEffect, message).at(section.key_span(key)));
    }
    texts.into_iter().filter_map(|text| Some((endpoint(section, &text, providers)?, text.span))).collect()
}

/// Does every `degrade_to` name a model, and do they all come to an end?
pub(super) fn check_degrades(
    root: &Section<'_>,
    models: &BTreeMap<Name, Placed>,
    providers: &[String],
    of_budgets: Option<&Text>,
) {
    for text in models.values().filter_map(|model| model.degrade_to.as_ref()).chain(of_budgets) {
        if models.contains_key(text.text.as_str()) {
            continue;
        }
        if text.text.contains('/') {
            endpoint(root, text, providers);
            continue;
        }
        let message = format!("there is no model `{}`", text.text);
        let unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(text.span.clone());
        let unknown = unknown.suggest(&text.text, models.keys().map(Name::as_str));
        root.walk.report(unknown.help(format!("add [models.{}], or write \"provider/model\"", text.text)));
    }
    let mut told: Vec<&Name> = Vec::new();
    for (start, model) in models {
        let mut way = vec![start];
        let mut next = model.degrade_to.as_ref();
        while let Some((name, cheaper)) = next.and_then(|text| models.get_key_value(text.text.as_str())) {
            if name == start {
                // Each circle once, at the first of its models.
                if let Some(text) = model.degrade_to.as_ref().filter(|_| !way.iter().any(|name| told.contains(name))) {
                    let names: Vec<&str> = way.iter().chain([&start]).map(|name| name.as_str()).collect();
                    let message = format!("models degrade in a circle: {}", names.join(" -> "));
                    root.walk.report(Diagnostic::new(ConfigCode::Circle, message).at(text.span.clone()));
                    told.extend(way.iter().copied());
                }
                break;
            }
            if way.contains(&name) {
                break;
            }
            way.push(name);
            next = cheaper.degrade_to.as_ref();
        }
    }
}

/// Every endpoint that models lead to, by whatever way.
pub(super) fn endpoints(models: &BTreeMap<Name, Placed>, of_budgets: Option<&Text>) -> Vec<ModelName> {
    let named = models.values().flat_map(Placed::endpoints).map(|(endpoint, _)| endpoint.clone());
    let degraded = models.values().filter_map(|model| model.degrade_to.as_ref()).chain(of_budgets);
    named.chain(degraded.filter_map(|text| ModelName::parse(&text.text))).collect()
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
