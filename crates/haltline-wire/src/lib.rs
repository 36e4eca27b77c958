//! Dialects: bytes to requests, events, usage and faults, and back.
//!
//! Everything here is a pure function of bytes (and of `now`, where a date must be compared).
//! No clock, no network, no money: what a request costs is decided by `haltline-policy` from
//! what is measured here. Only the OpenAI Chat dialect is spoken; another dialect is another
//! folder beside `openai`.

pub mod json;
pub mod openai;
pub mod rate_limit_headers;
pub mod retry_after;
pub mod sse;

mod suggest;
