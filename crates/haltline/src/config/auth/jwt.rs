//! `[auth.jwt.NAME]`: an issuer of JSON Web Tokens, where its keys are, what its tokens must fulfil
//! and what their claims mean.

use crate::config::codes::ConfigCode;
use crate::config::diagnostic::Diagnostic;
use crate::config::outside::Secrets;
use crate::config::reader::{Keys, Section};
use crate::config::value::{Text, Value, pick};
use haltline_gateway::settings::{FetchSettings, IssuerSettings, KeySource, KeysFrom, Mapping, Said};
use haltline_jwt::{Algorithm, ClaimPath, KeySet, Rules};
use haltline_ports::Reach;
use haltline_types::Name;
use haltline_upstream::check_key_set_url;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeValue;

const KEYS: Keys = Keys::of(&[
    "issuer",
    "audience",
    "audience_claim",
    "jwks",
    "discover",
    "allow_private",
    "refresh",
    "stale_for",
    "algorithms",
    "leeway",
    "required",
    "authorized_party",
    "user",
    "user_prefix",
    "team",
    "team_is",
    "tier",
    "tier_is",
    "tags",
    "tags_are",
    "models",
    "models_are",
]);
const WORDS: [&str; 10] = [
    Algorithm::ALL[0].word(),
    Algorithm::ALL[1].word(),
    Algorithm::ALL[2].word(),
    Algorithm::ALL[3].word(),
    Algorithm::ALL[4].word(),
    Algorithm::ALL[5].word(),
    Algorithm::ALL[6].word(),
    Algorithm::ALL[7].word(),
    Algorithm::ALL[8].word(),
    Algorithm::ALL[9].word(),
];
/// More leeway than this makes expiry pointless.
const LEEWAY_MAX: Duration = Duration::from_secs(600);
const REFRESH: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(86_400);
const STALE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The longest fixed name.
const NAME_BYTES_MAX: usize = 256;

pub(super) fn issuers(auth: &Section<'_>) -> BTreeMap<Name, IssuerSettings> {
    let mut issuers = BTreeMap::new();
    let mut taken: Vec<String> = Vec::new();
    for (name, section) in auth.named("jwt") {
        section.check_keys(&KEYS);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.text.is_empty() || name.text.len() > 64 || !name.text.chars().all(is_name) {
            let message = format!("`{}` is not a name for an issuer: use letters, digits, `-`, `_` and `.`", name.text);
            section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, message).at(name.span));
            continue;
        }
        let Some(issuer) = issuer(&section) else { continue };
        if taken.contains(&issuer.rules.issuer) {
            let message = format!("two sections [auth.jwt] have the issuer `{}`", issuer.rules.issuer);
            let wrong = Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("issuer"));
            section.walk.report(wrong.help("write one with a list of audiences"));
            continue;
        }
        taken.push(issuer.rules.issuer.clone());
        issuers.insert(Name::new(&name.text), issuer);
    }
    issuers
}

fn issuer(section: &Section<'_>) -> Option<IssuerSettings> {
    let issuer = issuer_url(section);
    let audience = audience(section);
    let keys = keys(section, issuer.as_deref());
    let audience_claim = path(section, "audience_claim");
    let algorithms = algorithms(section);
    let leeway = section.duration("leeway", Duration::ZERO..=LEEWAY_MAX);
    let required = required(section);
    let authorized_party = texts(section, "authorized_party");
    let mapping = mapping(section);
    let mut rules = Rules::new(&issuer?, &[]);
    rules.audience = audience?;
    rules.audience_claim = audience_claim.unwrap_or(rules.audience_claim);
    rules.algorithms = algorithms;
    rules.leeway = leeway.unwrap_or(rules.leeway);
    rules.required = required;
    rules.authorized_party = authorized_party;
    Some(IssuerSettings { rules, keys: keys?, mapping })
}

fn report(section: &Section<'_>, code: ConfigCode, message: String, span: Range<usize>, help: &str) {
    let wrong = Diagnostic::new(code, message).at(span);
    section.walk.report(if help.is_empty() { wrong } else { wrong.help(help) });
}

fn issuer_url(section: &Section<'_>) -> Option<String> {
    let Some(text) = section.text("issuer") else {
        if section.value("issuer").is_none() {
            section.missing("issuer", "issuer = \"https://…\", exactly as `iss` stands in its tokens");
        }
        return None;
    };
    if text.text.trim().is_empty() || text.text != text.text.trim() {
        report(
            section,
            ConfigCode::NotUnderstood,
            "`issuer` is empty or has spaces around it".to_owned(),
            text.span,
            "",
        );
        return None;
    }
    if text.text.starts_with("http://") && !is_loopback(&text.text) {
        let message = "`issuer` is reached without TLS, so anybody on the way can be it".to_owned();
        report(section, ConfigCode::PlainHttp, message, text.span.clone(), "");
    }
    Some(text.text)
}

