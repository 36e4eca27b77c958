//! `x-ratelimit-*` headers: what is left at a provider. Survives values that are masked or make
//! no sense: those read as not stated.

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
    let count = |name| header(name).and_then(|text: &str| text.trim().parse().ok());
    let reset = |name| header(name).and_then(|text: &str| crate::retry_after::duration(text));
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
}
