//! After a restart: holds that a process died under are charged in full, because what became of
//! them is unknown (promise, rule 5).

use haltline_ledger::OpenHold;
use haltline_ports::{Book, BookError};
use haltline_types::Timestamp;

/// Expires every hold that the journal left open. Returns how many.
///
/// # Errors
/// When the store has stopped.
pub async fn expire_open_holds(book: &dyn Book, open: &[OpenHold], now: Timestamp) -> Result<usize, BookError> {
    for hold in open {
        book.expire(hold.id, now).await?;
    }
    Ok(open.len())
}
