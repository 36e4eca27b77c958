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
    /// `UnknownBudget`, `WrongUnit`, `NoSuchSubject`, `LimitOutOfRange`, `UntilOutOfRange`,
    /// `TooManyOverrides`.
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
        if !subject.as_ref().is_none_or(|subject| shelf.has_room_for(subject)) {
            return Err(LedgerError::TooManyOverrides(budget));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Applies, Budget, OnFull, Window, Zone};
    use haltline_types::Scope;

    #[test]
    fn subjects_with_limits_of_their_own_are_bounded() {
        let granted = Budget {
            name: "granted".into(),
            scope: Scope::parse(["browser-token"]).expect("a scope"),
            limit: "$1".parse().expect("an amount"),
            window: Window::parse("day", &Zone::utc()).expect("a window"),
            on_full: OnFull::Refuse,
            applies: Applies::Granted,
        };
        let mut ledger = Ledger::new(Budgets::new(vec![granted]).expect("budgets"));
        let (limit, at) = ("$1".parse().expect("an amount"), Timestamp::from_secs(1_000));
        let until = Timestamp::from_secs(2_000);
        let wanted = |ledger: &Ledger, subject: String, at| {
            ledger.limit_override("granted".into(), Some(subject), limit, until, "web".into(), String::new(), at)
        };
        for number in 0..crate::shelf::OVERRIDES_MAX {
            ledger.apply_override(&"granted".into(), Some(&format!("s{number}")), limit, until, at);
        }
        assert_eq!(wanted(&ledger, "one more".into(), at), Err(LedgerError::TooManyOverrides("granted".into())));
        assert!(wanted(&ledger, "s7".into(), at).is_ok(), "it takes no room");
        ledger.forget_closed(until);
        assert!(
            ledger
                .limit_override(
                    "granted".into(),
                    Some("x".into()),
                    limit,
                    until.saturating_add(Duration::from_secs(1)),
                    "web".into(),
                    String::new(),
                    until
                )
                .is_ok()
        );
    }
}
