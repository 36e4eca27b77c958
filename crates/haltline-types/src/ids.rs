//! Ids of requests and of their attempts.

use std::fmt;
use std::str::FromStr;

/// One request of a client. Shown as `req_` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// From milliseconds since the epoch (48 bits, so that ids sort by time) and randomness (80 bits).
    #[must_use]
    pub const fn from_parts(millis: u64, random: u128) -> Self {
        Self(((millis as u128) << 80) | (random & ((1 << 80) - 1)))
    }

    /// From its 128 bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Its 32 hexadecimal digits.
    #[must_use]
    pub fn hex(self) -> String {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = String::with_capacity(32);
        for byte in self.0.to_be_bytes() {
            let digits = [byte >> 4, byte & 15].map(|digit| DIGITS.get(usize::from(digit)).copied());
            text.extend(digits.into_iter().flatten());
        }
        text
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.hex())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError(pub String);

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a request id; one looks like req_ and 32 hexadecimal digits", self.0)
    }
}

impl std::error::Error for IdError {}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError(text.chars().take(64).collect());
        let digits = text.strip_prefix("req_").ok_or_else(error)?;
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(error());
        }
        u128::from_str_radix(digits, 16).map(Self).map_err(|_| error())
    }
}

/// One attempt of a request: what is held, sent and settled. Attempts count from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The request.
    pub request: RequestId,
    /// Which of its attempts, from 1.
    pub number: u8,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.request, self.number)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back() {
        let id = RequestId::from_parts(1_795_478_400_123, 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("req_+0000000000000000000000000000000".parse::<RequestId>().is_err());
        assert!("gen_1".parse::<RequestId>().is_err());
    }
}
