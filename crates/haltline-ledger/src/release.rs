//! Release: gives a hold back, because nothing can have been billed.

use crate::{Applied, Entry, EntryKind, Ledger, LedgerError};
use haltline_types::{AttemptId, Demand, Timestamp};

impl Ledger {
    /// Decides on giving a hold back, the request that it counted included. Changes nothing.
    ///
    /// # Errors
    /// `UnknownHold`, `Lost`.
    pub fn release(&self, id: AttemptId, at: Timestamp) -> Result<Entry, LedgerError> {
        self.may_end(id)?;
        Ok(Entry { at: self.clamp(at), kind: EntryKind::Release { id } })
    }

    pub(crate) fn apply_release(&mut self, id: AttemptId, at: Timestamp) -> Result<Applied, LedgerError> {
        self.may_end(id)?;

        // Nothing can fail below.
        self.advance(at);
        self.close(id, &Demand::ZERO);
        Ok(Applied::Other)
    }
}
