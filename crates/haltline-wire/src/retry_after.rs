//! What a provider says about trying again: headers first, then the message.
//!
//! A wait is never zero: a provider that says 0 has said nothing.

use haltline_types::{RetryAdvice, Timestamp};
use std::time::Duration;

/// The longest wait that is believed: a week.
pub const WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Reads the advice of an answer with `status`. On 2xx there is none, whatever stands there.
///
/// In this order: `retry-after-ms` or Azure's `x-ms-retry-after-ms` if above zero, `retry-after` as
/// seconds with a fraction, as a duration (`1m30s`) or as a date (compared with `now`), `in_body`,
/// which is a wait that the body states apart from the message, and the words "try again in 1.5s" in
/// `message`.
#[must_use]
pub fn read<'h>(
    status: u16,
    header: &dyn Fn(&str) -> Option<&'h str>,
    in_body: Option<Duration>,
    message: &str,
    now: Timestamp,
) -> RetryAdvice {
    if (200..300).contains(&status) {
        return RetryAdvice::default();
    }
    let should = match header("x-should-retry").map(str::trim) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let millis = |name| header(name).and_then(|text: &str| decimal_millis(text.trim(), 1));
    let after = millis("retry-after-ms")
        .or_else(|| millis("x-ms-retry-after-ms"))
        .or_else(|| header("retry-after").and_then(|text| seconds_or_date(text.trim(), now)))
        .or(in_body.filter(|wait| !wait.is_zero()).map(|wait| wait.min(WAIT_MAX)))
        .or_else(|| from_message(message));
    RetryAdvice { after, should }
}

/// The wait that a message names: "Please try again in 1m30.5s", "retry after 26 seconds".
#[must_use]
pub fn from_message(message: &str) -> Option<Duration> {
    // Providers' messages are short; a long one is somebody's text.
    let message = message.get(..4096).unwrap_or(message);
    let lower = message.to_ascii_lowercase();
    ["try again in ", "retry in ", "try again after ", "retry after "]
        .iter()
        .filter_map(|words| lower.split_once(words))
        .find_map(|(_, rest)| duration(rest))
}

/// A duration as Go writes it (`1h2m3.5s`, `644ms`) or as people do (`26 seconds`), at the begin
/// of `text`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_start();
    let mut sum = Duration::ZERO;
    let mut any = false;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        // "in 5s." ends a sentence: the point belongs to it, not to the number.
        let number = rest[..digits].trim_end_matches('.');
        if number.is_empty() {
            break;
        }
        let after = rest[digits..].trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let millis_per = match &after[..letters] {
            "ms" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => break,
        };
        sum = sum.saturating_add(decimal_millis(number, millis_per).unwrap_or_default());
        any = true;
        rest = &after[letters..];
    }
    (any && !sum.is_zero()).then(|| sum.min(WAIT_MAX))
}

fn seconds_or_date(text: &str, now: Timestamp) -> Option<Duration> {
    decimal_millis(text, 1_000).or_else(|| until_date(text, now)).or_else(|| duration(text))
}

/// Time from `now` to a date as in HTTP headers or as RFC 3339 has it. `None` when it is past.
pub(crate) fn until_date(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let at = match jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text) {
        Ok(at) => at,
        Err(_) => text.parse().ok()?,
    };
    until(Timestamp::from_millis(at.as_millisecond()), now)
}

/// Time from `now` to `at`. `None` when it is past.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> Option<Duration> {
    let wait = at.since(now);
    (!wait.is_zero()).then(|| wait.min(WAIT_MAX))
}

/// Digits with an optional fraction, times `millis_per`, rounded up to a millisecond. `None` for
/// zero and for what is no such number.
pub(crate) fn decimal_millis(text: &str, millis_per: u64) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    // A number that does not fit is longer than any wait that is believed.
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let kept = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u64.checked_pow(u32::try_from(kept.len()).ok()?)?;
    let part: u64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let part_millis = part.checked_mul(millis_per)?.div_ceil(scale);
    let millis = whole.saturating_mul(millis_per).saturating_add(part_millis);
    (millis > 0).then(|| Duration::from_millis(millis).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    fn after(headers: &[(&str, &str)], message: &str) -> Option<u128> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        read(429, &header, None, message, NOW).after.map(|after| after.as_millis())
    }

    #[test]
    fn headers_come_first_and_zero_is_nothing() {
        assert_eq!(after(&[("retry-after-ms", "250"), ("retry-after", "9")], ""), Some(250));
        assert_eq!(after(&[("retry-after-ms", "0"), ("retry-after", "1")], ""), Some(1_000));
        assert_eq!(after(&[("retry-after", "0")], "Please try again in 644ms."), Some(644));
        assert_eq!(after(&[("retry-after", "1.0001")], ""), Some(1_001));
        assert_eq!(after(&[("retry-after", "0"), ("retry-after-ms", "0")], ""), None);
        assert_eq!(after(&[("retry-after", "-5")], ""), None);
        assert_eq!(after(&[("retry-after", "99999999999999999999999")], ""), Some(WAIT_MAX.as_millis()));
        assert_eq!(after(&[("retry-after", "1e9")], ""), None);
    }

    #[test]
    fn dates_are_compared_with_now() {
        assert_eq!(after(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")], ""), Some(3_000));
        assert_eq!(after(&[("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT")], ""), None);
        assert_eq!(after(&[("retry-after", "1994-11-06T08:49:40Z")], ""), Some(3_000));
        assert_eq!(after(&[("retry-after", "1m30.5s")], ""), Some(90_500));
        assert_eq!(after(&[("x-ms-retry-after-ms", "1200"), ("retry-after", "2")], ""), Some(1_200));
        assert_eq!(after(&[("retry-after", "<masked>")], ""), None);
    }

    #[test]
    fn messages_are_read_where_headers_are_silent() {
        for (message, millis) in [
            ("Please try again in 1.5s. Visit …", 1_500),
            ("Please try again in 644ms", 644),
            ("please try again in 1m30s.", 90_000),
            ("Please try again in 9m38.016s. Need more tokens?", 578_016),
            ("try again in 50.597142857s", 50_598),
            ("Please retry after 26 seconds.", 26_000),
            ("Try again in 6h2m", 21_720_000),
        ] {
            assert_eq!(after(&[], message), Some(millis), "{message}");
        }
        for nothing in ["", "try again in a while", "try again in 0s", "try again in", "try again in 5 apples"] {
            assert_eq!(after(&[], nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_body_comes_behind_the_headers_and_before_the_message() {
        let none = |_: &str| None;
        let wait = Some(Duration::from_secs(48));
        assert_eq!(read(429, &none, wait, "retry in 5s", NOW).after, wait);
        let header = |name: &str| (name == "retry-after").then_some("3");
        assert_eq!(read(429, &header, wait, "", NOW).after, Some(Duration::from_secs(3)));
        assert_eq!(read(429, &none, Some(Duration::ZERO), "", NOW).after, None);
    }

    #[test]
    fn a_good_answer_has_no_advice() {
        let header = |_: &str| Some("30");
        assert_eq!(read(200, &header, Some(Duration::from_secs(5)), "try again in 5s", NOW), RetryAdvice::default());
    }

    #[test]
    fn should_retry_is_read() {
        let header = |name: &str| (name == "x-should-retry").then_some("false");
        assert_eq!(read(503, &header, None, "", NOW).should, Some(false));
    }
}
