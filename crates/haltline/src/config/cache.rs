//! `[cache]`: which answers are given again, to whom, and for how long.

use super::alerts;
use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use haltline_gateway::Hook;
use haltline_gateway::settings::{CachePer, CacheSettings};
use haltline_types::Name;
use std::ops::RangeInclusive;
use std::time::Duration;

const KEYS: Keys = Keys::of(&[
    "enabled",
    "by_header",
    "models",
    "ttl",
    "stale_on_failure",
    "stale_on_budget",
    "stale_for",
    "max_bytes",
    "max_entry",
    "per",
    "invalidated_webhook",
    "webhook_secret",
    "allow_private",
]);
const SECOND: Duration = Duration::from_secs(1);
/// The gateway keeps what tags were invalidated for twice as long.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// The section. `models` are the names that requests may ask for besides `provider/model`.
pub(super) fn cache<'n>(root: &Section<'_>, models: &(impl Iterator<Item = &'n Name> + Clone)) -> CacheSettings {
    let section = root.section("cache", &KEYS);
    let usual = CacheSettings::default();
    let listed = section.texts("models").unwrap_or_default();
    for text in &listed {
        let is_known = text.text.contains('/') || models.clone().any(|name| **name == *text.text);
        if !is_known {
            let message = format!("[cache]: there is no model `{}`", text.text);
            let unknown = Diagnostic::new(ConfigCode::UnknownReference, message).at(text.span.clone());
            section.walk.report(unknown.suggest(&text.text, models.clone().map(|name| &**name)));
        }
    }
    let enabled = section.boolean("enabled").unwrap_or(usual.enabled);
    if !enabled && !listed.is_empty() {
        let message =
            "`models` has no effect while `enabled` is false: answers are kept only for requests that ask for it";
        section.walk.report(Diagnostic::new(ConfigCode::NoEffect, message).at(section.key_span("models")));
    }
    let stale_on_failure = section.boolean("stale_on_failure").unwrap_or(usual.stale_on_failure);
    let stale_on_budget = section.boolean("stale_on_budget").unwrap_or(usual.stale_on_budget);
    if stale_on_budget && !stale_on_failure {
        let message = "`stale_on_budget` needs `stale_on_failure`: without it no old answer stands in for anything";
        section
            .walk
            .report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("stale_on_budget")));
    }
    let bytes_max = bytes(&section, "max_bytes", 0..=64 << 30).unwrap_or(usual.bytes_max);
    let entry_bytes_max = bytes(&section, "max_entry", 1..=16 << 20).unwrap_or(usual.entry_bytes_max);
    if bytes_max > 0 && entry_bytes_max > bytes_max && section.is_present() {
        let message = "`max_entry` is larger than `max_bytes`: such an answer would find no room";
        let key = if section.value("max_entry").is_some() { "max_entry" } else { "max_bytes" };
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(key)));
    }
    let per = match section.choice("per", &["tenant", "user", "everyone"], &[]) {
        Some("user") => Some(CachePer::User),
        Some("tenant") => Some(CachePer::Tenant),
        Some("everyone") => Some(CachePer::Everyone),
        _ => usual.per,
    };
    CacheSettings {
        enabled,
        by_header: section.boolean("by_header").unwrap_or(usual.by_header),
        models: listed.iter().map(|text| Name::new(&text.text)).collect(),
        ttl: section.duration("ttl", SECOND..=LONGEST).unwrap_or(usual.ttl),
        stale_on_failure,
        stale_on_budget,
        stale_for: section.duration("stale_for", SECOND..=LONGEST).unwrap_or(usual.stale_for),
        bytes_max,
        entry_bytes_max,
        per,
        invalidated_webhook: webhook(&section),
    }
}

/// Who is told of invalidated tags. What it is told is signed: it would drop anything otherwise.
fn webhook(section: &Section<'_>) -> Option<Hook> {
    section.value("invalidated_webhook")?;
    let allow_private = section.boolean("allow_private").unwrap_or(false);
    let url = alerts::url(section, "invalidated_webhook", allow_private);
    let secret = match section.value("webhook_secret") {
        Some(value) => alerts::secret(section, &value),
        None => {
            section.missing("webhook_secret", "webhook_secret = \"${CACHE_SECRET}\"; messages are signed with it");
            None
        }
    };
    Some(Hook { url: url?, secrets: secret.into_iter().collect(), allow_private })
}

/// A number of bytes between two bounds.
fn bytes(section: &Section<'_>, key: &str, range: RangeInclusive<u64>) -> Option<usize> {
    let span = section.value(key)?.span;
    let number = section.parsed(key, parse_bytes)?;
    if range.contains(&number) {
        return usize::try_from(number).ok();
    }
    let message = format!("`{key}` is from {} to {}", shown(*range.start()), shown(*range.end()));
    section.walk.report(Diagnostic::new(ConfigCode::OutOfRange, message).at(span));
    None
}

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

fn parse_bytes(text: &str) -> Result<u64, String> {
    let unreadable = || format!("`{text}` is not a size; write one like \"256MiB\"");
    let (digits, unit) =
        UNITS.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit))).unwrap_or((text, 1));
    let number: u64 = digits.trim().parse().map_err(|_| unreadable())?;
    number.checked_mul(unit).ok_or_else(unreadable)
}

fn shown(bytes: u64) -> String {
    match UNITS.iter().take(3).rev().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((word, unit)) => format!("{}{word}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("256MiB", 256 << 20), ("4 MiB", 4 << 20), ("1GB", 1_000_000_000), ("12B", 12), ("12", 12), ("0", 0)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1TiB", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!((shown(64 << 30), shown(1), shown(1500)), ("64GiB".into(), "1B".into(), "1500B".into()));
    }
}
