//! `[[guard.services]]`: external services that are asked about texts.

mod kinds;

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::models;
use super::reader::Section;
use super::value::{Text, Value};
use haltline_gateway::guard::settings::{Mode, OnError, ServiceKind, ServiceSettings};
use haltline_gateway::settings::Secret;
use haltline_ports::Direction;
use haltline_types::{Name, NanoUsd};
use haltline_upstream::check_guard_url;
use kinds::{keys_of, options, secrets, usual_url};
use std::collections::BTreeMap;
use std::time::Duration;

/// The one key of `[guard]` that is read here.
pub(super) const KEY: &str = "services";

/// Do streams hold an answer back until a service has seen it? Until they do, a service that would
/// have to stop one is refused rather than believed.
const STREAMS_HOLD: bool = false;

const KINDS: [&str; 9] = [
    ServiceKind::ALL[0].word(),
    ServiceKind::ALL[1].word(),
    ServiceKind::ALL[2].word(),
    ServiceKind::ALL[3].word(),
    ServiceKind::ALL[4].word(),
    ServiceKind::ALL[5].word(),
    ServiceKind::ALL[6].word(),
    ServiceKind::ALL[7].word(),
    ServiceKind::ALL[8].word(),
];
const MODES: [&str; 5] =
    [Mode::ALL[0].word(), Mode::ALL[1].word(), Mode::ALL[2].word(), Mode::ALL[3].word(), Mode::ALL[4].word()];
/// More are not taken: each text goes to each of them.
const SERVICES_MAX: usize = 20;
/// A request waits so long for a service, unless the operator says otherwise.
const DEADLINE: Duration = Duration::from_millis(800);
/// A model thinks longer.
const DEADLINE_OF_JUDGE: Duration = Duration::from_secs(3);
/// For how long a verdict on the same text stands.
const REMEMBER_FOR: Duration = Duration::from_secs(300);

/// The services of `[guard]`. `models` and `providers`: what a judge can be.
pub(super) fn services(
    guard: &Section<'_>,
    models: &BTreeMap<Name, models::Placed>,
    providers: &[String],
) -> Vec<ServiceSettings> {
    let mut services: Vec<ServiceSettings> = Vec::new();
    let Some(list) = guard.value(KEY) else { return services };
    if !list.is_list() {
        list.wrong_type("a list of tables", "write [[guard.services]]");
        return services;
    }
    for (index, item) in guard.items(KEY).unwrap_or_default().into_iter().enumerate() {
        let span = item.span.clone();
        let section = item.into_section("[[guard.services]]".to_owned(), span);
        if index == SERVICES_MAX {
            let message = format!("more than {SERVICES_MAX} [[guard.services]]");
            section.walk.report(Diagnostic::new(ConfigCode::OutOfRange, message).at(section.span.clone()));
        }
        let Some(service) = service(&section, models, providers) else { continue };
        if services.iter().any(|other| other.name == service.name) {
            let message = format!("two [[guard.services]] have the name `{}`", service.name);
            section.walk.report(Diagnostic::new(ConfigCode::NameTaken, message).at(section.key_span("name")));
        }
        services.push(service);
    }
    services
}

fn service(
    section: &Section<'_>,
    models: &BTreeMap<Name, models::Placed>,
    providers: &[String],
) -> Option<ServiceSettings> {
    if section.value("kind").is_none() {
        section.missing("kind", &format!("kind = one of \"{}\"", KINDS.join("\", \"")));
    }
    let word = section.choice("kind", &KINDS, &[])?;
    let kind = ServiceKind::ALL.into_iter().find(|kind| kind.word() == word)?;
    section.check_keys(&keys_of(kind));
    let name = name(section);
    let mode = mode(section);
    let directions = directions(section, kind, mode);
    let allow_private = section.boolean("allow_private").unwrap_or(false);
    let options = options(section, kind);
    let base_url = url(section, kind, &options, allow_private);
    let judge = kind == ServiceKind::LlmJudge;
    let model = if judge { judges_model(section, models, providers) } else { None };
    let most = Duration::from_millis(10)..=Duration::from_secs(60);
    let usual = if judge { DEADLINE_OF_JUDGE } else { DEADLINE };
    let service = ServiceSettings {
        name: name?,
        kind,
        base_url: base_url?,
        key: key(section, kind),
        secrets: secrets(section, kind),
        options,
        extra_ca: section.secret("extra_ca").map(|pem| pem.reveal().to_owned()).filter(|pem| !pem.is_empty()),
        model,
        directions,
        only_if_flagged: only_if(section),
        mode,
        deadline: section.duration("deadline", most).unwrap_or(usual),
        on_error: on_error(section),
        cost_at_most: cost(section, kind),
        allow_private,
        remember_for: section.duration("remember", Duration::ZERO..=Duration::from_secs(3_600)).unwrap_or(REMEMBER_FOR),
    };
    check_plain_http(section, &service);
    Some(service)
}

