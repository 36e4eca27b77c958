//! What each kind of guard service has besides the rest: keys, addresses, options and secrets.

use super::super::codes::ConfigCode;
use super::super::diagnostic::Diagnostic;
use super::super::reader::{Keys, Section};
use super::plain;
use haltline_gateway::guard::settings::ServiceKind;
use haltline_gateway::settings::Secret;
use haltline_types::NanoUsd;
use std::collections::BTreeMap;

/// All keys of a kind: its own, those of services behind HTTP, and those that all have.
macro_rules! keys {
    ($($own:literal),*) => {
        &[
            "name", "kind", "when", "only_if", "mode", "deadline", "on_error", "max_cost_per_call", "remember",
            $($own),*
        ]
    };
}
macro_rules! http_keys {
    ($($own:literal),*) => { keys!("url", "key", "allow_private", "extra_ca", $($own),*) };
}

/// What may stand in a service of this kind.
pub(super) const fn keys_of(kind: ServiceKind) -> Keys {
    Keys::of(match kind {
        ServiceKind::GuardrailsAi => http_keys!("guard", "key_header"),
        ServiceKind::OpenAiModeration => http_keys!("model", "thresholds"),
        ServiceKind::AzurePromptShields => http_keys!("api_version"),
        ServiceKind::BedrockGuardrail => http_keys!(
            "guardrail_id",
            "version",
            "region",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "unit_prices"
        ),
        ServiceKind::Lakera => http_keys!("project"),
        ServiceKind::Nemo => http_keys!("config_id", "key_header"),
        ServiceKind::WebhookLiteLlm | ServiceKind::WebhookAgentgateway => http_keys!("key_header"),
        ServiceKind::LlmJudge => keys!("model", "policy"),
    })
}

/// Where a service is, unless the configuration says otherwise; by the vendors' documentation.
pub(super) fn usual_url(kind: ServiceKind, options: &BTreeMap<String, String>) -> Option<String> {
    match kind {
        ServiceKind::OpenAiModeration => Some("https://api.openai.com/v1".to_owned()),
        ServiceKind::Lakera => Some("https://api.lakera.ai".to_owned()),
        ServiceKind::BedrockGuardrail => {
            options.get("region").map(|region| format!("https://bedrock-runtime.{region}.amazonaws.com"))
        }
        _ => None,
    }
}

pub(super) const fn url_example(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::AzurePromptShields => "url = \"https://my-resource.cognitiveservices.azure.com\"",
        ServiceKind::Nemo => "url = \"http://127.0.0.1:8000\", where `nemoguardrails server` listens",
        ServiceKind::GuardrailsAi => "url = \"http://127.0.0.1:8000\", where `guardrails start` listens",
        _ => "url = \"https://guard.example.com\"",
    }
}

/// What a kind needs to know, by the names that the gateway hands on.
pub(super) fn options(section: &Section<'_>, kind: ServiceKind) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut take = |key: &str, example: Option<&str>| match section.value(key) {
        Some(value) => {
            if let Some(text) = plain(&value) {
                options.insert(key.to_owned(), text);
            }
        }
        None => {
            if let Some(example) = example {
                section.missing(key, example);
            }
        }
    };
    match kind {
        ServiceKind::GuardrailsAi => take("guard", Some("guard = \"my-guard\", by the name that the server knows")),
        ServiceKind::OpenAiModeration => take("model", None),
        ServiceKind::AzurePromptShields => take("api_version", None),
        ServiceKind::BedrockGuardrail => {
            take("guardrail_id", Some("guardrail_id = \"abc123\", an id or an ARN"));
            take("version", None);
            take("region", Some("region = \"us-east-1\""));
        }
        ServiceKind::Lakera => take("project", None),
        ServiceKind::Nemo => take("config_id", None),
        ServiceKind::LlmJudge => take("policy", None),
        ServiceKind::WebhookLiteLlm | ServiceKind::WebhookAgentgateway => {}
    }
    take("key_header", None);
    if let Some(region) = options.get("region")
        && !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        not_understood(section, "region", "not a region; write one like \"us-east-1\"");
        options.remove("region");
    }
    numbers(section, "thresholds", "threshold:", &mut options, |text| match text.parse::<f64>() {
        Ok(score) if (0.0..=1.0).contains(&score) && score > 0.0 => Ok(()),
        _ => Err("a threshold is a number above 0, at most 1, in quotes: \"0.8\""),
    });
    numbers(section, "unit_prices", "price:", &mut options, |text| match text.parse::<NanoUsd>() {
        Ok(price) if price >= NanoUsd::ZERO => Ok(()),
        _ => Err("the price of one text unit is written like \"$0.00015\""),
    });
    options
}

/// A table of names and numbers, each kept under a prefix.
fn numbers(
    section: &Section<'_>,
    key: &str,
    prefix: &str,
    options: &mut BTreeMap<String, String>,
    check: impl Fn(&str) -> Result<(), &'static str>,
) {
    let Some(value) = section.value(key) else { return };
    let span = section.key_span(key);
    let table = value.into_section(format!("[guard.services.{key}]"), span);
    for name in table.map.into_iter().flat_map(|map| map.keys()) {
        let Some(text) = table.text(name.get_ref()) else { continue };
        match check(&text.text) {
            Ok(()) => {
                options.insert(format!("{prefix}{}", name.get_ref()), text.text);
            }
            Err(why) => {
                section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, why).at(text.span));
            }
        }
    }
}

/// The access keys of Bedrock; with a Bedrock API key in `key` there are none.
pub(super) fn secrets(section: &Section<'_>, kind: ServiceKind) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    if kind != ServiceKind::BedrockGuardrail {
        return secrets;
    }
    let pair = ["access_key_id", "secret_access_key"];
    let has_key = section.value("key").is_some();
    if has_key && let Some(other) = pair.into_iter().find(|key| section.value(key).is_some()) {
        let message = format!("{}: `key` and `{other}` exclude each other", section.title);
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(other)));
    }
    for key in pair {
        if !has_key && section.value(key).is_none() {
            section.missing(key, &format!("{key} = \"${{NAME}}\", or key = \"${{NAME}}\" with a Bedrock API key"));
        }
    }
    for key in [pair[0], pair[1], "session_token"] {
        if let Some(secret) = section.secret(key).filter(|secret| !secret.reveal().is_empty()) {
            secrets.insert(key.to_owned(), secret);
        }
    }
    secrets
}

fn not_understood(section: &Section<'_>, key: &str, why: &str) {
    section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, why).at(section.key_span(key)));
}
