//! What has to be repeated at the head of every segment, so that a segment can become the oldest:
//! the budgets in force, open holds, which end in later segments, and what operators did, which is kept for longer than
//! the journal.

use crate::codec::FactRef;
use haltline_ledger::{Budgets, Entry, EntryKind, Ledger};
use haltline_types::{Name, Timestamp};
use std::time::Duration;

/// What operators did is kept so long.
const AUDIT_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// What operators did, oldest first.
#[derive(Default)]
pub(crate) struct Audit {
    entries: Vec<Entry>,
}

impl Audit {
    /// Takes note of an entry of the journal.
    pub(crate) fn note(&mut self, entry: &Entry) {
        if matches!(entry.kind, EntryKind::Adjust { .. } | EntryKind::Override { .. }) {
            self.entries.push(entry.clone());
        }
    }

    /// What was done to a budget, oldest first.
    pub(crate) fn history(&self, budget: &Name) -> Vec<Entry> {
        let concerns = |entry: &&Entry| match &entry.kind {
            EntryKind::Adjust { account, .. } => account.budget == *budget,
            EntryKind::Override { budget: named, .. } => named == budget,
            _ => false,
        };
        self.entries.iter().filter(concerns).cloned().collect()
    }
}

/// Everything to repeat at `at`, in the order of time.
pub(crate) fn carried(ledger: &Ledger, audit: &mut Audit, at: Timestamp) -> Vec<Entry> {
    let oldest = at.saturating_sub(AUDIT_KEPT);
    audit.entries.retain(|entry| entry.at >= oldest);
    let mut holds: Vec<_> = ledger.open_holds().collect();
    holds.sort_by_key(|open| (open.at, open.id));
    let mut entries: Vec<Entry> = holds
        .into_iter()
        .map(|open| Entry {
            at: open.at,
            kind: EntryKind::Hold {
                id: open.id,
                subjects: open.subjects,
                ceiling: open.ceiling,
                expires: open.expires,
            },
        })
        .collect();
    entries.extend(audit.entries.iter().cloned());
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// The facts that a segment begins with.
pub(crate) fn facts<'f>(budgets: &'f Budgets, carried: &'f [Entry]) -> impl Iterator<Item = FactRef<'f>> {
    std::iter::once(FactRef::Budgets(budgets)).chain(carried.iter().map(FactRef::Carried))
}
