//! Marks: how spent + held stays bounded through power loss without an fsync for every request
//! (promise, rule 9).
//!
//! Each account has a high-water mark in the journal. An entry that lifts spent + held above it
//! is acknowledged only after a higher mark is durable, with a lease on top so that this is rare.
//! A power loss takes a tail of the journal after its last durable mark, so whatever it took, the
//! account stood at or below its mark.

use crate::account::Account;
use crate::quantity::{amount, part, well_formed};
use crate::shelf::Shelf;
use crate::{AccountId, Applied, Entry, EntryKind, Ledger};
use haltline_types::{Amount, Demand, Timestamp};
use std::time::Duration;

/// Marks are written again before the horizon reaches them.
const RENEWED_AFTER: Duration = Duration::from_secs(7 * 86_400);

impl Ledger {
    /// The marks that must be durable before `entry` is acknowledged; they come before it in the
    /// journal and are applied before it. None for most entries.
    #[must_use]
    pub fn marks_needed(&self, entry: &Entry) -> Vec<Entry> {
        let at = self.clamp(entry.at);
        match &entry.kind {
            EntryKind::Hold { subjects, ceiling, .. } if well_formed(ceiling) => {
                let marks = self.standings(subjects, at, ceiling).into_iter().filter_map(|standing| {
                    let after = standing.spent + standing.held + standing.asked;
                    (standing.asked > 0 && after > standing.mark).then(|| {
                        let subject = subjects.subject(&standing.shelf.budget().scope);
                        let lease = standing.shelf.lease(&subject, after, at);
                        standing.shelf.marked(subject, standing.span.start, after + lease, at)
                    })
                });
                marks.collect()
            }
            EntryKind::Settle { id, cost } if well_formed(cost) => {
                let Some(taken) = self.holds.get(id) else { return Vec::new() };
                let marks = self.shelves.iter().zip(&taken.windows).filter_map(|(shelf, window)| {
                    let subject = taken.hold.subjects.subject(&shelf.budget().scope);
                    let more = overrun(cost, &taken.hold.ceiling, shelf);
                    shelf.mark_if_above(subject, *window, more, at)
                });
                marks.collect()
            }
            EntryKind::Adjust { account, delta, .. } => {
                let shelf = self.shelf(&account.budget);
                let more = i128::from(delta.value());
                shelf
                    .and_then(|shelf| shelf.mark_if_above(account.subject.clone(), account.window, more, at))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The marks to write in the background, so that a power loss costs little headroom: lower ones
    /// for accounts that have fallen more than a lease below theirs, and again those that the
    /// horizon would reach.
    ///
    /// Windows count that the last entry does not lie beyond, also those that are over at `at`: a
    /// clock that goes back before the next entry opens them again for a recovery.
    #[must_use]
    pub fn marks_to_trim(&self, at: Timestamp) -> Vec<Entry> {
        let at = self.clamp(at);
        let mut marks = Vec::new();
        for shelf in &self.shelves {
            let latest = shelf.span_at(self.now()).start;
            for (subject, window, account) in shelf.accounts_in_order() {
                if window < latest && account.open() == 0 {
                    continue;
                }
                let used = shelf.spent(Some(account), window, at) + account.held();
                let enough = used + shelf.lease(subject, used, at);
                let is_old = account.marked_at().saturating_add(RENEWED_AFTER) <= at;
                if account.mark() > enough {
                    marks.push(shelf.marked(subject.to_owned(), window, enough, at));
                } else if is_old && account.mark() > 0 && used > 0 {
                    marks.push(shelf.marked(subject.to_owned(), window, account.mark(), at));
                }
            }
        }
        marks
    }

    /// A replay passes over the marks of accounts that today's budgets have no place for.
    pub(crate) fn apply_mark(&mut self, account: &AccountId, mark: Amount, at: Timestamp) -> Applied {
        self.advance(at);
        let at = self.now();
        match self.shelf_for(account, mark.unit()) {
            Some(shelf) => shelf.open(&account.subject, account.window).set_mark(i128::from(mark.value()), at),
            None => self.skipped.marks += 1,
        }
        Applied::Other
    }
}

fn overrun(cost: &Demand, ceiling: &Demand, shelf: &Shelf) -> i128 {
    part(cost, shelf.unit()) - part(ceiling, shelf.unit())
}

impl Shelf {
    fn mark_if_above(&self, subject: String, window: Timestamp, more: i128, at: Timestamp) -> Option<Entry> {
        let account = self.account(&subject, window);
        let after = self.spent(account, window, at) + account.map_or(0, Account::held) + more;
        let is_above = more > 0 && after > account.map_or(0, Account::mark);
        let lease = self.lease(&subject, after, at);
        is_above.then(|| self.marked(subject, window, after + lease, at))
    }

    fn marked(&self, subject: String, window: Timestamp, mark: i128, at: Timestamp) -> Entry {
        let account = AccountId { budget: self.budget().name.clone(), subject, window };
        Entry { at, kind: EntryKind::Mark { account, mark: amount(self.unit(), mark) } }
    }
}
