//! The ledger: accounts, open holds and the ledger's time. (Bodies follow; the signatures stand.)
#![allow(unused_variables, clippy::unimplemented, clippy::needless_pass_by_value, dead_code, missing_docs)]
use crate::{AccountId, Balance, Budgets, Entry, Headroom, Held, Hold, LedgerError, OpenHold, Refusal, Settled};
use haltline_types::{Amount, AttemptId, Demand, Name, Subjects, Timestamp};

/// What was applied.
#[derive(Debug)]
pub enum Applied {
    /// A hold that fits: the proof of it.
    Held(Held),
    /// A settle or an expiry.
    Settled(Settled),
    /// Anything else. Also a replayed hold that today's limits would have refused: it counts, and proves nothing.
    Other,
}
/// How many entries the replay passed over, because they name budgets that are configured no more, or otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Skipped { pub adjusts: u64, pub overrides: u64, pub marks: u64 }
/// The ledger.
#[derive(Debug)]
pub struct Ledger { budgets: Budgets }
impl Ledger {
    pub fn new(budgets: Budgets) -> Ledger { Self { budgets } }
    pub fn budgets(&self) -> &Budgets { &self.budgets }
    pub fn now(&self) -> Timestamp { unimplemented!() }
    pub fn hold(&self, hold: &Hold) -> Result<Entry, Refusal> { unimplemented!() }
    pub fn true_up(&self, id: AttemptId, at: Timestamp, ceiling: Demand) -> Result<Entry, LedgerError> { unimplemented!() }
    pub fn settle(&self, id: AttemptId, at: Timestamp, cost: Demand) -> Result<Entry, LedgerError> { unimplemented!() }
    pub fn release(&self, id: AttemptId, at: Timestamp) -> Result<Entry, LedgerError> { unimplemented!() }
    pub fn expire(&self, id: AttemptId, at: Timestamp) -> Result<Entry, LedgerError> { unimplemented!() }
    pub fn adjust(&self, account: AccountId, delta: Amount, by: Name, reason: String, at: Timestamp) -> Result<Entry, LedgerError> { unimplemented!() }
    #[allow(clippy::too_many_arguments)]
    pub fn limit_override(&self, budget: Name, subject: Option<String>, limit: Amount, until: Timestamp, by: Name, reason: String, at: Timestamp) -> Result<Entry, LedgerError> { unimplemented!() }
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, LedgerError> { unimplemented!() }
    pub fn headroom(&self, subjects: &Subjects, at: Timestamp) -> Headroom { unimplemented!() }
    pub fn open_hold(&self, id: AttemptId) -> Option<OpenHold> { unimplemented!() }
    pub fn open_holds(&self) -> impl Iterator<Item = OpenHold> { std::iter::empty() }
    pub fn balances(&self, at: Timestamp) -> Vec<Balance> { unimplemented!() }
    /// Durable BEFORE the entry is acknowledged.
    pub fn marks_needed(&self, entry: &Entry) -> Vec<Entry> { unimplemented!() }
    pub fn marks_to_trim(&self, at: Timestamp) -> Vec<Entry> { unimplemented!() }
    /// First thing after the replay of a journal that another boot wrote.
    pub fn recoveries(&self, at: Timestamp) -> Vec<Entry> { unimplemented!() }
    pub fn forget_closed(&mut self, at: Timestamp) { unimplemented!() }
    pub fn horizon(&self, at: Timestamp) -> Timestamp { unimplemented!() }
    /// Every invariant, over everything: for `verify`.
    pub fn check(&self) -> Result<(), String> { unimplemented!() }
    pub fn skipped(&self) -> Skipped { unimplemented!() }
}
