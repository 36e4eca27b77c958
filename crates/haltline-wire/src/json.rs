//! The guard before all other readers: is this JSON in which every reader sees the same thing?
//!
//! One pass without recursion. Knows nothing of fields: what they mean is each dialect's business.
//! Two parsers must not be able to disagree about a body that passed (one prices it, the other
//! serves it), so duplicate keys are refused at every level, after decoding their escapes.

mod check;
mod error;
mod text;
pub(crate) mod walk;

pub use check::check;
pub use error::{JsonError, JsonErrorKind};
pub(crate) use text::{Unit, decode, next_unit};

/// Containers within containers that are accepted.
pub const DEPTH_MAX: usize = 64;

/// Keys of objects that are open at the same time. Bounds what the search for duplicates keeps
/// in memory; an ordinary request has some tens.
pub const OPEN_KEYS_MAX: usize = 100_000;
