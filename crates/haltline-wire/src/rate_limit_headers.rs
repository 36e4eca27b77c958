//! Headers that say what is left at a provider: OpenAI's `x-ratelimit-*` and the families of those
//! that differ. Survives values that are masked or make no sense: those read as not stated.

use crate::retry_after::{WAIT_MAX, decimal_millis, duration, until, until_date};
use haltline_types::Timestamp;
use std::time::Duration;

/// One limit of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limit {
    /// The size of the window's allowance.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// Time until it is full again, or at the latest so. Never zero. A bare number is read only where
    /// its unit is known: `x-ratelimit-reset-tokens: 60` means seconds at one and milliseconds at
    /// another.
    pub reset: Option<Duration>,
}

impl Limit {
    /// Nothing is left: the time until there is, where it is known.
    #[must_use]
    pub fn nothing_left_for(&self) -> Option<Duration> {
        self.reset.filter(|_| self.remaining == Some(0))
    }
}

/// The limits that a provider states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Requests in the provider's own window (Groq: a day).
    pub requests: Limit,
    /// Tokens of input and output together.
    pub tokens: Limit,
    /// Input tokens (Anthropic).
    pub input_tokens: Limit,
    /// Output tokens (Anthropic).
    pub output_tokens: Limit,
    /// The tightest of further windows: Mistral's, Cerebras's, OpenAI's per project, OpenRouter's.
    pub other: Limit,
}

impl RateLimits {
    /// The longest time for which one of the limits has nothing left. `None` when something is left
    /// of all, or nobody says until when.
    #[must_use]
    pub fn nothing_left_for(&self) -> Option<Duration> {
        [self.requests, self.tokens, self.input_tokens, self.output_tokens, self.other]
            .iter()
            .filter_map(Limit::nothing_left_for)
            .max()
    }
}

/// The names of a window's limit, of what is left, and of the reset.
type Names = [&'static str; 3];

macro_rules! names {
    ($window:literal) => {
        [
            concat!("x-ratelimit-limit-", $window),
            concat!("x-ratelimit-remaining-", $window),
            concat!("x-ratelimit-reset-", $window),
        ]
    };
    (anthropic $window:literal) => {
        [
            concat!("anthropic-ratelimit-", $window, "-limit"),
            concat!("anthropic-ratelimit-", $window, "-remaining"),
            concat!("anthropic-ratelimit-", $window, "-reset"),
        ]
    };
}

/// Further windows: their names, the length of the window where the provider states no reset, and the
/// unit of a bare reset.
const OTHERS: [(Names, Option<Duration>, Bare); 13] = [
    // Mistral states no reset; the window's length is the latest.
    (names!("req-minute"), Some(Duration::from_secs(60)), Bare::Unknown),
    (names!("req-10-second"), Some(Duration::from_secs(10)), Bare::Unknown),
    (names!("tokens-minute"), Some(Duration::from_secs(60)), Bare::Seconds),
    (names!("tokens-5-minute"), Some(Duration::from_secs(300)), Bare::Unknown),
    (names!("tokens-month"), None, Bare::Unknown),
    (names!("audio-seconds-minute"), Some(Duration::from_secs(60)), Bare::Unknown),
    // Cerebras: seconds with a fraction.
    (names!("requests-minute"), Some(Duration::from_secs(60)), Bare::Seconds),
    (names!("requests-hour"), Some(Duration::from_secs(3_600)), Bare::Seconds),
    (names!("requests-day"), None, Bare::Seconds),
    (names!("tokens-day"), None, Bare::Seconds),
    // OpenAI.
    (names!("project-tokens"), None, Bare::Unknown),
    (names!("project-requests"), None, Bare::Unknown),
    (names!("input-images"), None, Bare::Unknown),
];

/// The unit of a number without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bare {
    Unknown,
    Seconds,
}

/// Reads the headers of an answer, good or bad. `now` is what dates are compared with.
#[must_use]
pub fn read<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Timestamp) -> RateLimits {
    let of = |[limit, remaining, reset]: Names, bare: Bare| {
        let count = |name: &str| header(name).and_then(whole);
        let reset = header(reset).and_then(|text| time(text, bare, now));
        Limit { limit: count(limit), remaining: count(remaining), reset }
    };
    let named = |names: Names| of(names, Bare::Unknown);
    let either = |first: Limit, second: Limit| if first == Limit::default() { second } else { first };
    let mut other = Limit::default();
    let further = OTHERS.iter().map(|(names, length, bare)| {
        let limit = of(*names, *bare);
        Limit { reset: limit.reset.or(*length), ..limit }
    });
    // OpenRouter, Together and others name no window. OpenRouter's reset is a date in milliseconds.
    let plain = of(["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"], Bare::Seconds);
    // The IETF's draft: seconds.
    let draft = of(["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"], Bare::Seconds);
    for limit in further.chain([plain, draft, unified(header, now)]) {
        if limit.remaining.is_some() && tighter(&limit, &other) {
            other = limit;
        }
    }
    RateLimits {
        requests: either(named(names!("requests")), named(names!(anthropic "requests"))),
        tokens: either(named(names!("tokens")), named(names!(anthropic "tokens"))),
        input_tokens: named(names!(anthropic "input-tokens")),
        output_tokens: named(names!(anthropic "output-tokens")),
        other,
    }
}

