//! Doors to the world: traits by door, not by technology. The gateway knows only these; the
//! binary decides which store, which provider and which clock stands behind each.

mod book;
mod clock;
mod documents;
mod keys;
mod owner;
mod permit;
mod records;
mod streams;
mod upstream;
mod webhooks;

pub use book::{Book, BookError, BookHealth, Correction, HoldError, LimitOverride};
pub use clock::{Clock, Entropy};
pub use documents::{Document, DocumentQuery, Documents, DocumentsError, MemoryDocuments, Shelf};
pub use keys::{KeyRecord, Keys, KeysError, UserClaims};
pub use owner::Owner;
pub use permit::Permit;
pub use records::{
    AttemptRecord, Basis, Blocked, Outcome, Records, RecordsError, RequestRecord, SpendKey, SpendQuery, SpendRow,
};
pub use streams::{
    BATCH_BYTES_MAX, Batch, EVENT_BYTES_MAX, HEAD_BYTES_MAX, StreamBegin, StreamRecord, StreamState, Streams,
    StreamsError,
};
pub use upstream::{Answer, AnswerBody, Call, Upstream};
pub use webhooks::{NoWebhooks, Reach, WebhookFault, Webhooks};

use std::future::Future;
use std::pin::Pin;

/// What an object-safe asynchronous method returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
