//! JSON Web Tokens as credentials: issuers with their keys, what claims mean, and the memory of
//! tokens that were verified a moment ago. Verification itself is `haltline-jwt`'s.

mod issuer;
pub(super) mod mapping;
mod memory;
mod refresh;
#[cfg(test)]
mod tests;

pub(crate) use issuer::Issuers;
