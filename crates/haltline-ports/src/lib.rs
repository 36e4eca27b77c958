//! Doors to the world: traits by door, not by technology. The gateway knows only these; the
//! binary decides which store, which provider and which clock stands behind each.

mod acts;
mod admins;
mod book;
mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod documents;
mod guards;
mod keys;
mod owner;
mod permit;
mod records;
mod streams;
mod timeline;
mod upstream;
mod webhooks;

pub use acts::{ACT_TEXT_MAX, Act, ActQuery, Acts, ActsError, ActsReport, Outcome as ActOutcome, SealedAct};
pub use admins::{AdminRecord, Admins, AdminsError, Role};
pub use book::{Book, BookError, BookHealth, Correction, HoldError, LimitOverride};
pub use clock::{Clock, Entropy};
pub use documents::{
    BODY_BYTES_MAX, Document, DocumentHead, DocumentQuery, Documents, DocumentsError, ID_BYTES_MAX, LABEL_BYTES_MAX,
    LABELS_MAX, MemoryDocuments, Shelf,
};
pub use guards::{
    Direction, GuardAsk, GuardFault, GuardFaultKind, GuardOpinion, GuardServices, GuardText, NoGuardServices, Speaker,
};
pub use keys::{
    KEY_BUDGETS, KEY_BUDGETS_MAX, KeyBudget, KeyLimit, KeyRecord, KeyRules, KeyUse, Keys, KeysError, Network,
    OldSecret, RULES_MAX, RouteGroup, UserClaims, budgets_with_keys, masked, shown_budget,
};
pub use owner::Owner;
pub use permit::Permit;
pub use records::{
    AttemptRecord, Basis, Blocked, Order, Outcome, REQUESTS_MAX, Records, RecordsError, RequestRecord, RequestsQuery,
    SpendKey, SpendQuery, SpendRow, Together, Whose,
};
#[cfg(any(test, feature = "conformance"))]
pub use streams::conformance as streams_conformance;
pub use streams::{
    BATCH_BYTES_MAX, Batch, EVENT_BYTES_MAX, HEAD_BYTES_MAX, MemoryStreams, StreamBegin, StreamRecord, StreamState,
    Streams, StreamsError,
};
pub use timeline::{
    By, DETAIL_BYTES_MAX, PLANNED_MAX, Planned, STEPS_MAX, Sampling, Step, Steps, ToolReturn, WaitedFor, What, Word,
    shortened, span,
};
pub use upstream::{Answer, AnswerBody, Call, Upstream};
pub use webhooks::{NoWebhooks, Reach, WebhookFault, Webhooks};

use std::future::Future;
use std::pin::Pin;

/// What an object-safe asynchronous method returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
