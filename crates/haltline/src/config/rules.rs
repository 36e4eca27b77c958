//! The sections that are only numbers: `[retry]`, `[breaker]`, `[deadlines]`, `[streams]`,
//! `[headroom]`, `[bounds]`; and `[keys]` and `[guard.review]`.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::guard_services;
use super::reader::{Keys, Section};
use haltline_gateway::settings::{
    Bounds, Deadlines, HeadroomSettings, OnCut, OnDisconnect, ReviewSettings, StreamSettings,
};
use haltline_policy::breaker::BreakerRules;
use haltline_policy::retry::RetryRules;
use haltline_ports::UserClaims;
use haltline_types::Name;
use std::time::Duration;

/// Retries of one user in one hour when the configuration does not say.
const PER_USER_PER_HOUR: u64 = 10;
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// `[retry]`, and how many of them a user has in an hour.
pub(super) fn retry(root: &Section<'_>) -> (RetryRules, u64) {
    const KEYS: Keys = Keys::of(&["max_retries", "per_user_per_hour", "base", "cap", "max_wait", "rate_limit_wait"]);
    let section = root.section("retry", &KEYS);
    let usual = RetryRules::default();
    let max_retries = section.integer("max_retries", 0..=20).and_then(|number| u8::try_from(number).ok());
    let mut rules = RetryRules {
        max_retries: max_retries.unwrap_or(usual.max_retries),
        base: section.duration("base", MS..=HOUR).unwrap_or(usual.base),
        cap: section.duration("cap", MS..=HOUR).unwrap_or(usual.cap),
        max_wait: section.duration("max_wait", Duration::ZERO..=HOUR).unwrap_or(usual.max_wait),
        rate_limit_wait: section.duration("rate_limit_wait", MS..=HOUR).unwrap_or(usual.rate_limit_wait),
    };
    if rules.cap < rules.base {
        let message = "`cap` is shorter than `base`: the first wait would be longer than the longest".to_owned();
        let key = if section.value("cap").is_some() { "cap" } else { "base" };
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(key)));
    }
    let per_user = section.integer("per_user_per_hour", 0..=1_000_000).unwrap_or(PER_USER_PER_HOUR);
    if per_user == 0 {
        rules.max_retries = 0;
    }
    (rules, per_user)
}

pub(super) fn breaker(root: &Section<'_>) -> BreakerRules {
    let section = root.section("breaker", &Keys::of(&["failures", "within", "open_for"]));
    let usual = BreakerRules::default();
    let failures = section.integer("failures", 0..=100_000).and_then(|number| u32::try_from(number).ok());
    BreakerRules {
        failures: failures.unwrap_or(usual.failures),
        within: section.duration("within", MS..=DAY).unwrap_or(usual.within),
        open_for: section.duration("open_for", MS..=DAY).unwrap_or(usual.open_for),
    }
}

pub(super) fn deadlines(root: &Section<'_>) -> Deadlines {
    let section = root.section("deadlines", &Keys::of(&["first_token", "idle", "total"]));
    let usual = Deadlines::default();
    let deadlines = Deadlines {
        first_token: section.duration("first_token", MS..=DAY).unwrap_or(usual.first_token),
        idle: section.duration("idle", MS..=DAY).unwrap_or(usual.idle),
        total: section.duration("total", MS..=DAY).unwrap_or(usual.total),
    };
    if deadlines.first_token > deadlines.total {
        let message = "`first_token` is longer than `total`: it would never be reached".to_owned();
        let key = if section.value("first_token").is_some() { "first_token" } else { "total" };
        section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(key)));
    }
    deadlines
}