fn wrong(section: &Section<'_>, code: ConfigCode, key: &str, message: String, help: &str) {
    let wrong = Diagnostic::new(code, message).at(section.key_span(key));
    section.walk.report(if help.is_empty() { wrong } else { wrong.help(help) });
}

/// It stands in metrics, in records as `guard:NAME`, and in headers.
fn name(section: &Section<'_>) -> Option<Name> {
    if section.value("name").is_none() {
        section.missing("name", "name = \"lakera\"; records and metrics go by it");
        return None;
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    section.parsed("name", |text| {
        if (1..=40).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Name::new(text))
        } else {
            Err("a service's name has 1 to 40 letters from a to z, digits, - and _".to_owned())
        }
    })
}

fn mode(section: &Section<'_>) -> Mode {
    let word = section.choice("mode", &MODES, &[]);
    word.and_then(|word| Mode::ALL.into_iter().find(|mode| mode.word() == word)).unwrap_or_default()
}

fn directions(section: &Section<'_>, kind: ServiceKind, mode: Mode) -> Vec<Direction> {
    let words = [Direction::Input.word(), Direction::Output.word()];
    let mut directions = Vec::new();
    match section.texts("when") {
        None => directions.push(Direction::Input),
        Some(texts) if texts.is_empty() => {
            let message = "`when` is empty, so this service is never asked".to_owned();
            section
                .walk
                .report(Diagnostic::new(ConfigCode::Empty, message).at(section.key_span("when")).allowed(words));
        }
        Some(texts) => {
            for text in &texts {
                let word = super::value::pick(section.walk, "when", text, &words, &[]);
                let direction = if word == Some(words[0]) { Direction::Input } else { Direction::Output };
                if word.is_some() && !directions.contains(&direction) {
                    directions.push(direction);
                }
            }
        }
    }
    let asks_output = directions.contains(&Direction::Output);
    if asks_output && kind == ServiceKind::AzurePromptShields {
        let message = "Prompt Shields looks at prompts and documents only, not at answers".to_owned();
        wrong(section, ConfigCode::Contradiction, "when", message, "write when = \"input\"");
    }
    if asks_output && mode >= Mode::Redact && !STREAMS_HOLD {
        let message = format!(
            "`mode = \"{}\"` for answers would have to hold a stream back until the service has seen it, which streams do not do in this version",
            mode.word()
        );
        let help = "write mode = \"flag\" or \"shadow\" for answers, in a service of their own";
        wrong(section, ConfigCode::NotInThisVersion, "mode", message, help);
    }
    let labels_only =
        matches!(kind, ServiceKind::OpenAiModeration | ServiceKind::AzurePromptShields | ServiceKind::LlmJudge);
    if mode == Mode::Redact && labels_only {
        let message = format!("a service of kind \"{}\" says what is wrong and mends nothing", kind.word());
        wrong(section, ConfigCode::Contradiction, "mode", message, "write mode = \"flag\" or \"block\"");
    }
    directions
}

fn only_if(section: &Section<'_>) -> bool {
    section.choice("only_if", &["flagged"], &[]).is_some()
}

fn on_error(section: &Section<'_>) -> OnError {
    match section.choice("on_error", &["allow", "block"], &[]) {
        Some("block") => OnError::Block,
        _ => OnError::Allow,
    }
}

