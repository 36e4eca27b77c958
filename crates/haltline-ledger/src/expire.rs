//! Expire: charges the ceiling, because the outcome was lost (promise, rule 5).

use crate::{Applied, Entry, EntryKind, Ledger, LedgerError, Settled};
use haltline_types::{AttemptId, Timestamp};

impl Ledger {
    /// Decides on charging all that is held for an attempt. Changes nothing.
    ///
    /// # Errors
    /// `UnknownHold`.
    pub fn expire(&self, id: AttemptId, at: Timestamp) -> Result<Entry, LedgerError> {
        self.must_be_open(id)?;
        Ok(Entry { at: self.clamp(at), kind: EntryKind::Expire { id } })
    }

    pub(crate) fn apply_expire(&mut self, id: AttemptId, at: Timestamp) -> Result<Applied, LedgerError> {
        let cost = self.must_be_open(id)?.ceiling;

        // Nothing can fail below.
        self.advance(at);
        let hold = self.close(id, &cost);
        let settled = Settled { id, at: self.now(), subjects: hold.subjects, cost, ceiling: cost, overran: false };
        Ok(Applied::Settled(settled))
    }
}
