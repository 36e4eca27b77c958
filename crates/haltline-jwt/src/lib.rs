//! JSON Web Tokens (RFC 7519) as credentials: a key set, rules, a token and the time go in, verified
//! claims or the reason of a refusal come out. Pure: no clock, no network, no cache.
//!
//! What may be relied on (RFC 8725):
//! - the algorithm comes from the key and from what the operator allows; the token's own word must
//!   agree with it, and decides nothing;
//! - no key comes from a token: `jwk` and `x5c` are refused, addresses of keys are never read;
//! - tokens are read in one way only: base64url without padding and trailing bits, JSON without
//!   duplicate members, numbers that are whole;
//! - nothing of a token's claims can be used before its signature and its times were checked:
//!   `Token` says only whose it claims to be, `Verified` the rest.
//!
//! Not here: where key sets come from, what claims mean to a gateway.

mod algorithm;
mod base64url;
mod claims;
mod json;
mod key;
mod key_set;
mod refused;
mod rules;
mod token;

pub use algorithm::Algorithm;
pub use claims::{ClaimPath, ClaimPathError, Verified};
pub use key_set::{BadKeySet, KEY_SET_BYTES_MAX, KEYS_MAX, KeySet};
pub use refused::Refused;
pub use rules::Rules;
pub use token::{TOKEN_BYTES_MAX, Token, looks_like_a_token};

#[cfg(test)]
mod tests;
