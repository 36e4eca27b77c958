//! Why a token was refused, in words for whoever presents it. They hold nothing of the token but
//! the names of claims.

use std::fmt;

/// Why a token was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is larger than `TOKEN_BYTES_MAX`.
    TooLarge,
    /// It is no signed token as it should be; says where.
    Malformed(&'static str),
    /// Its header asks for something that is not done here.
    Header(&'static str),
    /// The algorithm is not one of those that the operator and the issuer allow.
    Algorithm,
    /// It names a key that is not in the issuer's set: perhaps a newer one.
    UnknownKey,
    /// It names no key, and the set has several that could be meant.
    NoKeyNamed,
    /// The signature is not the key's.
    Signature,
    /// Another issuer than the rules are for.
    Issuer,
    /// Made for somebody else. Names the claim.
    Audience(String),
    /// It has ended.
    Expired,
    /// It is not valid yet: `nbf` or `iat` lie in the future.
    NotYet,
    /// A claim is missing, or not of its type, or not as the operator requires it. Names the claim.
    Claim(String, &'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the token is larger than {} bytes", crate::TOKEN_BYTES_MAX),
            Self::Malformed(why) => write!(f, "it is no signed token: {why}"),
            Self::Header(why) => write!(f, "the token's header is not accepted: {why}"),
            Self::Algorithm => f.write_str("the token is signed with an algorithm that is not accepted for its key"),
            Self::UnknownKey => f.write_str("the token is signed with a key that its issuer has not published"),
            Self::NoKeyNamed => f.write_str("the token does not say which of its issuer's keys has signed it (`kid`)"),
            Self::Signature => f.write_str("the token's signature is not its issuer's"),
            Self::Issuer => f.write_str("the token is from another issuer"),
            Self::Audience(claim) => write!(f, "the token was made for somebody else (`{claim}`)"),
            Self::Expired => f.write_str("the token has expired; get a new one from its issuer"),
            Self::NotYet => f.write_str("the token is not valid yet; is the clock of its issuer right?"),
            Self::Claim(claim, why) => write!(f, "the token's claim `{claim}` {why}"),
        }
    }
}

impl std::error::Error for Refused {}
