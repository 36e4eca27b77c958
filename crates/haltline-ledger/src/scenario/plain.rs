//! The pure ledger with a journal in memory, as a bench: the smallest store that is right.

use super::{Bench, Limit};
use crate::{
    AccountId, Applied, Balance, Budgets, Entry, EntryKind, Headroom, Hold, Ledger, LedgerError, Refusal, Settled,
};
use haltline_types::{Amount, AttemptId, Demand, Name, Subjects, Timestamp};

/// A ledger, its journal, and how much of the journal survives a power loss.
#[derive(Debug)]
pub struct Plain {
    ledger: Ledger,
    journal: Vec<Entry>,
    synced: usize,
}

impl Default for Plain {
    fn default() -> Self {
        Self { ledger: Ledger::new(Budgets::none()), journal: Vec::new(), synced: 0 }
    }
}

impl Plain {
    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The journal, oldest first.
    #[must_use]
    pub fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// How many entries of the journal survive a power loss.
    #[must_use]
    pub fn synced(&self) -> usize {
        self.synced
    }

    /// Loses all but the first `kept` entries, and starts again in another boot.
    ///
    /// # Panics
    /// When `kept` is less than what survives a power loss, or the journal cannot be replayed.
    pub fn lose_power_after(&mut self, kept: usize, at: Timestamp) {
        assert!(kept >= self.synced, "what is synced survives");
        self.journal.truncate(kept);
        self.replay(self.ledger.budgets().clone());
        for entry in self.ledger.recoveries(at) {
            self.append(entry);
        }
        self.synced = self.journal.len();
    }

    /// Lowers the marks of accounts that have fallen below theirs.
    pub fn trim(&mut self, at: Timestamp) {
        for mark in self.ledger.marks_to_trim(at) {
            self.append(mark);
        }
        self.synced = self.journal.len();
    }

    /// A ledger that has seen nothing but the journal.
    ///
    /// # Panics
    /// When the journal cannot be replayed: it is not one then.
    #[must_use]
    pub fn replayed(&self, budgets: Budgets) -> Ledger {
        let mut ledger = Ledger::new(budgets);
        for entry in &self.journal {
            if let Err(error) = ledger.apply(entry) {
                panic!("the journal cannot be replayed: {error} at {entry:?}");
            }
        }
        ledger
    }

    fn replay(&mut self, budgets: Budgets) {
        self.ledger = self.replayed(budgets);
    }

    /// Marks first, and synced if there are any; then the entry; then both are applied.
    fn append(&mut self, entry: Entry) -> Applied {
        let marks = self.ledger.marks_needed(&entry);
        let must_sync = !marks.is_empty();
        let mut applied = Applied::Other;
        for entry in marks.into_iter().chain([entry]) {
            match self.ledger.apply(&entry) {
                Ok(done) => applied = done,
                Err(error) => panic!("decided, yet not applied: {error} at {entry:?}"),
            }
            self.journal.push(entry);
        }
        if must_sync {
            self.synced = self.journal.len();
        }
        applied
    }

    fn settled(&mut self, entry: Entry) -> Settled {
        match self.append(entry) {
            Applied::Settled(settled) => settled,
            other => panic!("a settle or an expiry came out as {other:?}"),
        }
    }
}

impl Bench for Plain {
    fn rebudget(&mut self, budgets: Budgets, _at: Timestamp) {
        // What the new budgets are opened with must not be lost: they have no marks yet.
        self.sync();
        if !self.ledger.relimit(&budgets) {
            self.replay(budgets);
        }
    }

    fn hold(&mut self, hold: &Hold) -> Result<(), Refusal> {
        let entry = self.ledger.hold(hold)?;
        let applied = self.append(entry);
        assert!(matches!(applied, Applied::Held(_)), "a hold was given without proof");
        Ok(())
    }

    fn true_up(&mut self, id: AttemptId, at: Timestamp, ceiling: Demand) -> Result<(), LedgerError> {
        let entry = self.ledger.true_up(id, at, ceiling)?;
        self.append(entry);
        Ok(())
    }

    fn settle(&mut self, id: AttemptId, at: Timestamp, cost: Demand) -> Result<Settled, LedgerError> {
        let entry = self.ledger.settle(id, at, cost)?;
        Ok(self.settled(entry))
    }

    fn release(&mut self, id: AttemptId, at: Timestamp) -> Result<(), LedgerError> {
        let entry = self.ledger.release(id, at)?;
        self.append(entry);
        Ok(())
    }

    fn expire(&mut self, id: AttemptId, at: Timestamp) -> Result<Settled, LedgerError> {
        let entry = self.ledger.expire(id, at)?;
        Ok(self.settled(entry))
    }

    fn adjust(&mut self, account: AccountId, delta: Amount, at: Timestamp) -> Result<(), LedgerError> {
        let entry = self.ledger.adjust(account, delta, Name::new("scenario"), String::from("asked for"), at)?;
        self.append(entry);
        Ok(())
    }

    fn limit_override(&mut self, wanted: Limit, at: Timestamp) -> Result<(), LedgerError> {
        let Limit { budget, subject, limit, until } = wanted;
        let (by, reason) = (Name::new("scenario"), String::from("asked for"));
        let entry = self.ledger.limit_override(budget, subject, limit, until, by, reason, at)?;
        self.append(entry);
        Ok(())
    }

    fn headroom(&mut self, subjects: &Subjects, at: Timestamp) -> Headroom {
        self.ledger.headroom(subjects, at)
    }

    fn balances(&mut self, at: Timestamp) -> Vec<Balance> {
        self.ledger.balances(at)
    }

    fn forget_closed(&mut self, at: Timestamp) {
        self.ledger.forget_closed(at);
    }

    fn restart(&mut self, _at: Timestamp) {
        self.replay(self.ledger.budgets().clone());
    }

    fn sync(&mut self) {
        self.synced = self.journal.len();
    }

    fn lose_power(&mut self, at: Timestamp) {
        self.lose_power_after(self.synced, at);
    }

    fn check(&mut self) -> Result<(), String> {
        self.ledger.check()?;
        let replayed = self.replayed(self.ledger.budgets().clone());
        let at = self.ledger.now();
        if replayed.balances(at) == self.ledger.balances(at) && replayed.holds.len() == self.ledger.holds.len() {
            Ok(())
        } else {
            let recovered = self.journal.iter().filter(|entry| matches!(entry.kind, EntryKind::Recover { .. })).count();
            Err(format!("the balances are not those of the journal ({recovered} recoveries in it)"))
        }
    }
}
