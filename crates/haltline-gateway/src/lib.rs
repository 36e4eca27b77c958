//! The line: one request's journey from identify to record. Knows ports, never a store, a
//! provider or an HTTP server.

mod cache;
mod chance;
mod counting;
mod deliver;
mod endpoints;
mod gateway;
mod incoming;
mod kept;
mod lanes;
mod line;
mod metrics;
mod problem;
mod quarantine;
mod recover;
pub mod routing;
pub mod settings;
mod shelf;
mod voice;

pub use cache::{CacheAsk, CacheMode, CachePurge, CacheStats, InvalidationHook, TAG_BYTES_MAX, TAGS_MAX};
pub use chance::SeededEntropy;
pub use deliver::{CacheNote, CacheResult, Degraded, Delivery, Notes, Piece};
pub use gateway::{Gateway, GatewayParts, Upstreams};
pub use incoming::{Claims, Incoming, Surface};
pub use line::TokenCount;
pub use metrics::Metrics;
pub use problem::{BudgetNote, Problem, UpstreamNote};
pub use recover::expire_open_holds;
pub use voice::Voice;
