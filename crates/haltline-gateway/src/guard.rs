//! Guards: what is looked at, how strictly, and what follows. What finds is `haltline-guard` and
//! external services; where on a request's way they stand is the line's matter.

pub mod settings;
mod verdict;

pub(crate) use verdict::Guarding;
pub use verdict::{Found, Verdict};
