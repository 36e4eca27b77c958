//! Tokens that are made here, honest ones and those of attackers.

mod attacks;
mod key_sets;
mod signer;
mod tokens;
