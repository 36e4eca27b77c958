//! Refusals: why a hold was not given, as data.

use haltline_types::{Amount, Name, NanoUsd, Scope, Timestamp, Tokens};
use std::fmt;
use std::time::Duration;

/// Why a hold was not given: one budget's answer, and what would fit instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason. For `DuplicateId` and `Malformed`, which are no budget's answer, `budget` and
    /// `subject` are empty and all amounts zero.
    pub reason: RefusalReason,
    /// The budget that refuses.
    pub budget: Name,
    /// Its scope.
    pub scope: Scope,
    /// The subject whose account is full.
    pub subject: String,
    /// What the attempt asked of it.
    pub asked: Amount,
    /// What is spent in it.
    pub spent: Amount,
    /// What is held in it.
    pub held: Amount,
    /// The limit in force.
    pub limit: Amount,
    /// When its window ends; `None` for a rolling window.
    pub resets_at: Option<Timestamp>,
    /// The nominal length of its window.
    pub window: Duration,
    /// What would fit now, over all refusing budgets.
    pub fits: Headroom,
}

/// Why, in the order in which reasons are looked for: the first that any budget gives is the
/// answer, and within a reason the first budget in configuration order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// A hold with this id is open.
    DuplicateId,
    /// The ceiling is not a quantity that can be counted: negative, or too large.
    Malformed,
    /// The budget for repeated attempts is used up, whatever the cause.
    RetriesExhausted,
    /// It asks for more than the whole limit.
    TooLarge,
    /// It would not fit even if all holds came back.
    Spent,
    /// It would fit if holds came back.
    Held,
}

/// What would fit: for each unit the least room over the refusing budgets that the attempt
/// touches; `None` where no such budget counts the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Headroom {
    /// Money.
    pub usd: Option<NanoUsd>,
    /// Tokens.
    pub tokens: Option<Tokens>,
    /// Attempts.
    pub requests: Option<u64>,
    /// Repeated attempts.
    pub retries: Option<u64>,
}

impl RefusalReason {
    /// The word for it, as scenarios, metrics and logs write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DuplicateId => "duplicate-id",
            Self::Malformed => "malformed",
            Self::RetriesExhausted => "retries-exhausted",
            Self::TooLarge => "too-large",
            Self::Spent => "spent",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason.word())?;
        if self.budget.is_empty() {
            return Ok(());
        }
        write!(
            f,
            ": budget \"{}\" asked {} with {} spent and {} held of {}",
            self.budget, self.asked, self.spent, self.held, self.limit
        )
    }
}

impl std::error::Error for Refusal {}
