//! Override: an audited, temporary limit.

use crate::{Applied, Budgets, Entry, EntryKind, Ledger, LedgerError};
use haltline_types::{Amount, Name, Timestamp};
use std::time::Duration;

/// Overrides last at most as long as the longest window, so that no entry older than the horizon can
/// be in force. Who wants more changes the configuration.
const LONGEST: Duration = Budgets::ROLLING_MAX;

impl Ledger {
    /// Decides on another limit until `until`, for one subject or for all. It replaces the
    /// override of the same subject; a subject's own goes before that for all. Changes nothing.
    ///
    /// # Errors
    /// `UnknownBudget`, `WrongUnit`, `NoSuchSubject`, `LimitOutOfRange`, `UntilOutOfRange`.
    #[expect(clippy::too_many_arguments, reason = "they are the entry's fields, each of a type of its own")]
    pub fn limit_override(
        &self,
        budget: Name,
        subject: Option<String>,
        limit: Amount,
        until: Timestamp,
        by: Name,
        reason: String,
        at: Timestamp,
    ) -> Result<Entry, LedgerError> {
        let at = self.clamp(at);

        let Some(shelf) = self.shelf(&budget) else {
            return Err(LedgerError::UnknownBudget(budget));
        };
        if limit.unit() != shelf.unit() {
            return Err(LedgerError::WrongUnit(budget));
        }
        if !subject.as_ref().is_none_or(|subject| shelf.has_subject(subject)) {
            return Err(LedgerError::NoSuchSubject(budget));
        }
        if !(0..=Budgets::LIMIT_MAX).contains(&limit.value()) {
            return Err(LedgerError::LimitOutOfRange(budget));
        }
        if until <= at || until > at.saturating_add(LONGEST) {
            return Err(LedgerError::UntilOutOfRange(budget));
        }

        // Nothing can fail below.
        Ok(Entry { at, kind: EntryKind::Override { budget, subject, limit, until, by, reason } })
    }

    /// A replay passes over the overrides of budgets that are no more, or count another unit.
    pub(crate) fn apply_override(
        &mut self,
        budget: &Name,
        subject: Option<&String>,
        limit: Amount,
        until: Timestamp,
        at: Timestamp,
    ) -> Applied {
        self.advance(at);
        match self.shelves.iter_mut().find(|shelf| shelf.budget().name == *budget && shelf.unit() == limit.unit()) {
            Some(shelf) => shelf.set_override(subject.map(String::as_str), i128::from(limit.value()), until),
            None => self.skipped.overrides += 1,
        }
        Applied::Other
    }
}
