//! Recovery: after a power loss, every account resumes at its mark (promise, rule 9).
//!
//! A power loss takes a tail of the journal. Whatever was in it, no account stood above its mark,
//! so lifting each account to its mark charges at least what was lost.
//!
//! That also bounds what was lost for budgets which are configured only later, and have no marks
//! of that time: every attempt touches one account of every budget, so all lost attempts together
//! took no more of a unit than the sum of what one budget of that unit recovered over all its
//! accounts; this is true for each of those budgets, hence also for the least of their sums. An
//! account of a later budget, whose window the power loss lies in, is charged that much. Where no
//! budget counted the unit, nothing is known and nothing charged.
//!
//! One recovery is a run of `Recover` entries with no other entry between: if power is lost again
//! while it is written, the next start goes on with it.

use crate::quantity::amount;
use crate::{AccountId, Applied, Entry, EntryKind, Ledger};
use haltline_types::{Amount, Name, Subjects, Timestamp, Unit};
use std::collections::BTreeMap;

/// The recovery that is being applied.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    at: Timestamp,
    recovered: BTreeMap<Name, Recovered>,
}

/// What one budget recovered, over all its accounts.
#[derive(Debug)]
struct Recovered {
    unit: Unit,
    sum: i128,
    /// Was each of its accounts one that today's budget of that name could have?
    is_todays: bool,
}

impl Ledger {
    /// What to charge after a stop in another boot. To be called after the replay and before
    /// anything else is applied, with the budgets that were in force at the stop; the entries are
    /// made durable together and applied.
    ///
    /// Accounts are lifted whose windows were open when the journal breaks off, or later. A budget
    /// with nothing to recover says so with a zero, which tells later budgets that it was there.
    #[must_use]
    pub fn recoveries(&self, at: Timestamp) -> Vec<Entry> {
        let breaks_off = self.now();
        let at = self.clamp(at);
        let mut entries = Vec::new();
        for shelf in &self.shelves {
            let recover = |subject: &str, window: Timestamp, missing: i128| {
                let account = AccountId { budget: shelf.budget().name.clone(), subject: subject.to_owned(), window };
                Entry { at, kind: EntryKind::Recover { account, amount: amount(shelf.unit(), missing) } }
            };
            let open_then = shelf.span_at(breaks_off).start;
            let before = entries.len();
            for (subject, window, account) in shelf.accounts_in_order().filter(|(_, window, _)| *window >= open_then) {
                let missing = account.mark() - shelf.spent(Some(account), window, at) - account.held();
                if missing > 0 {
                    entries.push(recover(subject, window, missing));
                }
            }
            if entries.len() == before {
                let nobody = Subjects::default().subject(&shelf.budget().scope);
                entries.push(recover(&nobody, shelf.span_at(at).start, 0));
            }
        }
        entries
    }

    pub(crate) fn apply_recover(&mut self, account: &AccountId, amount: Amount, at: Timestamp) -> Applied {
        self.advance(at);
        let at = self.now();
        let sum = i128::from(amount.value().max(0));
        let todays = self.shelf_for(account, amount.unit());
        let is_todays = todays.is_some();
        if let Some(shelf) = todays {
            shelf.open(&account.subject, account.window).charge(sum, at);
        }

        let number = self.recoveries;
        let run = self.run.get_or_insert_with(|| Run { number, at, recovered: BTreeMap::new() });
        let recovered = run.recovered.entry(account.budget.clone()).or_insert(Recovered {
            unit: amount.unit(),
            sum: 0,
            is_todays: true,
        });
        recovered.sum += sum;
        recovered.is_todays &= is_todays;
        for shelf in &mut self.shelves {
            let was_there = run.recovered.get(&shelf.budget().name).is_some_and(|recovered| recovered.is_todays);
            let lost = if was_there { 0 } else { run.least(shelf.unit()) };
            shelf.set_loss(run.number, lost, run.at);
        }
        Applied::Other
    }

    /// Any other entry ends the recovery that was being applied.
    pub(crate) fn end_recovery(&mut self) {
        if self.run.take().is_some() {
            self.recoveries += 1;
        }
    }
}

impl Run {
    fn least(&self, unit: Unit) -> i128 {
        self.recovered
            .values()
            .filter(|recovered| recovered.unit == unit)
            .map(|recovered| recovered.sum)
            .min()
            .unwrap_or(0)
    }
}
