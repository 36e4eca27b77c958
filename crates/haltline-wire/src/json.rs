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

/// The value with the members of every object in the order of their keys. As deep as what was
/// read, which has a bound.
pub(crate) fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        other => other,
    }
}

/// Containers within containers that are accepted.
pub const DEPTH_MAX: usize = 64;

/// Keys of objects that are open at the same time. Bounds what the search for duplicates keeps
/// in memory; an ordinary request has some tens.
pub const OPEN_KEYS_MAX: usize = 100_000;
