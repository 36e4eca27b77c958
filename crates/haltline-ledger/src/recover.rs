//! Recovery: after a power loss, every account resumes at its mark (promise, rule 9).
//!
//! A power loss takes a tail of the journal. Whatever was in it, no account stood above its mark,
//! so lifting each account to its mark charges at least what was lost.
//!
//! Holds that were open when the journal breaks off may have ended in the lost part, and others may
//! have taken their place below the mark. So they keep what they hold until they expire: after a
//! recovery nothing else can become of them.
//!
//! Budgets that are configured only later have no marks of that time, but those of others bound
//! what they lost. Every attempt touches one account of every budget. So what the lost part took of a
//! unit is no more than one budget of that unit recovered over all its accounts, plus what the holds
//! open at the break could have given back; that is true of each such budget, hence of the least
//! of their sums. An account of a later budget is charged that much if the power loss lies in its
//! window. Where no budget counted the unit, nothing is known and nothing charged.
//!
//! One recovery is a run of `Recover` entries with no other entry between: if power is lost again
//! while it is written, the next start goes on with it.

use crate::quantity::{amount, part};
use crate::{AccountId, Applied, Entry, EntryKind, Ledger};
use haltline_types::{Amount, Name, Subjects, Timestamp, Unit};
use std::collections::BTreeMap;

/// The recovery that is being applied.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    /// When it began.
    at: Timestamp,
    /// The time of the entry before it.
    breaks_off: Timestamp,
    /// The sum of the holds that were open then.
    held: BTreeMap<Unit, i128>,
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
    /// Accounts are lifted whose windows were open when the journal breaks off, or later, or which
    /// an open hold touches. A budget with nothing to recover says so with a zero, which tells later
    /// budgets that it was there.
    #[must_use]
    pub fn recoveries(&self, at: Timestamp) -> Vec<Entry> {
        let breaks_off = self.run.as_ref().map_or(self.now(), |run| run.breaks_off);
        let at = self.clamp(at);
        let mut entries = Vec::new();
        for shelf in &self.shelves {
            let recover = |subject: &str, window: Timestamp, missing: i128| {
                let account = AccountId { budget: shelf.budget().name.clone(), subject: subject.to_owned(), window };
                Entry { at, kind: EntryKind::Recover { account, amount: amount(shelf.unit(), missing) } }
            };
            let open_then = shelf.span_at(breaks_off).start;
            let before = entries.len();
            for (subject, window, account) in
                shelf.accounts_in_order().filter(|(_, window, account)| *window >= open_then || account.open() > 0)
            {
                let spent = account.spent_at(at) + shelf.lost_before(self.recoveries, window, at);
                let missing = account.mark() - spent - account.held();
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
        let breaks_off = self.now();
        self.advance(at);
        let at = self.now();
        let sum = i128::from(amount.value().max(0));
        let todays = self.shelf_for(account, amount.unit());
        let is_todays = todays.is_some();
        if let Some(shelf) = todays {
            shelf.open(&account.subject, account.window).charge(sum, at);
        }

        if self.run.is_none() {
            self.run = Some(self.begin_recovery(breaks_off));
        }
        let Some(run) = self.run.as_mut() else { return Applied::Other };
        let recovered = run.recovered.entry(account.budget.clone()).or_insert(Recovered {
            unit: amount.unit(),
            sum: 0,
            is_todays: true,
        });
        recovered.sum += sum;
        recovered.is_todays &= is_todays;
        for shelf in &mut self.shelves {
            let was_there = run.recovered.get(&shelf.budget().name).is_some_and(|recovered| recovered.is_todays);
            let lost = if was_there { 0 } else { run.most_lost(shelf.unit()) };
            shelf.set_loss(run.number, lost, run.at);
        }
        Applied::Other
    }

    /// From here on the holds that are open can only expire.
    fn begin_recovery(&mut self, breaks_off: Timestamp) -> Run {
        let mut held = BTreeMap::new();
        for taken in self.holds.values_mut() {
            taken.is_lost = true;
            for unit in Unit::ALL {
                *held.entry(unit).or_insert(0) += part(&taken.hold.ceiling, unit);
            }
        }
        Run { number: self.recoveries, at: self.now(), breaks_off, held, recovered: BTreeMap::new() }
    }

    /// Any other entry ends the recovery that was being applied.
    pub(crate) fn end_recovery(&mut self) {
        if self.run.take().is_some() {
            self.recoveries += 1;
        }
    }
}

impl Run {
    /// The most of a unit that the lost part of the journal took, in any one account.
    fn most_lost(&self, unit: Unit) -> i128 {
        let of_unit = self.recovered.values().filter(|recovered| recovered.unit == unit);
        let least = of_unit.map(|recovered| recovered.sum).min();
        least.map_or(0, |least| least + self.held.get(&unit).copied().unwrap_or(0))
    }
}
