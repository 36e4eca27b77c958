//! Money as integers. Prices are picodollars per token, costs are summed in picodollars and
//! rounded up once to nanodollars, which is what the ledger keeps. There is no float.

use std::fmt;
use std::str::FromStr;

/// An amount of money in nanodollars (10⁻⁹ USD). May be negative in corrections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoUsd(i64);

/// Why a piece of text is not an amount of money, or a sum cannot be formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// The text is not a decimal number of dollars.
    NotANumber(String),
    /// More digits after the point than the unit can hold exactly.
    TooPrecise(String),
    /// The value does not fit.
    Overflow,
    /// A price or limit must not be negative.
    Negative(String),
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber(text) => {
                write!(f, "`{text}` is not an amount of dollars; write it like \"$50\" or \"0.25\"")
            }
            Self::TooPrecise(text) => write!(f, "`{text}` has more decimals than can be kept exactly"),
            Self::Overflow => write!(f, "the amount is too large"),
            Self::Negative(text) => write!(f, "`{text}` is negative"),
        }
    }
}

impl std::error::Error for MoneyError {}

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// One dollar.
    pub const DOLLAR: Self = Self(1_000_000_000);
    /// The largest limit a budget may have: 2^53 nanodollars, about $9.0 million, up to which
    /// Redis' Lua numbers are exact (promise, rule 2).
    pub const LIMIT_MAX: Self = Self(1 << 53);

    /// From a number of nanodollars.
    #[must_use]
    pub const fn new(nanodollars: i64) -> Self {
        Self(nanodollars)
    }

    /// The number of nanodollars.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Sum, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Difference, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The amount as a plain decimal with at least two and at most nine decimals: `0.05`, `1.000000001`.
    #[must_use]
    pub fn to_decimal(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let whole = magnitude / 1_000_000_000;
        let fraction = format!("{:09}", magnitude % 1_000_000_000);
        let trimmed = fraction.trim_end_matches('0');
        let kept = if trimmed.len() < 2 { &fraction[..2] } else { trimmed };
        format!("{sign}{whole}.{kept}")
    }
}

/// Shown as dollars: `$50.00`, `-$0.000000001`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = self.to_decimal();
        match decimal.strip_prefix('-') {
            Some(rest) => write!(f, "-${rest}"),
            None => write!(f, "${decimal}"),
        }
    }
}

impl fmt::Debug for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Accepts `50`, `$50`, `0.05`, `50 USD`, with an optional leading minus; at most nine decimals.
impl FromStr for NanoUsd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let trimmed = text.trim();
        let (negative, rest) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let rest = rest.strip_prefix('$').unwrap_or(rest);
        let rest = rest.strip_suffix("USD").unwrap_or(rest).trim();
        let scaled = parse_scaled(rest, 9, Precision::Exact).map_err(|error| error.naming(text))?;
        let value = i64::try_from(scaled).map_err(|_| MoneyError::Overflow)?;
        Ok(Self(if negative { -value } else { value }))
    }
}

/// A price in picodollars (10⁻¹² USD) per token; equal to millionths of a dollar per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PicoUsdPerToken(u64);

impl PicoUsdPerToken {
    /// From a number of picodollars per token.
    #[must_use]
    pub const fn new(picodollars: u64) -> Self {
        Self(picodollars)
    }

    /// The number of picodollars per token.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// From a decimal price in USD per million tokens, as providers print it. Digits beyond a
    /// picodollar are rounded up, so that a price is never too low.
    ///
    /// # Errors
    /// When the text is not a non-negative decimal number, or does not fit.
    pub fn from_usd_per_million(text: &str) -> Result<Self, MoneyError> {
        let trimmed = text.trim();
        if trimmed.starts_with('-') {
            return Err(MoneyError::Negative(text.to_owned()));
        }
        let bare = trimmed.strip_prefix('$').unwrap_or(trimmed);
        let scaled = parse_scaled(bare, 6, Precision::RoundUp).map_err(|error| error.naming(text))?;
        u64::try_from(scaled).map(Self).map_err(|_| MoneyError::Overflow)
    }

    /// USD per million tokens as a plain decimal, exact: `0.25`. A picodollar is a millionth of a
    /// dollar per million tokens.
    #[must_use]
    pub fn to_usd_per_million(self) -> String {
        let fraction = format!("{:06}", self.0 % 1_000_000);
        let fraction = fraction.trim_end_matches('0');
        format!("{}{}{fraction}", self.0 / 1_000_000, if fraction.is_empty() { "" } else { "." })
    }

