//! `[jobs]` and `[responses]`.

use super::alerts;
use super::reader::{Keys, Section};
use haltline_gateway::settings::{JobSettings, ResponseSettings};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// `[jobs]`.
pub(super) fn jobs(root: &Section<'_>) -> JobSettings {
    const KEYS: Keys = Keys::of(&[
        "concurrency",
        "keep_for",
        "max_attempts",
        "retry_base",
        "webhook_secret",
        "allow_private_webhooks",
    ]);
    let section = root.section("jobs", &KEYS);
    let usual = JobSettings::default();
    let concurrency = section.integer("concurrency", 1..=10_000).and_then(|number| usize::try_from(number).ok());
    let max_attempts = section.integer("max_attempts", 1..=20).and_then(|number| u8::try_from(number).ok());
    JobSettings {
        concurrency: concurrency.unwrap_or(usual.concurrency),
        keep_for: section.duration("keep_for", Duration::from_secs(60)..=90 * DAY).unwrap_or(usual.keep_for),
        max_attempts: max_attempts.unwrap_or(usual.max_attempts),
        retry_base: section.duration("retry_base", MS..=HOUR).unwrap_or(usual.retry_base),
        webhook_secret: section.value("webhook_secret").and_then(|value| alerts::secret(&section, &value)),
        allow_private_webhooks: section.boolean("allow_private_webhooks").unwrap_or(usual.allow_private_webhooks),
    }
}

/// `[responses]`.
pub(super) fn responses(root: &Section<'_>) -> ResponseSettings {
    let section = root.section("responses", &Keys::of(&["keep_for", "bytes_per_key"]));
    let usual = ResponseSettings::default();
    let bytes = section.integer("bytes_per_key", 1 << 20..=1 << 40).and_then(|number| usize::try_from(number).ok());
    ResponseSettings {
        keep_for: section.duration("keep_for", Duration::from_secs(60)..=365 * DAY).unwrap_or(usual.keep_for),
        bytes_per_key: bytes.unwrap_or(usual.bytes_per_key),
    }
}
