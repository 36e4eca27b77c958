//! Every decision but the ledger's, pure: time and randomness are arguments.
//!
//! No clock, no network, no randomness and no lock lives here. Each module owns one decision and
//! returns a verdict; the gateway acts on it. State that must be shared is locked by the caller.

pub mod backoff;
pub mod baseline;
pub mod breaker;
pub mod bucket;
pub mod cache;
pub mod clock;
pub mod concurrency;
pub mod framing;
pub mod latency;
pub mod limits;
pub mod lru;
pub mod measure;
pub mod media;
pub mod meter;
pub mod once;
pub mod plan;
pub mod price;
pub mod quote;
pub mod retry;
pub mod route;
pub mod vendor;
pub mod window;
