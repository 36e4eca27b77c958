//! Settle: replaces a hold by what the attempt cost.

use crate::quantity::{exceeds, well_formed};
use crate::{Applied, Entry, EntryKind, Ledger, LedgerError};
use haltline_types::{AttemptId, Demand, Subjects, Timestamp};
use std::sync::Arc;

/// What became of a hold that was settled or expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The attempt.
    pub id: AttemptId,
    /// When, on the ledger's time.
    pub at: Timestamp,
    /// Whom and what it was for.
    pub subjects: Arc<Subjects>,
    /// What was charged, all of it.
    pub cost: Demand,
    /// What was held, after all true-ups.
    pub ceiling: Demand,
    /// It cost more than was held, in some unit: an account may stand above its limit for it
    /// (promise, rule 7). Be loud.
    pub overran: bool,
}

impl Ledger {
    /// Decides on replacing a hold by what the attempt cost. A cost above the ceiling is charged
    /// in full, and counts in the window of the hold. Changes nothing.
    ///
    /// # Errors
    /// `UnknownHold`, also when it is settled already; `Lost`; `Malformed`.
    pub fn settle(&self, id: AttemptId, at: Timestamp, cost: Demand) -> Result<Entry, LedgerError> {
        self.may_settle(id, &cost)?;
        Ok(Entry { at: self.clamp(at), kind: EntryKind::Settle { id, cost } })
    }

    pub(crate) fn apply_settle(&mut self, id: AttemptId, at: Timestamp, cost: Demand) -> Result<Applied, LedgerError> {
        self.may_settle(id, &cost)?;

        // Nothing can fail below.
        self.advance(at);
        let hold = self.close(id, &cost);
        let overran = exceeds(&cost, &hold.ceiling);
        Ok(Applied::Settled(Settled {
            id,
            at: self.now(),
            subjects: hold.subjects,
            cost,
            ceiling: hold.ceiling,
            overran,
        }))
    }

    fn may_settle(&self, id: AttemptId, cost: &Demand) -> Result<(), LedgerError> {
        self.may_end(id)?;
        if !well_formed(cost) {
            return Err(LedgerError::Malformed(id));
        }
        Ok(())
    }
}
