//! Scenarios: what must happen, one step a row, so that the pure ledger and every store can be
//! held to the same files (`scenarios/*.table`). This plays a file on a [`Bench`]; how a row is
//! read is in `scenario/row.rs`, the pure ledger as a bench in `scenario/plain.rs`.
//!
//! ```text
//! scenario a hold is taken from every account or from none
//! budget day limit=$1 window=day
//! at 2026-11-24T10:00:00Z
//! hold a usd=0.60 -> ok
//! hold b usd=0.50 -> refused held budget=day held=$0.60 fits=$0.40
//! settle a usd=0.20 -> ok
//! balance day spent=$0.20 held=$0
//! ```
//!
//! What a row does not mention is not compared. `#` begins a comment. Rows:
//! `budget NAME [scope=a,b] limit= window= [zone=] [on_full=warn] [applies=granted|alice:$2,bob:$3]` · `rebudget` (the budget rows
//! that follow replace all) · `at TIME`, `at +5m`, `at -5m` · `hold ID [SUBJECTS] [DEMAND]` ·
//! `true-up ID DEMAND` · `settle ID DEMAND` · `release ID` · `expire ID` ·
//! `adjust BUDGET SUBJECT delta= [window=]` · `override BUDGET [subject=] limit= until=+1h` ·
//! `balance BUDGET [SUBJECT] spent= held= limit= resets=` · `headroom [SUBJECTS] usd= tokens=` ·
//! `restart` · `sync` · `lose-power` · `forget` · `check`.

mod plain;
mod play;
mod row;

pub use plain::Plain;
pub use play::{Failure, play};

use crate::{AccountId, Balance, Budgets, Headroom, Hold, LedgerError, Refusal, Settled};
use haltline_types::{Amount, AttemptId, Demand, Name, Subjects, Timestamp};

/// Something that keeps the promise and can be held to the scenarios.
pub trait Bench {
    /// Takes these budgets from here on; what was counted before counts for them.
    fn rebudget(&mut self, budgets: Budgets, at: Timestamp);
    /// Takes a hold.
    ///
    /// # Errors
    /// Why it is refused.
    fn hold(&mut self, hold: &Hold) -> Result<(), Refusal>;
    /// Lowers a hold.
    ///
    /// # Errors
    /// Why it is not allowed.
    fn true_up(&mut self, id: AttemptId, at: Timestamp, ceiling: Demand) -> Result<(), LedgerError>;
    /// Replaces a hold by a cost.
    ///
    /// # Errors
    /// Why it is not allowed.
    fn settle(&mut self, id: AttemptId, at: Timestamp, cost: Demand) -> Result<Settled, LedgerError>;
    /// Gives a hold back.
    ///
    /// # Errors
    /// Why it is not allowed.
    fn release(&mut self, id: AttemptId, at: Timestamp) -> Result<(), LedgerError>;
    /// Charges a hold's ceiling.
    ///
    /// # Errors
    /// Why it is not allowed.
    fn expire(&mut self, id: AttemptId, at: Timestamp) -> Result<Settled, LedgerError>;
    /// Corrects what is spent.
    ///
    /// # Errors
    /// Why it is not allowed.
    fn adjust(&mut self, account: AccountId, delta: Amount, at: Timestamp) -> Result<(), LedgerError>;
    /// Sets a limit for a time.
    ///
    /// # Errors
    /// Why it is not allowed.
    fn limit_override(&mut self, wanted: Limit, at: Timestamp) -> Result<(), LedgerError>;
    /// What would fit.
    fn headroom(&mut self, subjects: &Subjects, at: Timestamp) -> Headroom;
    /// Every account of an open window.
    fn balances(&mut self, at: Timestamp) -> Vec<Balance>;
    /// Drops what is over.
    fn forget_closed(&mut self, at: Timestamp);
    /// Stops without warning and starts again in the same boot: nothing may be lost.
    fn restart(&mut self, at: Timestamp);
    /// All that was written survives a power loss from here on.
    fn sync(&mut self);
    /// Loses all that needs not survive a power loss, and starts again in another boot.
    fn lose_power(&mut self, at: Timestamp);
    /// Compares balances with their journal, and asks every invariant.
    ///
    /// # Errors
    /// What does not add up.
    fn check(&mut self) -> Result<(), String>;
}

/// A limit for a time.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Of which budget.
    pub budget: Name,
    /// For one subject, or for all.
    pub subject: Option<String>,
    /// The limit.
    pub limit: Amount,
    /// Until when.
    pub until: Timestamp,
}
