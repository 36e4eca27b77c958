//! What a budget counts, and what an attempt asks of every kind of budget.

use crate::{NanoUsd, Tokens};
use std::fmt;
use std::str::FromStr;

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Money, in nanodollars.
    Usd,
    /// Input tokens, cached ones included, plus output tokens.
    Tokens,
    /// Attempts sent to providers.
    Requests,
    /// Attempts that repeat an earlier one of the same request.
    Retries,
}

impl Unit {
    /// All units, in the order in which refusals are looked for.
    pub const ALL: [Self; 4] = [Self::Retries, Self::Requests, Self::Tokens, Self::Usd];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
            Self::Retries => "retries",
        }
    }
}

/// A quantity of one unit. Quantities of different units cannot be added.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    unit: Unit,
    value: i64,
}

impl Amount {
    /// From a value in the unit's base: nanodollars, tokens, requests, retries.
    #[must_use]
    pub const fn new(unit: Unit, value: i64) -> Self {
        Self { unit, value }
    }

    /// Nothing, in `unit`.
    #[must_use]
    pub const fn zero(unit: Unit) -> Self {
        Self { unit, value: 0 }
    }

    /// An amount of money.
    #[must_use]
    pub const fn usd(money: NanoUsd) -> Self {
        Self::new(Unit::Usd, money.get())
    }

    /// The unit.
    #[must_use]
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// The value in the unit's base.
    #[must_use]
    pub const fn value(self) -> i64 {
        self.value
    }

    /// Sum; `None` when the units differ or it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.unit == other.unit).then_some(())?;
        self.value.checked_add(other.value).map(|value| Self::new(self.unit, value))
    }

    /// Difference; `None` when the units differ or it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        (self.unit == other.unit).then_some(())?;
        self.value.checked_sub(other.value).map(|value| Self::new(self.unit, value))
    }
}

/// `$50.00`, `4000 tokens`, `200 requests`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Usd => write!(f, "{}", NanoUsd::new(self.value)),
            unit => write!(f, "{} {}", self.value, unit.word()),
        }
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Accepts what `Display` shows: `$50`, `4000 tokens`, `200 requests`, `10 retries`.
impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        if let Some((number, word)) = trimmed.rsplit_once(' ') {
            let unit = match word.trim_end_matches('s') {
                "token" => Some(Unit::Tokens),
                "request" => Some(Unit::Requests),
                "retrie" | "retry" => Some(Unit::Retries),
                _ => None,
            };
            if let Some(unit) = unit {
                let digits: String = number.chars().filter(|c| *c != '_').collect();
                return digits
                    .trim()
                    .parse()
                    .map(|value| Self::new(unit, value))
                    .map_err(|_| format!("`{text}`: `{number}` is not a whole number"));
            }
        }
        trimmed
            .parse::<NanoUsd>()
            .map(Self::usd)
            .map_err(|_| format!("`{text}` is not an amount; write \"$50\", \"4000 tokens\" or \"200 requests\""))
    }
}

/// What one attempt takes of every kind of budget: at hold its ceiling, at settle its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Demand {
    /// Money.
    pub usd: NanoUsd,
    /// Input, cached included, plus output.
    pub tokens: Tokens,
    /// Attempts: 1 for everything that is sent.
    pub requests: u32,
    /// 1 when the attempt repeats an earlier one of its request, else 0.
    pub retries: u32,
}

impl Demand {
    /// Nothing of anything.
    pub const ZERO: Self = Self { usd: NanoUsd::ZERO, tokens: Tokens::ZERO, requests: 0, retries: 0 };

    /// The part that a budget of `unit` counts, or `None` when it does not fit an amount.
    #[must_use]
    pub fn of(&self, unit: Unit) -> Option<Amount> {
        let value = match unit {
            Unit::Usd => self.usd.get(),
            Unit::Tokens => i64::try_from(self.tokens.get()).ok()?,
            Unit::Requests => i64::from(self.requests),
            Unit::Retries => i64::from(self.retries),
        };
        Some(Amount::new(unit, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_shown() {
        for (text, shown) in [
            ("$50", "$50.00"),
            ("4000 tokens", "4000 tokens"),
            ("200 requests", "200 requests"),
            ("1 retry", "1 retries"),
            ("1_000 tokens", "1000 tokens"),
        ] {
            assert_eq!(text.parse::<Amount>().expect(text).to_string(), shown);
        }
        for bad in ["", "tokens", "4.5 tokens", "$x", "12 apples"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn units_do_not_mix() {
        assert_eq!(Amount::new(Unit::Usd, 1).checked_add(Amount::new(Unit::Tokens, 1)), None);
    }
}
