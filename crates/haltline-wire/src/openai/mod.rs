//! The OpenAI dialect: what OpenAI's servers and the many that imitate them speak.

pub mod chat;
pub(crate) mod data_url;
mod effort;
pub mod embeddings;
mod quirks;
pub mod responses;
mod stated_cost;
mod usage;

pub use quirks::{PrefixForm, ProviderKind, Quirks, ReasoningField};