fn audience(section: &Section<'_>) -> Option<Vec<String>> {
    const WHY: &str = "audience = \"…\", the name of this gateway at the issuer; without one, tokens that were made for other services would be taken";
    if section.value("audience").is_none() {
        section.missing("audience", WHY);
        return None;
    }
    let audience = texts(section, "audience");
    if audience.is_empty() {
        let span = section.key_span("audience");
        report(section, ConfigCode::Empty, "`audience` is empty".to_owned(), span, &format!("write {WHY}"));
        return None;
    }
    Some(audience)
}

/// Strings that are not empty.
fn texts(section: &Section<'_>, key: &str) -> Vec<String> {
    let texts = section.texts(key).unwrap_or_default();
    let (empty, full): (Vec<_>, Vec<_>) = texts.into_iter().partition(|text| text.text.trim().is_empty());
    for text in empty {
        report(section, ConfigCode::Empty, format!("`{key}` has an empty string"), text.span, "");
    }
    full.into_iter().map(|text| text.text).collect()
}

fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn keys(section: &Section<'_>, issuer: Option<&str>) -> Option<KeySource> {
    let discover = section.boolean("discover").unwrap_or(false);
    let allow_private = section.boolean("allow_private").unwrap_or(false);
    let refresh = section.duration("refresh", REFRESH).unwrap_or(FetchSettings::REFRESH);
    let stale_for = section.duration("stale_for", Duration::ZERO..=STALE_MAX).unwrap_or(FetchSettings::STALE_FOR);
    let fetched = |url: &str, from: KeysFrom| {
        let reach = Reach::private_if(allow_private || is_loopback(url));
        KeySource::Fetched(FetchSettings { from, reach, refresh, stale_for })
    };
    if discover {
        if section.value("jwks").is_some() {
            let message = "`discover` finds where the keys are, and `jwks` says it".to_owned();
            report(section, ConfigCode::Contradiction, message, section.key_span("discover"), "remove one of them");
            return None;
        }
        let issuer = issuer?;
        let source = fetched(issuer, KeysFrom::Discovery);
        may_fetch(section, issuer, &source, section.key_span("discover"))?;
        return Some(source);
    }
    let Some(text) = section.text("jwks") else {
        if section.value("jwks").is_none() {
            section.missing("jwks", "jwks = \"https://…\" or \"file:keys.json\", or discover = true");
        }
        return None;
    };
    if let Some(path) = text.text.strip_prefix("file:") {
        return file(section, path, text.span.clone());
    }
    let source = fetched(&text.text, KeysFrom::Url(text.text.clone()));
    may_fetch(section, &text.text, &source, text.span.clone())?;
    Some(source)
}

fn may_fetch(section: &Section<'_>, url: &str, source: &KeySource, span: Range<usize>) -> Option<()> {
    let KeySource::Fetched(FetchSettings { reach, .. }) = source else { return Some(()) };
    if let Err(why) = check_key_set_url(url, *reach) {
        let message = format!("keys cannot be fetched from `{url}`: {why}");
        let help = "write https://…; for an address of yours in a private network also allow_private = true";
        report(section, ConfigCode::NotUnderstood, message, span, help);
        return None;
    }
    if url.starts_with("http://") && !is_loopback(url) {
        let message = "the keys come without TLS: whoever is on the way can put in one of his own".to_owned();
        report(section, ConfigCode::PlainHttp, message, span, "");
    }
    Some(())
}

fn file(section: &Section<'_>, path: &str, span: Range<usize>) -> Option<KeySource> {
    // Commands that only look at the store check no tokens.
    if section.walk.secrets == Secrets::Ignored {
        return None;
    }
    let path = section.walk.outside.base.join(path);
    let text = match (section.walk.outside.read)(&path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("the file {} cannot be read: {error}", path.display());
            report(section, ConfigCode::SecretFile, message, span, "");
            return None;
        }
    };
    match KeySet::parse(text.as_bytes()) {
        Ok(keys) => Some(KeySource::Fixed(Arc::new(keys))),
        Err(error) => {
            let message = format!("the file {} cannot be used: {error}", path.display());
            let help = "save what the issuer publishes as its JWKS: {\"keys\":[…]}";
            report(section, ConfigCode::NotUnderstood, message, span, help);
            None
        }
    }
}

