//! The door to the audit log: what administrators did, in an order that cannot be changed unseen. An act
//! is written before it is done and again when it is over, so that none is done that is not in the log;
//! a secret is never in it.

use crate::BoxFuture;
use haltline_types::{Name, Timestamp};
use std::fmt;

/// The longest text of an act's field, in bytes; more is cut.
pub const ACT_TEXT_MAX: usize = 2_048;

/// One act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who: an administrator's name, `bootstrap` for the token of the process, `local` for a command on the
    /// store itself.
    pub by: Name,
    /// From which address; none for a command on the store itself.
    pub from: Option<String>,
    /// What: `key.create`, `budget.override`.
    pub what: String,
    /// On what: the key's, budget's or user's name.
    pub on: String,
    /// What was asked for or changed, without secrets.
    pub detail: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is about to be done. Without a later entry it is not known whether it was.
    Begun,
    /// It was done.
    Done,
    /// It was not: the detail says why.
    Failed,
    /// It was not allowed.
    Denied,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Begun, Self::Done, Self::Failed, Self::Denied];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Denied => "denied",
        }
    }
}

/// An act in its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAct {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// SHA-256 over the seal before it and all that this entry says, as hexadecimal digits.
    pub seal: String,
    /// The act.
    pub act: Act,
}

/// A question for acts, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ActQuery {
    /// From this instant on.
    pub since: Option<Timestamp>,
    /// By this administrator.
    pub by: Option<Name>,
    /// Of this kind, or of all that begin so: `key.`.
    pub what: Option<String>,
    /// Behind this number.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// What a verification of the log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActsReport {
    /// Entries whose seals are right.
    pub entries: u64,
    /// The seal of the last of them. Whoever notes it elsewhere can tell a log that was cut or written anew.
    pub last_seal: String,
    /// The first thing that is wrong, if any is.
    pub wrong: Option<String>,
}

/// Why the audit log could not be written or read.
#[derive(Clone, Debug)]
pub struct ActsError(pub String);

impl fmt::Display for ActsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ActsError {}

/// The audit log.
pub trait Acts: Send + Sync {
    /// Writes an act down, durably. Returns its number.
    ///
    /// # Errors
    /// When it cannot be written; then the act must not be done.
    fn note_act(&self, act: Act) -> BoxFuture<'_, Result<u64, ActsError>>;

    /// Acts, the oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn acts(&self, query: ActQuery) -> BoxFuture<'_, Result<Vec<SealedAct>, ActsError>>;

    /// Adds up all seals again.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn verify_acts(&self) -> BoxFuture<'_, Result<ActsReport, ActsError>>;
}

impl ActQuery {
    /// Whether an act is one of those asked for, its number aside.
    #[must_use]
    pub fn fits(&self, act: &Act) -> bool {
        self.since.is_none_or(|since| act.at >= since)
            && self.by.as_ref().is_none_or(|by| *by == act.by)
            && self.what.as_ref().is_none_or(|what| {
                act.what == *what
                    || act
                        .what
                        .strip_prefix(what.as_str())
                        .is_some_and(|rest| what.ends_with('.') || rest.starts_with('.'))
            })
    }
}
