//! The line: one request's journey from identify to record. Knows ports, never a store, a
//! provider or an HTTP server.

mod alerts;
mod auth;
#[cfg(feature = "bench")]
pub mod bench;
mod cache;
mod chance;
mod counting;
mod dead_letters;
mod deliver;
mod endpoints;
mod forget;
mod gateway;
pub mod guard;
mod incoming;
mod jobs;
mod kept;
mod keys;
mod lanes;
mod line;
mod metrics;
mod problem;
mod quarantine;
mod recover;
mod room;
pub mod routing;
mod sessions;
pub mod settings;
mod shelf;
mod streams;
mod take_up;
mod timeline;
mod voice;
pub mod webhooks;

pub use auth::browser::{Entered, MadeSignIn, NewSignIn, Revoked, ShownSignIn, SignInsOf, SignedIn};
pub use auth::{Identity, Presented, new_secret};
pub use cache::{CacheAsk, CacheMode, CachePurge, CacheStats, TAG_BYTES_MAX, TAGS_MAX};
pub use chance::SeededEntropy;
pub use dead_letters::{DeadLetter, LetterAttempt, LetterKind, Letters, LostMessage, OpenedLetter};
pub use deliver::{CacheNote, CacheResult, Degraded, Delivery, Notes, Piece};
pub use forget::{Ended, Forgotten};
pub use gateway::{Gateway, GatewayParts, Upstreams};
pub use incoming::{Claims, Incoming, Surface};
pub use jobs::{JobEndpoint, JobNote, JobNotifier, JobPage, JobsStanding, NewJob};
pub use keys::KeyChange;
pub use line::TokenCount;
pub use metrics::Metrics;
pub use problem::{BudgetNote, Problem, UpstreamNote};
pub use recover::{TakenUp, expire_open_holds};
pub use sessions::{History, Order, Page, Shape};
pub use streams::{Ending, From, Stop, Viewer, Watched, Watcher};
pub use take_up::Inherited;
pub use voice::Voice;
pub use webhooks::{Hook, HookError, Hooks};
