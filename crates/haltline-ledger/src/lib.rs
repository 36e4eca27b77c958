//! The promise: the pure spend ledger. No clock, no network, no randomness.
//!
//! A **decision** (`Ledger::hold`, `settle`, …) looks and changes nothing; it returns the journal
//! **entry** that would do it, or why it must not be done. `Ledger::apply` is the one way to change
//! a ledger, for a new entry as for the replay of an old one, so that balances are a pure function
//! of the budgets and the journal. A store calls them in this order, with nothing between:
//! decide, make [`Ledger::marks_needed`] and the entry durable, apply.
//!
//! What a store must do, since the ledger cannot:
//! - one writer: from a decision to its `apply` nothing else is applied;
//! - durable means: marks and entry in the journal, in this order, before the answer; synced too
//!   when there is a mark. Overrides and corrections are synced;
//! - after a stop in the same boot: replay. In another boot: replay with the budgets that were in
//!   force at the stop, append [`Ledger::recoveries`] before anything else, expire all open holds;
//! - new budgets: sync the journal, replay it into a new ledger, and keep the budgets beside it;
//! - now and then: [`Ledger::marks_to_trim`], synced in the background; [`Ledger::forget_closed`];
//!   cut the journal at [`Ledger::horizon`];
//! - a panic or a failed [`Ledger::check`] shuts spending.
//!
//! What is absent: clocks (`at` is an argument and never runs backwards inside), I/O, floats,
//! balances that are kept apart from the entries they are sums of, and any way to a [`Held`] that
//! does not count it in every account first.

mod account;
mod adjust;
mod balance;
mod budget;
mod check;
mod entry;
mod error;
mod expire;
mod hold;
mod ledger;
mod limit_override;
mod mark;
mod quantity;
mod recover;
mod refusal;
mod release;
mod rolling;
pub mod scenario;
mod settle;
mod shelf;
mod standing;
mod true_up;
mod window;

pub use balance::Balance;
pub use budget::{Applies, Budget, BudgetError, Budgets, OnFull};
pub use entry::{AccountId, Entry, EntryKind};
pub use error::LedgerError;
pub use hold::{Held, Hold, OpenHold};
pub use ledger::{Applied, Ledger, Skipped};
pub use refusal::{Headroom, Refusal, RefusalReason};
pub use settle::Settled;
pub use window::{CalendarSpan, Span, Window, Zone};
