//! `[providers.NAME]`: whom the gateway may call, and with which key.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::provider_keys;
use super::reader::{Keys, Section};
use super::value::Text;
use haltline_gateway::settings::{ProviderKind, ProviderSettings, SimulatedSettings};
use haltline_types::Name;
use haltline_wire::PassFields;
use haltline_wire::openai::ProviderKind as Server;
use std::collections::BTreeMap;
use std::time::Duration;

const KINDS: [&str; 7] = ["openai", "anthropic", "google", "mistral", "azure", "openai-compatible", "simulated"];
const LATER_KINDS: [&str; 2] = ["bedrock", "vertex"];
const REAL: Keys = Keys::of(&["kind", "api_key", "api_keys", "base_url", "pass_fields", "extra_ca"]);
const COMPATIBLE: Keys = Keys::of(&["kind", "server", "api_key", "api_keys", "base_url", "pass_fields", "extra_ca"]);
const AZURE: Keys = Keys::of(&["kind", "api_key", "api_keys", "base_url", "api_version", "pass_fields", "extra_ca"]);
const COUNTING: Keys = Keys::of(&["kind", "api_key", "api_keys", "base_url", "count_input", "pass_fields", "extra_ca"]);
const SIMULATED: Keys = Keys::of(&[
    "kind",
    "latency",
    "token_interval",
    "output_tokens",
    "fail_per_mille",
    "rate_limit_per_mille",
    "pass_fields",
]);

pub(super) fn providers(root: &Section<'_>) -> BTreeMap<Name, ProviderSettings> {
    let mut providers = BTreeMap::new();
    for (name, section) in root.named("providers") {
        check_name(&name, &section);
        if let Some(provider) = provider(&section) {
            providers.insert(Name::new(&name.text), provider);
        }
    }
    providers
}

/// A name must not contain a slash: `provider/model` is split at the first.
fn check_name(name: &Text, section: &Section<'_>) {
    if name.text.is_empty() || name.text.contains('/') {
        let message = format!("`{}` cannot be the name of a provider: it is empty or contains a slash", name.text);
        section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, message).at(name.span.clone()));
    }
}

fn provider(section: &Section<'_>) -> Option<ProviderSettings> {
    if section.is_present() && section.value("kind").is_none() {
        section.missing("kind", &format!("kind = one of \"{}\"", KINDS.join("\", \"")));
    }
    let word = section.choice("kind", &KINDS, &LATER_KINDS);
    let kind = match word {
        Some("openai") => ProviderKind::OpenAi,
        Some("anthropic") => ProviderKind::Anthropic,
        Some("google") => ProviderKind::Google,
        Some("mistral") => ProviderKind::Mistral,
        Some("azure") => ProviderKind::Azure,
        Some("openai-compatible") => ProviderKind::OpenAiCompatible,
        Some("simulated") => ProviderKind::Simulated,
        _ => return None,
    };
    section.check_keys(match kind {
        ProviderKind::Simulated => &SIMULATED,
        ProviderKind::Azure => &AZURE,
        ProviderKind::OpenAiCompatible => &COMPATIBLE,
        ProviderKind::Anthropic | ProviderKind::Google => &COUNTING,
        ProviderKind::OpenAi | ProviderKind::Mistral => &REAL,
    });
    let base_url = base_url(section, kind);
    let names = section.texts("pass_fields").unwrap_or_default();
    let pass_fields = PassFields::new(names.into_iter().map(|name| name.text));
    if pass_fields.is_all() {
        let message = format!("{}: every unknown field passes", section.title);
        let span = section.value("pass_fields").map_or(section.span.clone(), |value| value.span);
        section.walk.report(Diagnostic::new(ConfigCode::PassesAll, message).at(span));
    }
    let server = server(section, kind, &base_url);
    let counts = matches!(kind, ProviderKind::Anthropic | ProviderKind::Google);
    let mut settings = ProviderSettings {
        kind,
        server,
        base_url,
        keys: Vec::new(),
        api_version: if kind == ProviderKind::Azure { api_version(section) } else { None },
        count_input: counts && section.boolean("count_input").unwrap_or(false),
        pass_fields,
        extra_ca: None,
        simulated: SimulatedSettings::default(),
    };
    if kind == ProviderKind::Simulated {
        settings.simulated = simulated(section);
        return Some(settings);
    }
    let usual = (usual_url(kind) == Some(settings.base_url.as_str())).then(|| usual_key(kind));
    settings.keys = provider_keys::keys(section, usual);
    settings.extra_ca = section.secret("extra_ca").map(|pem| pem.reveal().to_owned()).filter(|pem| !pem.is_empty());
    check_plain_http(section, &settings);
    Some(settings)
}

