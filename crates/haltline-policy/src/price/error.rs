//! Why a price cannot be used, in words that name the cure.

use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens};
use std::fmt;

/// Why a price cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceError {
    /// There are no rates, and it is not declared free.
    NoRates,
    /// Declared free, and rates are given.
    FreeWithRates,
    /// No row, or more than one, applies from the first token on.
    NoBaseRow,
    /// Two rows begin at the same length.
    SameThreshold(Tokens),
    /// A price of zero.
    Zero,
    /// Outside 0.001 to 1,000 USD per million tokens.
    Implausible(PicoUsdPerToken),
    /// Output is cheaper than a tenth of input.
    OutputTooCheap,
    /// A negative fee, or one above 10 USD.
    ImplausibleFee(NanoUsd),
    /// A change that is never in force, or hours that no day has.
    ImplausibleTime,
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRates => write!(f, "there is no price; give `input` and `output`, or `free = true`"),
            Self::FreeWithRates => write!(f, "`free = true` and rates exclude each other"),
            Self::NoBaseRow => write!(f, "exactly one row of rates must apply from the first token on"),
            Self::SameThreshold(at) => write!(f, "two rows of rates begin above {at}"),
            Self::Zero => write!(f, "a price of zero is refused; write `free = true` if it costs nothing"),
            Self::Implausible(rate) => {
                write!(f, "{} picodollars per token is outside 0.001 to 1,000 USD per million tokens", rate.get())
            }
            Self::OutputTooCheap => write!(f, "output is cheaper than a tenth of input"),
            Self::ImplausibleFee(fee) => write!(f, "a fee of {fee} is outside $0 to $10"),
            Self::ImplausibleTime => write!(f, "a change of rates is never in force, or at hours that no day has"),
        }
    }
}

impl std::error::Error for PriceError {}