fn url(
    section: &Section<'_>,
    kind: ServiceKind,
    options: &BTreeMap<String, String>,
    allow_private: bool,
) -> Option<String> {
    if kind == ServiceKind::LlmJudge {
        return Some(String::new());
    }
    let Some(text) = section.text("url") else {
        let usual = usual_url(kind, options);
        if usual.is_none() && section.value("url").is_none() && kind != ServiceKind::BedrockGuardrail {
            section.missing("url", kinds::url_example(kind));
        }
        return usual;
    };
    let Text { text, span } = text;
    let url = text.trim_end_matches('/').to_owned();
    if let Err(why) = check_guard_url(&url, allow_private) {
        let message = format!("`url` cannot be called: {why}");
        let help = if check_guard_url(&url, true).is_ok() { "if it is yours, write allow_private = true" } else { "" };
        let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(span);
        section.walk.report(if help.is_empty() { wrong } else { wrong.help(help) });
        return None;
    }
    Some(url)
}

fn key(section: &Section<'_>, kind: ServiceKind) -> Option<Secret> {
    let needs = matches!(kind, ServiceKind::OpenAiModeration | ServiceKind::AzurePromptShields | ServiceKind::Lakera);
    if needs && section.value("key").is_none() {
        section.missing("key", "key = \"${NAME}\" or \"file:/path\"");
    }
    section.secret("key").filter(|key| !key.reveal().is_empty())
}

/// What one call can cost. Its absence is a warning where calls are known to cost money.
fn cost(section: &Section<'_>, kind: ServiceKind) -> Option<NanoUsd> {
    if section.value("max_cost_per_call").is_none() {
        if kind.costs_money() {
            let message = if kind == ServiceKind::LlmJudge {
                format!(
                    "{}: what one question to the judge may cost is bounded by its model's price only",
                    section.title
                )
            } else {
                format!(
                    "{}: calls cost money, and nothing is held for them: the bill of this service is not bounded",
                    section.title
                )
            };
            let warning = Diagnostic::new(ConfigCode::GuardUnbounded, message).at(section.key_span("kind"));
            section.walk.report(warning.help("write max_cost_per_call = \"$0.001\", the most that one call can cost"));
        }
        return None;
    }
    section.parsed("max_cost_per_call", |text| match text.parse::<NanoUsd>() {
        Ok(cost) if cost > NanoUsd::ZERO => Ok(cost),
        _ => Err("not a price of a call; write one like \"$0.001\"".to_owned()),
    })
}

/// The model that labels: a configured name, or an endpoint of a configured provider.
fn judges_model(section: &Section<'_>, models: &BTreeMap<Name, models::Placed>, providers: &[String]) -> Option<Name> {
    let Some(text) = section.text("model") else {
        if section.value("model").is_none() {
            section.missing("model", "model = \"NAME\", the model that labels; a small one will do");
        }
        return None;
    };
    let name = Name::new(&text.text);
    let is_endpoint = text
        .text
        .split_once('/')
        .is_some_and(|(provider, model)| !model.is_empty() && providers.iter().any(|known| known == provider));
    if !is_endpoint && !models.contains_key(&name) {
        let message = format!("{}: there is no model `{}`", section.title, text.text);
        let wrong = Diagnostic::new(ConfigCode::UnknownReference, message).at(text.span);
        let known = models.keys().map(|name| &**name);
        section.walk.report(wrong.suggest(&text.text, known).help("write [models.NAME], or name a provider/model"));
        return None;
    }
    Some(name)
}

fn check_plain_http(section: &Section<'_>, service: &ServiceSettings) {
    let Some(rest) = service.base_url.strip_prefix("http://") else { return };
    // Without leave for private places, only this machine can be called; see `check_guard_url`.
    let is_here = check_guard_url(&service.base_url, false).is_ok()
        && (rest.starts_with("127.") || rest.starts_with("localhost") || rest.starts_with("[::1]"));
    if !is_here {
        let message = format!("{}: the texts go to {rest} without encryption", section.title);
        wrong(section, ConfigCode::PlainHttp, "url", message, "");
    }
}

/// A text that says something, trimmed.
fn plain(value: &Value<'_>) -> Option<String> {
    value.text().map(|text| text.text.trim().to_owned()).filter(|text| !text.is_empty())
}
