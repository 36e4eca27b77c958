//! The door to the durable ledger. What a method acknowledged survives `kill -9`; a hold also
//! survives power loss in the sense of promise rule 9.

use crate::{BoxFuture, Permit};
use haltline_ledger::{AccountId, Balance, Budgets, Entry, Headroom, Hold, LedgerError, Refusal, Settled};
use haltline_types::{Amount, AttemptId, Demand, Name, Subjects, Timestamp};
use std::fmt;
use tokio::sync::watch;

/// Why no permit was given.
#[derive(Debug)]
pub enum HoldError {
    /// A budget says no.
    Refused(Box<Refusal>),
    /// The store cannot promise anything: no spending (promise, rule 11).
    Unavailable(BookError),
}

/// Why the book could not do what it was asked.
#[derive(Clone, Debug)]
pub enum BookError {
    /// The store has stopped: full disk, corrupt file, broken invariant. The text says what to do.
    Stopped(String),
    /// The ledger does not allow it: unknown hold, settled twice, unknown budget.
    NotAllowed(LedgerError),
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(why) => write!(f, "the store has stopped, so nothing can be spent: {why}"),
            Self::NotAllowed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BookError {}

/// Is the store able to promise?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookHealth {
    /// Yes.
    Open,
    /// No, and why; spending is shut until a restart.
    Stopped(String),
}

/// An operator's correction of what an account has spent.
#[derive(Clone, Debug)]
pub struct Correction {
    /// Which account.
    pub account: AccountId,
    /// Added to what is spent; negative to give back.
    pub delta: Amount,
    /// Who asks.
    pub by: Name,
    /// Why; kept in the journal.
    pub reason: String,
}

/// An operator's temporary change of a limit.
#[derive(Clone, Debug)]
pub struct LimitOverride {
    /// Which budget.
    pub budget: Name,
    /// For one subject, or for all of the budget's.
    pub subject: Option<String>,
    /// The limit in force until `until`.
    pub limit: Amount,
    /// When the configured limit is back.
    pub until: Timestamp,
    /// Who asks.
    pub by: Name,
    /// Why; kept in the journal.
    pub reason: String,
}

/// The durable ledger.
pub trait Book: Send + Sync {
    /// Takes the ceiling from every account that the attempt touches, or from none, and makes that
    /// durable before it returns the permit.
    fn hold(&self, hold: Hold) -> BoxFuture<'_, Result<Permit, HoldError>>;

    /// Lowers what is held for an attempt, when the provider has reported its input.
    fn true_up(&self, id: AttemptId, at: Timestamp, ceiling: Demand) -> BoxFuture<'_, Result<(), BookError>>;

    /// Replaces the hold by what the attempt cost.
    fn settle(&self, id: AttemptId, at: Timestamp, cost: Demand) -> BoxFuture<'_, Result<Settled, BookError>>;

    /// Gives the hold back: nothing can have been billed.
    fn release(&self, id: AttemptId, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>>;

    /// The outcome is unknown: charges the ceiling.
    fn expire(&self, id: AttemptId, at: Timestamp) -> BoxFuture<'_, Result<Settled, BookError>>;

    /// An audited correction.
    fn adjust(&self, correction: Correction, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>>;

    /// An audited, temporary limit.
    fn limit_override(&self, wanted: LimitOverride, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>>;

    /// What would fit for these subjects now.
    fn headroom(&self, subjects: &Subjects, at: Timestamp) -> Headroom;

    /// How one budget's account stands for these subjects; `None` for a budget that is not in force.
    fn balance_of(&self, budget: &Name, subjects: &Subjects, at: Timestamp) -> Option<Balance>;

    /// Every account of an open window.
    fn balances(&self, at: Timestamp) -> Vec<Balance>;

    /// Corrections and overrides of a budget, oldest first.
    fn history(&self, budget: &Name) -> BoxFuture<'_, Result<Vec<Entry>, BookError>>;

    /// Takes a new set of budgets; new ones open with the journal's sum. On an error the old set
    /// stays in force.
    fn rebudget(&self, budgets: Budgets, at: Timestamp) -> BoxFuture<'_, Result<(), BookError>>;

    /// Changes whenever held money came back or a limit was raised: whoever waits for headroom
    /// looks again.
    fn freed(&self) -> watch::Receiver<u64>;

    /// Can it promise?
    fn health(&self) -> BookHealth;
}
