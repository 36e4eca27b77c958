//! The balance of an account, for whoever looks from outside.

use crate::{AccountId, OnFull};
use haltline_types::{Amount, Scope, Timestamp};
use std::time::Duration;

/// How an account stands at an instant. Amounts beyond what an `Amount` holds are shown as the most it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which account.
    pub account: AccountId,
    /// The budget's scope.
    pub scope: Scope,
    /// What is spent.
    pub spent: Amount,
    /// What is held.
    pub held: Amount,
    /// The limit in force.
    pub limit: Amount,
    /// When its window ends; `None` for a rolling window.
    pub resets_at: Option<Timestamp>,
    /// The nominal length of its window.
    pub window: Duration,
    /// What it does when full.
    pub on_full: OnFull,
}
