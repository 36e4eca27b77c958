//! What texts say that they must not: rules for what users, tools and documents bring in, and for
//! what models give out.
//!
//! Pure: no clock, no network, no randomness, no request. A text goes in, findings come out. Which
//! text is looked at, and what follows from a finding, is decided by the gateway.

mod category;
pub mod input;
pub mod output;

pub use category::Category;
