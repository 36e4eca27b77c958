//! The journal's entries: what happened, never what follows from it. They carry subjects and
//! demand, not account lines, so that budgets which did not exist at the time can be opened by
//! replay. The store encodes them; there is no serialisation here.

use haltline_types::{Amount, AttemptId, Demand, Name, Subjects, Timestamp};
use std::fmt;
use std::sync::Arc;

/// Something that happened. Entries are never changed, and applied in the order of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, on the ledger's time, which never runs backwards.
    pub at: Timestamp,
    /// What.
    pub kind: EntryKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// The ceiling was taken from every account that the attempt touches.
    Hold {
        /// The attempt.
        id: AttemptId,
        /// Whom and what it is for; decides which accounts it touches.
        subjects: Arc<Subjects>,
        /// The most that it can be billed.
        ceiling: Demand,
        /// When its outcome counts as lost. Kept for whoever expires holds; the ledger does not act on it.
        expires: Timestamp,
    },
    /// A hold was lowered.
    TrueUp {
        /// The attempt.
        id: AttemptId,
        /// What is held for it from here on.
        ceiling: Demand,
    },
    /// A hold was replaced by what the attempt cost.
    Settle {
        /// The attempt.
        id: AttemptId,
        /// All of it, also above the ceiling.
        cost: Demand,
    },
    /// A hold was given back: nothing can have been billed.
    Release {
        /// The attempt.
        id: AttemptId,
    },
    /// The outcome was lost: the ceiling was charged.
    Expire {
        /// The attempt.
        id: AttemptId,
    },
    /// An operator, or reconciliation with a provider, corrected what was spent.
    Adjust {
        /// Which account.
        account: AccountId,
        /// Added to what is spent; negative to give back.
        delta: Amount,
        /// Who.
        by: Name,
        /// Why.
        reason: String,
    },
    /// An operator changed a limit for a time.
    Override {
        /// Which budget.
        budget: Name,
        /// For one subject, or for all.
        subject: Option<String>,
        /// The limit in force.
        limit: Amount,
        /// When the configured limit is back.
        until: Timestamp,
        /// Who.
        by: Name,
        /// Why.
        reason: String,
    },
    /// After a power loss: charged for what may have been lost of the journal.
    Recover {
        /// Which account.
        account: AccountId,
        /// How much; zero says that the budget was there and lost nothing.
        amount: Amount,
    },
    /// The account's high-water mark: until the next mark its spent + held stays at or below.
    Mark {
        /// Which account.
        account: AccountId,
        /// The mark.
        mark: Amount,
    },
}

/// One budget for one subject in one window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId {
    /// The budget's name.
    pub budget: Name,
    /// The subject, as `Subjects::write_subject` writes it.
    pub subject: String,
    /// When its window began; the epoch for a rolling window.
    pub window: Timestamp,
}

/// `user-day[alice] from 2026-11-24T00:00:00Z`.
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.budget, self.subject)?;
        if self.window == Timestamp::default() { Ok(()) } else { write!(f, " from {}", self.window) }
    }
}