fn algorithms(section: &Section<'_>) -> Vec<Algorithm> {
    if section.value("algorithms").is_none() {
        return Vec::new();
    }
    let texts = section.texts("algorithms").unwrap_or_default();
    if texts.is_empty() {
        let message = "`algorithms` is empty, so every token would be refused".to_owned();
        report(section, ConfigCode::Empty, message, section.key_span("algorithms"), "remove it, or name some");
    }
    let word = |text: &Text| pick(section.walk, "algorithms", text, &WORDS, &[]).and_then(Algorithm::from_word);
    texts.iter().filter_map(word).collect()
}

fn path(section: &Section<'_>, key: &str) -> Option<ClaimPath> {
    section.parsed(key, |text| claim(key, text))
}

fn claim(key: &str, text: &str) -> Result<ClaimPath, String> {
    ClaimPath::parse(text).map_err(|error| format!("`{key}` names no claim: {error}"))
}

/// The members of a table of free names.
fn table<'w>(section: &Section<'w>, key: &str) -> Vec<(Text, Value<'w>)> {
    let Some(value) = section.value(key) else { return Vec::new() };
    let DeValue::Table(map) = value.value else {
        value.wrong_type("a table", &format!("write {key} = {{ name = … }}"));
        return Vec::new();
    };
    let member = |(name, value): (&'w toml::Spanned<toml::de::DeString<'w>>, &'w toml::Spanned<DeValue<'w>>)| {
        let name = Text { text: name.get_ref().to_string(), span: name.span() };
        let key = format!("{key}.{}", name.text);
        (name, Value { walk: section.walk, key, span: value.span(), value: value.get_ref() })
    };
    map.iter().map(member).collect()
}

fn required(section: &Section<'_>) -> Vec<(ClaimPath, serde_json::Value)> {
    let mut required = Vec::new();
    for (name, value) in table(section, "required") {
        let wanted = match value.value {
            DeValue::Boolean(yes) => Some(serde_json::Value::from(*yes)),
            DeValue::Integer(_) => value.integer(0..=u64::from(u32::MAX)).map(serde_json::Value::from),
            _ => value.text().map(|text| serde_json::Value::from(text.text)),
        };
        match claim("required", &name.text) {
            Ok(path) => required.extend(wanted.map(|wanted| (path, wanted))),
            Err(why) => report(section, ConfigCode::NotUnderstood, why, name.span, ""),
        }
    }
    required
}

fn fixed(section: &Section<'_>, key: &str, text: &Text) -> Option<Name> {
    let is_name = !text.text.trim().is_empty() && text.text.len() <= NAME_BYTES_MAX;
    if !is_name {
        let message = format!("`{key}` is empty or longer than {NAME_BYTES_MAX} bytes");
        report(section, ConfigCode::NotUnderstood, message, text.span.clone(), "");
    }
    is_name.then(|| Name::new(&text.text))
}

fn said(section: &Section<'_>, claim: &str, is: &str) -> Said {
    let fixed = section.text(is).and_then(|text| fixed(section, is, &text));
    Said { claim: path(section, claim), fixed }
}

fn mapping(section: &Section<'_>) -> Mapping {
    let usual = Mapping::default();
    let user_prefix = section.text("user_prefix").map(|text| text.text).unwrap_or_default();
    if user_prefix.len() > 64 {
        let message = "`user_prefix` is longer than 64 bytes".to_owned();
        report(section, ConfigCode::OutOfRange, message, section.key_span("user_prefix"), "");
    }
    let models_are = section.texts("models_are");
    if models_are.as_ref().is_some_and(Vec::is_empty) {
        let message = "`models_are` is empty; that would be all models".to_owned();
        report(section, ConfigCode::Empty, message, section.key_span("models_are"), "remove it, or name some");
    }
    let models_are = models_are.unwrap_or_default();
    Mapping {
        user: path(section, "user").unwrap_or(usual.user),
        user_prefix,
        team: said(section, "team", "team_is"),
        tier: said(section, "tier", "tier_is"),
        tags: tags(section),
        models: path(section, "models"),
        models_are: models_are.iter().filter_map(|text| fixed(section, "models_are", text)).collect(),
    }
}

fn tags(section: &Section<'_>) -> BTreeMap<Name, Said> {
    let mut tags: BTreeMap<Name, Said> = BTreeMap::new();
    for (name, value) in table(section, "tags") {
        let Some(text) = value.text() else { continue };
        match claim(&value.key, &text.text) {
            Ok(path) => tags.entry(Name::new(&name.text)).or_default().claim = Some(path),
            Err(why) => report(section, ConfigCode::NotUnderstood, why, text.span, ""),
        }
    }
    for (name, value) in table(section, "tags_are") {
        let Some(text) = value.text() else { continue };
        tags.entry(Name::new(&name.text)).or_default().fixed = fixed(section, &value.key, &text);
    }
    tags
}
