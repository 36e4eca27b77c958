//! Headers that say what is left at a provider: `x-ratelimit-*` and `anthropic-ratelimit-*`.
//! Survives values that are masked or make no sense: those read as not stated.
//!
//! Not here: advice on a failed request (`retry_after.rs`).

use crate::retry_after::{self, WAIT_MAX};
use haltline_types::Timestamp;
use std::time::Duration;

/// One limit of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limit {
    /// The size of the window's allowance.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// Time until it is full again. Only where the provider writes a unit (`6s`, `1m30s`): a bare
    /// number means seconds at one and milliseconds at another.
    pub reset: Option<Duration>,
}

/// The limits that most OpenAI-shaped servers state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// `x-ratelimit-*-requests`.
    pub requests: Limit,
    /// `x-ratelimit-*-tokens`.
    pub tokens: Limit,
}

/// Reads the headers of an answer, good or bad.
#[must_use]
pub fn read<'h>(header: &dyn Fn(&str) -> Option<&'h str>) -> RateLimits {
    let count = |name| header(name).and_then(number);
    let reset = |name| header(name).and_then(|text: &str| retry_after::duration(text));
    RateLimits {
        requests: Limit {
            limit: count("x-ratelimit-limit-requests"),
            remaining: count("x-ratelimit-remaining-requests"),
            reset: reset("x-ratelimit-reset-requests"),
        },
        tokens: Limit {
            limit: count("x-ratelimit-limit-tokens"),
            remaining: count("x-ratelimit-remaining-tokens"),
            reset: reset("x-ratelimit-reset-tokens"),
        },
    }
}

/// Does the answer say that nothing is left of some allowance, and until when? The latest of the
/// times, where several are used up; `None` where something is left, or no time is stated.
///
/// Read from: OpenAI's and Groq's `x-ratelimit-*` (a time with its unit), Anthropic's
/// `anthropic-ratelimit-*` (RFC 3339), and Mistral's `x-ratelimit-remaining-req-10-second` and
/// `-minute`, whose windows are named by their length: none of them lasts longer than that.
#[must_use]
pub fn exhausted_until<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Timestamp) -> Option<Timestamp> {
    let limits = read(header);
    let timed = [limits.requests, limits.tokens].into_iter().map(|limit| {
        let reset = limit.reset.filter(|_| limit.remaining == Some(0))?;
        Some(now.saturating_add(reset))
    });
    let used_up = |name: &str| header(name).and_then(number) == Some(0);
    let dated = ANTHROPIC.iter().map(|(remaining, reset)| {
        let stated = header(reset).filter(|_| used_up(remaining))?;
        let at: jiff::Timestamp = stated.trim().parse().ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    });
    let windowed = MISTRAL.iter().map(|(remaining, window)| used_up(remaining).then(|| now.saturating_add(*window)));
    let latest = timed.chain(dated).chain(windowed).flatten().max()?;
    (latest > now).then(|| latest.min(now.saturating_add(WAIT_MAX)))
}

const ANTHROPIC: [(&str, &str); 4] = [
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

const MISTRAL: [(&str, Duration); 3] = [
    ("x-ratelimit-remaining-req-10-second", Duration::from_secs(10)),
    ("x-ratelimit-remaining-req-minute", Duration::from_secs(60)),
    ("x-ratelimit-remaining-tokens-minute", Duration::from_secs(60)),
];

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_not_stated() {
        let header = |name: &str| match name {
            "x-ratelimit-limit-requests" => Some("500"),
            "x-ratelimit-remaining-requests" => Some("499"),
            "x-ratelimit-reset-requests" => Some("9m38.016s"),
            "x-ratelimit-limit-tokens" => Some("X-RATELIMIT-LIMIT-TOKENS-XXX"),
            "x-ratelimit-remaining-tokens" => Some("-1"),
            "x-ratelimit-reset-tokens" => Some("60"),
            _ => None,
        };
        let limits = read(&header);
        assert_eq!(limits.requests.limit, Some(500));
        assert_eq!(limits.requests.remaining, Some(499));
        assert_eq!(limits.requests.reset, Some(Duration::from_millis(578_016)));
        assert_eq!(limits.tokens, Limit::default());
    }

    const NOW: Timestamp = Timestamp::from_secs(1_795_478_400); // 2026-11-24T00:00:00Z

    fn until(headers: &[(&str, &str)]) -> Option<Duration> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        exhausted_until(&header, NOW).map(|until| until.since(NOW))
    }

    #[test]
    fn an_allowance_that_is_used_up_says_until_when() {
        for (headers, seconds) in [
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6s")][..], Some(6)),
            (&[("x-ratelimit-remaining-tokens", " 0 "), ("x-ratelimit-reset-tokens", "1m30s")], Some(90)),
            (
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "6s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "2s"),
                ],
                Some(6),
            ),
            // Something is left, no time, no unit, masked, long past.
            (&[("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "6s")], None),
            (&[("x-ratelimit-remaining-requests", "0")], None),
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "60")], None),
            (&[("x-ratelimit-remaining-requests", "X"), ("x-ratelimit-reset-requests", "6s")], None),
            (
                &[
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "2026-11-23T23:59:59Z"),
                ],
                None,
            ),
            (
                &[
                    ("anthropic-ratelimit-output-tokens-remaining", "0"),
                    ("anthropic-ratelimit-output-tokens-reset", "2026-11-24T00:00:12Z"),
                    ("anthropic-ratelimit-requests-remaining", "3"),
                    ("anthropic-ratelimit-requests-reset", "2026-11-24T00:01:00Z"),
                ],
                Some(12),
            ),
            (&[("anthropic-ratelimit-tokens-remaining", "0"), ("anthropic-ratelimit-tokens-reset", "soon")], None),
            (&[("x-ratelimit-remaining-req-10-second", "0"), ("x-ratelimit-remaining-req-minute", "5")], Some(10)),
            // Nobody is believed for longer than a week.
            (
                &[
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "9999-01-01T00:00:00Z"),
                ],
                Some(WAIT_MAX.as_secs()),
            ),
        ] {
            assert_eq!(until(headers), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }
}