    /// What `tokens` cost at this price, or `None` when it does not fit.
    #[must_use]
    pub fn cost(self, tokens: crate::Tokens) -> Option<PicoUsd> {
        u128::from(self.0).checked_mul(u128::from(tokens.get())).map(PicoUsd)
    }
}

/// A cost being summed, in picodollars (10⁻¹² USD). Rounded up once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PicoUsd(u128);

impl PicoUsd {
    /// No cost.
    pub const ZERO: Self = Self(0);

    /// From a number of picodollars.
    #[must_use]
    pub const fn new(picodollars: u128) -> Self {
        Self(picodollars)
    }

    /// Sum, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The cost times a whole number, or `None` when it does not fit.
    #[must_use]
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(u128::from(times)).map(Self)
    }

    /// The number of picodollars.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Rounded up to nanodollars, or `None` when it does not fit.
    #[must_use]
    pub fn ceil_nano(self) -> Option<NanoUsd> {
        i64::try_from(self.0.div_ceil(1000)).ok().map(NanoUsd)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Precision {
    Exact,
    RoundUp,
}

impl MoneyError {
    fn naming(self, text: &str) -> Self {
        match self {
            Self::NotANumber(_) => Self::NotANumber(text.to_owned()),
            Self::TooPrecise(_) => Self::TooPrecise(text.to_owned()),
            other => other,
        }
    }
}

/// `digits[.digits]` times 10^`decimals`.
fn parse_scaled(text: &str, decimals: usize, precision: Precision) -> Result<u128, MoneyError> {
    let not_a_number = || MoneyError::NotANumber(text.to_owned());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only(whole) || !digits_only(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(not_a_number());
    }
    let mut value: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| MoneyError::Overflow)? };
    let (kept, beyond) = fraction.split_at(fraction.len().min(decimals));
    let scale = 10_u128.pow(u32::try_from(decimals).map_err(|_| MoneyError::Overflow)?);
    value = value.checked_mul(scale).ok_or(MoneyError::Overflow)?;
    if !kept.is_empty() {
        let parsed: u128 = kept.parse().map_err(|_| not_a_number())?;
        let missing = u32::try_from(decimals - kept.len()).map_err(|_| MoneyError::Overflow)?;
        value = value.checked_add(parsed * 10_u128.pow(missing)).ok_or(MoneyError::Overflow)?;
    }
    if beyond.bytes().any(|byte| byte != b'0') {
        if precision == Precision::Exact {
            return Err(MoneyError::TooPrecise(text.to_owned()));
        }
        value = value.checked_add(1).ok_or(MoneyError::Overflow)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;

    #[test]
    fn dollars_are_read_and_shown() {
        for (text, nanos, shown) in [
            ("$50", 50_000_000_000, "$50.00"),
            ("0.05", 50_000_000, "$0.05"),
            ("50 USD", 50_000_000_000, "$50.00"),
            ("-$0.000000001", -1, "-$0.000000001"),
            (".5", 500_000_000, "$0.50"),
            ("$1.23456789", 1_234_567_890, "$1.23456789"),
        ] {
            let amount: NanoUsd = text.parse().expect(text);
            assert_eq!(amount.get(), nanos, "{text}");
            assert_eq!(amount.to_string(), shown);
        }
        for bad in ["", "$", "1e3", "1,000", "0.0000000001", "99999999999", "NaN", "--1", "1.2.3", "٣"] {
            assert!(bad.parse::<NanoUsd>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_price_is_never_rounded_down() {
        let price = |text| PicoUsdPerToken::from_usd_per_million(text).map(PicoUsdPerToken::get);
        assert_eq!(price("0.003"), Ok(3_000));
        assert_eq!(price("600"), Ok(600_000_000));
        assert_eq!(price("0.1419531251"), Ok(141_954));
        assert_eq!(price("0.0000001"), Ok(1));
        assert!(price("-1").is_err());
        assert!(price("1e-7").is_err());
    }

    #[test]
    fn a_price_is_printed_as_it_is_read() {
        for text in ["0", "0.25", "2", "10.5", "0.000001", "1000"] {
            let price = PicoUsdPerToken::from_usd_per_million(text).expect("a price");
            assert_eq!(price.to_usd_per_million(), text);
        }
    }

    #[test]
    fn a_cost_is_rounded_up_once() {
        let price = PicoUsdPerToken::new(1);
        let cost = price.cost(Tokens::new(1)).and_then(PicoUsd::ceil_nano);
        assert_eq!(cost, Some(NanoUsd::new(1)));
        assert_eq!(PicoUsdPerToken::new(u64::MAX).cost(Tokens::new(u64::MAX)).and_then(PicoUsd::ceil_nano), None);
    }
}
