//! What OpenAI-shaped providers say that an answer cost, as exact amounts. Says nothing of whether
//! it is believed.

use haltline_types::NanoUsd;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Nanodollars in a dollar.
const NANO: i32 = 9;

/// xAI's `cost_in_usd_ticks`: ten thousand millionths of a dollar each.
pub(super) fn ticks(json: &str) -> Option<NanoUsd> {
    decimal(json, -10)
}

/// `cost` in dollars: a number (OpenRouter), or an object with `total_cost` (Perplexity).
/// `details` is OpenRouter's `cost_details` when the operator's own key was used at the provider
/// behind it: then `cost` is OpenRouter's fee alone, and the provider's price comes on top.
pub(super) fn dollars(cost: &str, details: &str) -> Option<NanoUsd> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Parts<'a> {
        #[serde(borrow)]
        total_cost: Option<&'a RawValue>,
        #[serde(borrow)]
        upstream_inference_cost: Option<&'a RawValue>,
    }
    let parts = |json| serde_json::from_str::<Parts<'_>>(json).unwrap_or_default();
    let stated = match parts(cost).total_cost {
        Some(total) => decimal(total.get(), 0)?,
        None => decimal(cost, 0)?,
    };
    match parts(details).upstream_inference_cost.and_then(|upstream| decimal(upstream.get(), 0)) {
        Some(upstream) => stated.checked_add(upstream),
        None => Some(stated),
    }
}

/// A JSON number times ten to the `exponent`, in dollars, rounded up to a nanodollar. `None` for
/// what is negative, no number, or does not fit.
fn decimal(json: &str, exponent: i32) -> Option<NanoUsd> {
    let (mantissa, power) = match json.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
        None => (json, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || digits.len() > 36 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u128 = digits.parse().ok()?;
    let shift = NANO.checked_add(exponent)?.checked_add(power)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scale = 10_u128.checked_pow(shift.unsigned_abs());
    let nano = match (shift >= 0, scale) {
        (true, Some(scale)) => number.checked_mul(scale)?,
        (true, None) if number > 0 => return None,
        (false, Some(scale)) => number.div_ceil(scale),
        // Less than the smallest amount there is.
        (false, None) | (true, None) => u128::from(number > 0),
    };
    i64::try_from(nano).ok().map(NanoUsd::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_rounded_up() {
        for (json, nano) in [
            ("0.001191", 1_191_000),
            ("7.159e-05", 71_590),
            ("0", 0),
            ("6e-08", 60),
            ("1E2", 100_000_000_000),
            ("0.0000000001", 1),
            ("1e-60", 1),
            (r#"{"input_tokens_cost":1e-06,"total_cost":0.005016}"#, 5_016_000),
        ] {
            assert_eq!(dollars(json, "").map(NanoUsd::get), Some(nano), "{json}");
        }
        for nothing in ["-0.1", "", "null", "\"1\"", "1e99", "[]", "{}", "99999999999999999999", "1e", "e5"] {
            assert_eq!(dollars(nothing, ""), None, "{nothing}");
        }
    }

    #[test]
    fn ticks_are_tenths_of_nanodollars() {
        assert_eq!(ticks("21"), Some(NanoUsd::new(3)));
        // grok-3-mini at 0.30, 0.075 (cached) and 0.50 dollars a million: 1, 290 and 222 tokens.
        assert_eq!(ticks("1330500"), Some(NanoUsd::new(300 + 290 * 75 + 222 * 500)));
    }

    #[test]
    fn with_ones_own_key_the_providers_price_comes_on_top_of_the_fee() {
        assert_eq!(dollars("0.0001", r#"{"upstream_inference_cost":0.002}"#), Some(NanoUsd::new(2_100_000)));
        assert_eq!(dollars("0.0001", r#"{"upstream_inference_cost":null}"#), Some(NanoUsd::new(100_000)));
    }
}
