//! Doors to the world: traits by door, not by technology. The gateway knows only these; the
//! binary decides which store, which provider and which clock stands behind each.

mod book;
mod clock;
mod keys;
mod permit;
mod records;
mod upstream;

pub use book::{Book, BookError, BookHealth, Correction, HoldError, LimitOverride};
pub use clock::{Clock, Entropy};
pub use keys::{KeyRecord, Keys, KeysError, UserClaims};
pub use permit::Permit;
pub use records::{
    AttemptRecord, Basis, Blocked, Outcome, Records, RecordsError, RequestRecord, SpendKey, SpendQuery, SpendRow,
};
pub use upstream::{Answer, AnswerBody, Call, Upstream};

use std::future::Future;
use std::pin::Pin;

/// What an object-safe asynchronous method returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
