//! True-up: lowers a hold, when the provider has reported the input (promise, rule 4).

use crate::quantity::{exceeds, part, well_formed};
use crate::{Applied, Entry, EntryKind, Ledger, LedgerError};
use haltline_types::{AttemptId, Demand, Timestamp};

impl Ledger {
    /// Decides on lowering what is held for an attempt. Changes nothing.
    ///
    /// # Errors
    /// `UnknownHold`, `Lost`, `Malformed`, or `Raises` when any part of `ceiling` is above what is held.
    pub fn true_up(&self, id: AttemptId, at: Timestamp, ceiling: Demand) -> Result<Entry, LedgerError> {
        self.may_true_up(id, &ceiling)?;
        Ok(Entry { at: self.clamp(at), kind: EntryKind::TrueUp { id, ceiling } })
    }

    pub(crate) fn apply_true_up(
        &mut self,
        id: AttemptId,
        at: Timestamp,
        ceiling: Demand,
    ) -> Result<Applied, LedgerError> {
        self.may_true_up(id, &ceiling)?;

        // Nothing can fail below.
        self.advance(at);
        if let Some(taken) = self.holds.get_mut(&id) {
            let before = std::mem::replace(&mut taken.hold.ceiling, ceiling);
            let mut subject = String::with_capacity(64);
            for (shelf, window) in self.shelves.iter_mut().zip(&taken.windows) {
                subject.clear();
                taken.hold.subjects.write_subject(&shelf.budget().scope, &mut subject);
                let (from, to) = (part(&before, shelf.unit()), part(&ceiling, shelf.unit()));
                shelf.open(&subject, *window).lower(from, to);
            }
        }
        Ok(Applied::Other)
    }

    fn may_true_up(&self, id: AttemptId, ceiling: &Demand) -> Result<(), LedgerError> {
        let hold = self.may_end(id)?;
        if !well_formed(ceiling) {
            return Err(LedgerError::Malformed(id));
        }
        if exceeds(ceiling, &hold.ceiling) {
            return Err(LedgerError::Raises(id));
        }
        Ok(())
    }
}