/// Anthropic's limits of subscriptions: no counts, but a verdict and when it ends, in seconds since
/// 1970.
fn unified<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Timestamp) -> Limit {
    if header("anthropic-ratelimit-unified-status").map(str::trim) != Some("rejected") {
        return Limit::default();
    }
    let reset = header("anthropic-ratelimit-unified-reset").and_then(|text| time(text, Bare::Unknown, now));
    Limit { limit: None, remaining: Some(0), reset }
}

/// Does less remain of `limit`, and of the used up for longer?
fn tighter(limit: &Limit, than: &Limit) -> bool {
    match (limit.remaining, than.remaining) {
        (_, None) => true,
        (Some(0), Some(0)) => limit.reset > than.reset,
        (left, right) => left < right,
    }
}

fn whole(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A reset: `6s`, `1m30s`, `130ms`, RFC 3339, an HTTP date, seconds or milliseconds since 1970, or a
/// bare number in its unit.
fn time(text: &str, bare: Bare, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Some(wait) = duration(text) {
        return Some(wait);
    }
    match whole(text).and_then(|number| i64::try_from(number).ok()) {
        // Since 1970: a limit that lasts thirty years is none.
        Some(millis @ 100_000_000_000..) => return until(Timestamp::from_millis(millis), now),
        Some(secs @ 1_000_000_000..) => return until(Timestamp::from_secs(secs), now),
        _ => {}
    }
    if bare == Bare::Seconds
        && let Some(wait) = decimal_millis(text, 1_000)
    {
        return Some(wait.min(WAIT_MAX));
    }
    until_date(text, now)
}

/// Does a header of this lower-case name say what is left? Most answers have none that does.
#[must_use]
pub fn is_one(name: &str) -> bool {
    name.contains("ratelimit-")
}

/// Until when nothing is left, by the provider's own word.
#[must_use]
pub fn exhausted_until<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Timestamp) -> Option<Timestamp> {
    read(header, now).nothing_left_for().map(|wait| now.saturating_add(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000); // 2026-11-18T11:06:40Z

    fn of(headers: &[(&'static str, &'static str)]) -> RateLimits {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        read(&header, NOW)
    }

    #[test]
    fn what_makes_no_sense_is_not_stated() {
        let limits = of(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "9m38.016s"),
            ("x-ratelimit-limit-tokens", "X-RATELIMIT-LIMIT-TOKENS-XXX"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "60"),
        ]);
        assert_eq!(limits.requests.limit, Some(500));
        assert_eq!(limits.requests.remaining, Some(499));
        assert_eq!(limits.requests.reset, Some(Duration::from_millis(578_016)));
        assert_eq!(limits.tokens, Limit::default());
        assert_eq!(limits.nothing_left_for(), None);
    }

    #[test]
    fn nothing_is_left_until_somebody_says() {
        for (headers, millis) in [
            // OpenAI and Groq.
            (vec![("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "130ms")], Some(130)),
            (
                vec![
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "6s"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1m30s"),
                ],
                Some(90_000),
            ),
            // Azure: nobody knows the unit.
            (vec![("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "12")], None),
            // Anthropic.
            (
                vec![
                    ("anthropic-ratelimit-input-tokens-remaining", "0"),
                    ("anthropic-ratelimit-input-tokens-reset", "2026-11-18T11:06:45Z"),
                ],
                Some(5_000),
            ),
            (
                vec![
                    ("anthropic-ratelimit-unified-status", "rejected"),
                    ("anthropic-ratelimit-unified-reset", "1795000060"),
                ],
                Some(60_000),
            ),
            (
                vec![
                    ("anthropic-ratelimit-unified-status", "allowed"),
                    ("anthropic-ratelimit-unified-reset", "1795000060"),
                ],
                None,
            ),
            // Mistral.
            (vec![("x-ratelimit-remaining-req-minute", "0")], Some(60_000)),
            (vec![("x-ratelimit-remaining-tokens-month", "0")], None),
            // Cerebras.
            (
                vec![("x-ratelimit-remaining-requests-day", "0"), ("x-ratelimit-reset-requests-day", "33011.382867")],
                Some(33_011_383),
            ),
            // OpenRouter, Together, the draft.
            (vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795000007000")], Some(7_000)),
            (vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "3")], Some(3_000)),
            (vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "34")], Some(34_000)),
            // Past.
            (vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1794999999")], None),
        ] {
            let found = of(&headers).nothing_left_for().map(|wait| wait.as_millis());
            assert_eq!(found, millis, "{headers:?}");
        }
    }

    #[test]
    fn every_name_that_is_read_is_one_of_them() {
        let seen = std::cell::RefCell::new(Vec::new());
        let header = |name: &str| -> Option<&'static str> {
            seen.borrow_mut().push(name.to_owned());
            (name == "anthropic-ratelimit-unified-status").then_some("rejected")
        };
        let _ = read(&header, NOW);
        let seen = seen.into_inner();
        assert!(seen.len() > 60 && seen.iter().all(|name| is_one(name)), "{seen:?}");
        assert!(!is_one("retry-after"));
    }

    #[test]
    fn the_tightest_further_window_is_told() {
        let limits = of(&[
            ("x-ratelimit-limit-req-minute", "100"),
            ("x-ratelimit-remaining-req-minute", "99"),
            ("x-ratelimit-limit-tokens-minute", "100000"),
            ("x-ratelimit-remaining-tokens-minute", "7"),
        ]);
        assert_eq!(limits.other.limit, Some(100_000));
        assert_eq!(limits.other.remaining, Some(7));
    }
}
