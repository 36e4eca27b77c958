//! `[auth.browser]`: browsers that sign in.

use crate::config::codes::ConfigCode;
use crate::config::diagnostic::Diagnostic;
use crate::config::reader::{Keys, Section};
use crate::config::value::Text;
use haltline_gateway::settings::{BrowserSettings, SameSite};
use haltline_types::NanoUsd;
use std::time::Duration;

const KEYS: Keys = Keys::of(&[
    "origins",
    "same_site",
    "expires_in",
    "session_for",
    "idle_for",
    "grace",
    "budget_max",
    "sign_ins_max",
    "sign_ins_per_key",
    "insecure_cookies_on_loopback",
]);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
/// Pages that are listed, at most.
const ORIGINS_MAX: usize = 100;
/// Sign-ins in memory, at most: about a kilobyte each.
const SIGN_INS_MAX: u64 = 1_000_000;

/// `[auth.browser]`; none where it is not written.
pub(super) fn browser(auth: &Section<'_>) -> Option<BrowserSettings> {
    let section = auth.value("browser")?.into_section("[auth.browser]".to_owned(), auth.key_span("browser"));
    section.check_keys(&KEYS);
    let usual = BrowserSettings::default();
    let origins = origins(&section);
    let same_site = match section.choice("same_site", &["strict", "lax", "none"], &[]) {
        Some("lax") => SameSite::Lax,
        Some("none") => SameSite::None,
        _ => usual.same_site,
    };
    let count = |key| section.integer(key, 1..=SIGN_INS_MAX).and_then(|number| usize::try_from(number).ok());
    let session_for = section.duration("session_for", SECOND..=30 * DAY).unwrap_or(usual.session_for);
    let expires_in = section.duration("expires_in", SECOND..=DAY).unwrap_or(usual.expires_in.min(session_for));
    let idle_for =
        section.duration("idle_for", SECOND..=30 * DAY).unwrap_or(usual.idle_for.max(expires_in).min(session_for));
    let sign_ins_max = count("sign_ins_max").unwrap_or(usual.sign_ins_max);
    let settings = BrowserSettings {
        origins,
        same_site,
        expires_in,
        session_for,
        idle_for,
        grace: section.duration("grace", Duration::ZERO..=Duration::from_secs(60)).unwrap_or(usual.grace),
        budget_max: budget_max(&section).unwrap_or(usual.budget_max),
        sign_ins_max,
        sign_ins_per_key: count("sign_ins_per_key").unwrap_or(usual.sign_ins_per_key.min(sign_ins_max)),
        insecure_cookies_on_loopback: section
            .boolean("insecure_cookies_on_loopback")
            .unwrap_or(usual.insecure_cookies_on_loopback),
    };
    check(&section, &settings);
    Some(settings)
}

/// What cannot be meant together.
fn check(section: &Section<'_>, settings: &BrowserSettings) {
    let contradiction = |key: &str, message: &str| {
        let wrong = Diagnostic::new(ConfigCode::Contradiction, message.to_owned()).at(section.key_span(key));
        section.walk.report(wrong);
    };
    if settings.expires_in > settings.session_for {
        contradiction("expires_in", "an access token (`expires_in`) cannot outlive its sign-in (`session_for`)");
    }
    if settings.idle_for < settings.expires_in {
        contradiction("idle_for", "`idle_for` is shorter than `expires_in`: nobody could refresh in time");
    }
    if settings.sign_ins_per_key > settings.sign_ins_max {
        contradiction("sign_ins_per_key", "`sign_ins_per_key` is more than `sign_ins_max`");
    }
}

fn budget_max(section: &Section<'_>) -> Option<NanoUsd> {
    let span = section.value("budget_max")?.span;
    let amount = section.parsed("budget_max", |text| {
        text.parse::<NanoUsd>().map_err(|error| format!("`budget_max`: {error}; write it like \"$5\""))
    })?;
    if amount > NanoUsd::ZERO && amount <= NanoUsd::LIMIT_MAX {
        return Some(amount);
    }
    let message = format!("`budget_max` is above zero and at most {}", NanoUsd::LIMIT_MAX);
    section.walk.report(Diagnostic::new(ConfigCode::OutOfRange, message).at(span));
    None
}

fn origins(section: &Section<'_>) -> Vec<String> {
    const HOW: &str = "origins = [\"https://app.example.com\"]";
    let Some(texts) = section.texts("origins") else {
        if section.value("origins").is_none() {
            section.missing("origins", HOW);
        }
        return Vec::new();
    };
    if texts.is_empty() || texts.len() > ORIGINS_MAX {
        let message = format!("`origins` lists 1 to {ORIGINS_MAX} pages");
        let wrong = Diagnostic::new(ConfigCode::OutOfRange, message).at(section.key_span("origins"));
        section.walk.report(wrong.help(format!("write {HOW}")));
    }
    texts.iter().filter_map(|text| origin(section, text)).collect()
}

/// An origin as browsers write it, or a diagnostic.
fn origin(section: &Section<'_>, text: &Text) -> Option<String> {
    match checked_origin(&text.text) {
        Ok(()) => Some(text.text.clone()),
        Err(why) => {
            let message = format!("`{}` is no origin: {why}", text.text);
            let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(text.span.clone());
            section
                .walk
                .report(wrong.help("write it as the address bar has it, without a path: \"https://app.example.com\""));
            None
        }
    }
}

fn checked_origin(text: &str) -> Result<(), &'static str> {
    if text.contains('*') {
        return Err("there is no wildcard; list each page");
    }
    let (scheme, rest) = text.split_once("://").ok_or("it begins with https://")?;
    if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
        return Err("only scheme, host and port stand in it");
    }
    if text.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase()) {
        return Err("browsers write it in small letters, and other scripts than Latin as xn--…");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    if host.is_empty() || port.is_some_and(|port| !is_port(port)) {
        return Err("the port is a number");
    }
    match (scheme, port) {
        ("https", Some("443")) | ("http", Some("80")) => Err("browsers leave the usual port out"),
        ("https", _) => Ok(()),
        ("http", _) if is_loopback(host) => Ok(()),
        ("http", _) => Err("plain http is for loopback addresses only"),
        _ => Err("it begins with https://"),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::checked_origin;

    #[test]
    fn an_origin_is_what_browsers_write() {
        for good in [
            "https://app.example.com",
            "https://a.b:8443",
            "http://localhost:3000",
            "http://127.0.0.1:1",
            "http://[::1]:3000",
        ] {
            assert_eq!(checked_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "*",
            "https://*.example.com",
            "https://a/",
            "https://a/b",
            "app.example.com",
            "http://app.example.com",
            "https://A.example.com",
            "https://a:443",
            "http://localhost:80",
            "https://a:x",
            "https://a:099",
            "https://u@a",
            "null",
            "file://",
            "https://",
            "https://:1",
            "ftp://a",
            "https://ä.example",
        ] {
            assert!(checked_origin(bad).is_err(), "{bad}");
        }
    }
}
