//! Amounts of money as providers state them, read from the JSON text without a float: exact, and
//! rounded up where a nanodollar does not hold them.

use haltline_types::NanoUsd;
use serde::Deserialize;
use serde_json::value::RawValue;

/// From OpenRouter's `usage.cost`, a number of dollars, or Perplexity's, an object with a total.
pub(super) fn of(json: &str) -> Option<NanoUsd> {
    if json.starts_with('{') {
        let total: Total<'_> = serde_json::from_str(json).ok()?;
        return nano_ceil(total.total_cost?.get(), 0);
    }
    nano_ceil(json, 0)
}

/// From OpenRouter's `usage.cost_details`: what the provider behind it bills.
pub(super) fn upstream(json: &str) -> Option<NanoUsd> {
    let details: Details<'_> = serde_json::from_str(json).ok()?;
    nano_ceil(details.upstream_inference_cost?.get(), 0)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Total<'a> {
    #[serde(borrow)]
    total_cost: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    upstream_inference_cost: Option<&'a RawValue>,
}

/// A JSON number, or a string that holds one, times ten to the `scale`, in dollars. `None` when
/// it is no amount of zero or more, or does not fit.
pub(super) fn nano_ceil(json: &str, scale: i32) -> Option<NanoUsd> {
    let number = json.trim_matches('"');
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut units: u128 = 0;
    let digits = whole.bytes().chain(fraction.bytes()).skip_while(|byte| *byte == b'0');
    for digit in digits {
        units = units.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    let places = i32::try_from(fraction.len()).ok()?;
    // A dollar is ten to the ninth nanodollars.
    let shift = exponent.checked_add(scale)?.checked_sub(places)?.checked_add(9)?;
    let nano = match u32::try_from(shift) {
        _ if units == 0 => 0,
        Ok(up) => units.checked_mul(10_u128.checked_pow(up)?)?,
        // What is below all digits still costs the smallest amount.
        Err(_) => 10_u128.checked_pow(shift.unsigned_abs()).map_or(1, |divisor| units.div_ceil(divisor)),
    };
    i64::try_from(nano).ok().map(NanoUsd::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_rounded_up() {
        for (json, scale, nano) in [
            ("0.0000113", 0, 11_300),
            ("1.13e-05", 0, 11_300),
            ("6e-8", 0, 60),
            ("0", 0, 0),
            ("0.0", 0, 0),
            ("12", 0, 12_000_000_000),
            ("1E2", 0, 100_000_000_000),
            ("0.0000000001", 0, 1),
            ("1e-400", 0, 1),
            ("0.00000000100000000000000000001", 0, 2),
            ("\"0.5\"", 0, 500_000_000),
            ("160708500", -10, 16_070_850),
            ("123456", -10, 12_346),
            ("1", -10, 1),
        ] {
            assert_eq!(nano_ceil(json, scale), Some(NanoUsd::new(nano)), "{json}");
        }
        for json in ["-1", "null", "[]", "{}", "\"\"", "1e", "1e400", "NaN", "1.2.3", "99999999999"] {
            assert_eq!(nano_ceil(json, 0), None, "{json}");
        }
        assert_eq!(
            of(r#"{"currency":"USD","input_cost":0.000000012,"total_cost":0.000000012}"#),
            Some(NanoUsd::new(12))
        );
        assert_eq!(upstream(r#"{"upstream_inference_cost":0.002196}"#), Some(NanoUsd::new(2_196_000)));
        assert_eq!(upstream(r#"{"upstream_inference_cost":null}"#), None);
    }
}
