//! The line: one request's journey from identify to record. Knows ports, never a store, a
//! provider or an HTTP server.

mod alerts;
mod chance;
mod counting;
pub mod dead_letters;
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
pub mod webhooks;

pub use chance::SeededEntropy;
pub use deliver::{Degraded, Delivery, Notes, Piece};
pub use gateway::{Gateway, GatewayParts, Upstreams};
pub use incoming::{Claims, Incoming, Surface};
pub use line::TokenCount;
pub use metrics::Metrics;
pub use problem::{BudgetNote, Problem, UpstreamNote};
pub use recover::expire_open_holds;
pub use voice::Voice;
pub use webhooks::{Hook, HookError, Hooks};
