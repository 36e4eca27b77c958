//! Adjust: an audited correction of what an account has spent.

use crate::{AccountId, Applied, Entry, EntryKind, Ledger, LedgerError};
use haltline_types::{Amount, Name, Timestamp};

impl Ledger {
    /// Decides on adding `delta` to what an account has spent. Changes nothing.
    ///
    /// What is given back cannot be more than was spent: more room than the limit is what an
    /// override is for.
    ///
    /// # Errors
    /// `UnknownBudget`, `WrongUnit`, `NoSuchSubject`, `NoSuchWindow`, `BelowZero`.
    pub fn adjust(
        &self,
        account: AccountId,
        delta: Amount,
        by: Name,
        reason: String,
        at: Timestamp,
    ) -> Result<Entry, LedgerError> {
        let at = self.clamp(at);
        let name = || account.budget.clone();

        let Some(shelf) = self.shelf(&account.budget) else {
            return Err(LedgerError::UnknownBudget(name()));
        };
        if delta.unit() != shelf.unit() {
            return Err(LedgerError::WrongUnit(name()));
        }
        if !shelf.has_subject(&account.subject) {
            return Err(LedgerError::NoSuchSubject(name()));
        }
        if !shelf.has_window(account.window) || account.window > at {
            return Err(LedgerError::NoSuchWindow(name()));
        }
        let spent = shelf.account(&account.subject, account.window).map_or(0, |account| account.spent_at(at));
        if spent + i128::from(delta.value()) < 0 {
            return Err(LedgerError::BelowZero(name()));
        }

        // Nothing can fail below.
        Ok(Entry { at, kind: EntryKind::Adjust { account, delta, by, reason } })
    }

    /// A replay passes over the corrections of accounts that today's budgets have no place for, and
    /// gives nothing back that they have not counted.
    pub(crate) fn apply_adjust(&mut self, account: &AccountId, delta: Amount, at: Timestamp) -> Applied {
        self.advance(at);
        let at = self.now();
        let Some(shelf) = self.shelf_for(account, delta.unit()) else {
            self.skipped.adjusts += 1;
            return Applied::Other;
        };
        let account = shelf.open(&account.subject, account.window);
        let size = i128::from(delta.value().unsigned_abs());
        if delta.value() < 0 {
            account.take_back(size, at);
        } else {
            account.charge(size, at);
        }
        Applied::Other
    }
}
