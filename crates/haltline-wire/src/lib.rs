//! Dialects: bytes to requests, events, usage and faults, and back.
//!
//! Everything here is a pure function of bytes (and of `now`, where a date must be compared).
//! No clock, no network, no money: what a request costs is decided by `haltline-policy` from
//! what is measured here. A dialect is a folder; what crosses from one to another goes through
//! `canon`.

pub mod anthropic;
pub mod assemble;
pub mod canon;
pub mod chunk;
pub mod client;
pub mod continuation;
pub mod count;
pub mod fault;
pub mod gemini;
pub mod json;
pub mod media;
pub mod normal;
pub mod ollama;
pub mod openai;
pub mod passage;
pub mod provider;
pub mod rate_limit_headers;
pub mod replayable;
pub mod retry_after;
pub mod screen;
pub mod spoken;
pub mod sse;
pub mod texts;
pub mod ui_stream;

mod call_id;
mod compose;
mod edit;
mod finish;
mod history;
mod measure;
mod pass_fields;
mod refusal;
mod suggest;
mod word;

pub use finish::Finish;
pub use measure::Measure;
pub use pass_fields::PassFields;
pub use refusal::RequestError;
