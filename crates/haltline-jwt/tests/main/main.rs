//! Tokens that are made here, honest ones and those of attackers.

mod attacks;
mod corpus;
mod key_sets;
mod signer;
mod tokens;