fn base_url(section: &Section<'_>, kind: ProviderKind) -> String {
    if kind == ProviderKind::Simulated {
        return String::new();
    }
    let default = usual_url(kind);
    if default.is_none() && section.value("base_url").is_none() {
        let example = match kind {
            ProviderKind::Azure => "base_url = \"https://my-resource.openai.azure.com/openai/v1\"",
            _ => "base_url = \"http://127.0.0.1:11434/v1\"",
        };
        section.missing("base_url", example);
    }
    let read = section.parsed("base_url", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let valid =
            host.is_some_and(|host| !host.is_empty() && !host.contains(['@', ' '])) && !text.contains(['?', '#', ' ']);
        if valid {
            Ok(text.trim_end_matches('/').to_owned())
        } else {
            Err("not a base URL; write one like \"https://api.openai.com/v1\", without credentials or a query"
                .to_owned())
        }
    });
    read.unwrap_or_else(|| default.unwrap_or_default().to_owned())
}

/// Where the provider is, unless the configuration says otherwise; by the providers' own
/// documentation.
const fn usual_url(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::OpenAi => Some("https://api.openai.com/v1"),
        ProviderKind::Anthropic => Some("https://api.anthropic.com/v1"),
        ProviderKind::Google => Some("https://generativelanguage.googleapis.com/v1beta"),
        ProviderKind::Mistral => Some("https://api.mistral.ai/v1"),
        ProviderKind::Azure | ProviderKind::OpenAiCompatible | ProviderKind::Simulated => None,
    }
}

/// Whose server it is: as the configuration says, else by its address.
fn server(section: &Section<'_>, kind: ProviderKind, base_url: &str) -> Server {
    match kind {
        ProviderKind::OpenAi => Server::OpenAi,
        ProviderKind::Azure => Server::Azure,
        ProviderKind::Mistral => Server::Mistral,
        ProviderKind::OpenAiCompatible => {
            let names = Server::ALL.map(Server::name);
            let said = section.choice("server", &names, &[]).and_then(Server::from_name);
            said.unwrap_or_else(|| Server::at(base_url))
        }
        ProviderKind::Anthropic | ProviderKind::Google | ProviderKind::Simulated => Server::Compatible,
    }
}

/// The variable in which people have the key.
const fn usual_key(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Anthropic => "ANTHROPIC_API_KEY",
        ProviderKind::Google => "GEMINI_API_KEY",
        ProviderKind::Mistral => "MISTRAL_API_KEY",
        ProviderKind::Azure => "AZURE_OPENAI_API_KEY",
        ProviderKind::OpenAi | ProviderKind::OpenAiCompatible | ProviderKind::Simulated => "OPENAI_API_KEY",
    }
}

fn api_version(section: &Section<'_>) -> Option<String> {
    section.parsed("api_version", |text| {
        let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if valid { Ok(text.to_owned()) } else { Err("not an API version; write one like \"2024-10-21\"".to_owned()) }
    })
}

fn check_plain_http(section: &Section<'_>, settings: &ProviderSettings) {
    let Some(rest) = settings.base_url.strip_prefix("http://") else { return };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !is_here && !settings.keys.is_empty() {
        let message = format!("{}: the key goes to {host} without encryption", section.title);
        let span = section.value("base_url").map_or(section.span.clone(), |value| value.span);
        section.walk.report(Diagnostic::new(ConfigCode::PlainHttp, message).at(span));
    }
}

fn simulated(section: &Section<'_>) -> SimulatedSettings {
    let usual = SimulatedSettings::default();
    let long = Duration::ZERO..=Duration::from_secs(3600);
    let per_mille = |key| section.integer(key, 0..=1000).and_then(|number| u16::try_from(number).ok());
    SimulatedSettings {
        latency: section.duration("latency", long.clone()).unwrap_or(usual.latency),
        token_interval: section.duration("token_interval", long).unwrap_or(usual.token_interval),
        output_tokens: section.tokens("output_tokens").unwrap_or(usual.output_tokens),
        fail_per_mille: per_mille("fail_per_mille").unwrap_or(usual.fail_per_mille),
        rate_limit_per_mille: per_mille("rate_limit_per_mille").unwrap_or(usual.rate_limit_per_mille),
    }
}