/// `[streams]`, and how long streams are kept.
pub(super) fn streams(root: &Section<'_>) -> (StreamSettings, Duration) {
    let section = root
        .section("streams", &Keys::of(&["on_disconnect", "grace", "heartbeat", "keep_for", "max_unwatched", "on_cut"]));
    let usual = StreamSettings::default();
    let grace = section.duration("grace", Duration::ZERO..=HOUR);
    let on_disconnect = match section.choice("on_disconnect", &["continue", "cancel"], &[]) {
        Some("cancel") => OnDisconnect::Cancel { grace: grace.unwrap_or(Duration::from_secs(5)) },
        _ => {
            if grace.is_some() {
                let message = "`grace` belongs to `on_disconnect = \"cancel\"`".to_owned();
                section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span("grace")));
            }
            usual.on_disconnect
        }
    };
    let keep_for = section.duration("keep_for", Duration::ZERO..=31 * DAY);
    let heartbeat = section.duration("heartbeat", Duration::from_secs(1)..=HOUR).unwrap_or(usual.heartbeat);
    let max_unwatched = section.duration("max_unwatched", Duration::ZERO..=DAY).unwrap_or(usual.max_unwatched);
    let on_cut = match section.choice("on_cut", &["continue", "continue-with-tools", "end"], &[]) {
        Some("end") => OnCut::End,
        Some("continue-with-tools") => OnCut::ContinueWithTools,
        _ => usual.on_cut,
    };
    let keep_for = keep_for.unwrap_or(DAY);
    (StreamSettings { on_disconnect, heartbeat, max_unwatched, on_cut, kept: !keep_for.is_zero() }, keep_for)
}

pub(super) fn headroom(root: &Section<'_>) -> HeadroomSettings {
    let section = root.section("headroom", &Keys::of(&["wait", "min_output_tokens", "default_output_tokens"]));
    let usual = HeadroomSettings::default();
    HeadroomSettings {
        wait: section.duration("wait", Duration::ZERO..=Duration::from_secs(60)).unwrap_or(usual.wait),
        min_output_tokens: section.tokens("min_output_tokens").unwrap_or(usual.min_output_tokens),
        default_output_tokens: section.tokens("default_output_tokens").unwrap_or(usual.default_output_tokens),
    }
}

pub(super) fn bounds(root: &Section<'_>) -> Bounds {
    let section = root.section("bounds", &Keys::of(&["body_bytes", "in_flight", "answer_bytes"]));
    let usual = Bounds::default();
    let size = |key, usual, most| {
        section.integer(key, 1..=most).and_then(|number| usize::try_from(number).ok()).unwrap_or(usual)
    };
    Bounds {
        body_bytes: size("body_bytes", usual.body_bytes, 1 << 30),
        in_flight: size("in_flight", usual.in_flight, 1_000_000),
        answer_bytes: size("answer_bytes", usual.answer_bytes, 1 << 30),
    }
}

/// `[keys] users`: what a new key may claim when nothing is said of it.
pub(super) fn users(root: &Section<'_>) -> UserClaims {
    let section = root.section("keys", &Keys::of(&["users"]));
    let Some(value) = section.value("users") else { return UserClaims::None };
    let listed = section.texts("users").unwrap_or_default();
    let words: Vec<&str> = listed.iter().map(|text| text.text.as_str()).collect();
    match words.as_slice() {
        ["none"] => UserClaims::None,
        ["any"] => UserClaims::Any,
        [] => {
            let empty = Diagnostic::new(ConfigCode::Empty, "[keys]: `users` names nobody").at(value.span);
            section.walk.report(empty.help("write users = \"none\""));
            UserClaims::None
        }
        [word] if value.is_text() => {
            let message = format!("`{word}` is not a value of `users`");
            let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(value.span.clone());
            section.walk.report(wrong.allowed(["\"none\"", "\"any\"", "[\"alice\", …]"]));
            UserClaims::None
        }
        names => UserClaims::Listed(names.iter().map(|name| Name::new(name)).collect()),
    }
}

/// The keys of `[guard]`.
pub(super) const GUARD: Keys = Keys { known: &["review", guard_services::KEY], later: &["input", "output"] };

/// `[guard.review]`: what is kept of prompts that a provider's policy has forbidden.
pub(super) fn review(root: &Section<'_>) -> ReviewSettings {
    let guard = root.section("guard", &GUARD);
    let review =
        Section { title: "[guard.review]".to_owned(), ..guard.section("review", &Keys::of(&["keep_prompts"])) };
    match review.boolean("keep_prompts") {
        Some(true) => ReviewSettings::Prompt,
        Some(false) | None => ReviewSettings::Fingerprint,
    }
}
