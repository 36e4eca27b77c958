//! The keys of a provider: `api_key`, or `api_keys` where it has several. Whose turn it is, is the
//! upstream's matter.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use super::value::Value;
use haltline_gateway::settings::ProviderKey;
use std::ops::Range;

const ONE: &str = "api_key";
const SEVERAL: &str = "api_keys";
const KEY: Keys = Keys::of(&["key", "weight"]);
/// The largest weight; one key in a thousand is as good as none.
const WEIGHT_MAX: u64 = 1_000;

/// The keys of a section; none where there are none or secrets are ignored. `usual` is the
/// variable in which people have the key, for a provider that asks for one.
pub(super) fn keys(section: &Section<'_>, usual: Option<&str>) -> Vec<ProviderKey> {
    let (one, several) = (section.value(ONE), section.value(SEVERAL));
    match (one, several) {
        (None, None) => {
            if let Some(variable) = usual {
                section.missing(ONE, &format!("{ONE} = \"${{{variable}}}\""));
            }
            Vec::new()
        }
        (Some(value), None) => key(section, &value, 1).into_iter().collect(),
        (None, Some(value)) => list(section, &value),
        (Some(one), Some(several)) => {
            // Read all the same: neither may be shown.
            let _ = (one.secret(&section.title), list(section, &several));
            let message = format!("{}: `{ONE}` and `{SEVERAL}` exclude each other", section.title);
            let wrong = Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(ONE));
            section.walk.report(wrong.help(format!("write all of them in `{SEVERAL}`")));
            Vec::new()
        }
    }
}

/// `["${A}", { key = "${B}", weight = 3 }]`; a single string counts as a list of one.
fn list(section: &Section<'_>, value: &Value<'_>) -> Vec<ProviderKey> {
    if value.is_text() {
        return key(section, value, 1).into_iter().collect();
    }
    let Some(items) = section.items(SEVERAL) else {
        section.walk.secret_spans.borrow_mut().push(value.span.clone());
        return Vec::new();
    };
    if items.is_empty() {
        let message = format!("{}: `{SEVERAL}` is empty", section.title);
        let wrong = Diagnostic::new(ConfigCode::Empty, message).at(value.span.clone());
        section.walk.report(wrong.help(format!("write {SEVERAL} = [\"${{A}}\", \"${{B}}\"]")));
    }
    let mut keys: Vec<ProviderKey> = Vec::new();
    for item in items {
        let span = item.span.clone();
        let Some(read) = weighted(section, item) else { continue };
        if keys.iter().any(|known| known.secret == read.secret) {
            twice(section, span);
        } else {
            keys.push(read);
        }
    }
    keys
}

fn weighted(section: &Section<'_>, item: Value<'_>) -> Option<ProviderKey> {
    if !item.is_table() {
        return key(section, &item, 1);
    }
    let span = item.span.clone();
    let inner = item.into_section(format!("{} {SEVERAL}", section.title), span);
    inner.check_keys(&KEY);
    let weight = match inner.value("weight") {
        None => 1,
        Some(value) => u32::try_from(value.integer(1..=WEIGHT_MAX)?).ok()?,
    };
    let Some(value) = inner.value("key") else {
        inner.missing("key", "{ key = \"${NAME}\", weight = 3 }");
        return None;
    };
    key(section, &value, weight)
}

fn key(section: &Section<'_>, value: &Value<'_>, weight: u32) -> Option<ProviderKey> {
    let secret = value.secret(&section.title)?;
    if !secret.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{}: the key contains spaces or other characters that no key has", section.title);
        section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, message).at(value.span.clone()));
        return None;
    }
    (!secret.reveal().is_empty()).then_some(ProviderKey { secret, weight })
}

/// Two names of one key share its limit, so the second helps nobody.
fn twice(section: &Section<'_>, span: Range<usize>) {
    let message = format!("{}: this key is in `{SEVERAL}` twice", section.title);
    let wrong = Diagnostic::new(ConfigCode::Contradiction, message).at(span);
    section.walk.report(wrong.help("name it once, as { key = \"${NAME}\", weight = 2 }"));
}
