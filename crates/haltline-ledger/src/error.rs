//! Why an entry cannot be made or applied. Nothing changes when it cannot.

use haltline_types::{AttemptId, Name};
use std::fmt;

/// Why an entry cannot be made or applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// No hold with this id is open: it never was, or it is settled, released or expired.
    UnknownHold(AttemptId),
    /// Power was lost while the hold was open: its outcome is unknown, and it can only expire.
    Lost(AttemptId),
    /// A hold with this id is open.
    DuplicateId(AttemptId),
    /// A quantity is negative or too large to be counted.
    Malformed(AttemptId),
    /// A true-up may only lower a hold.
    Raises(AttemptId),
    /// No budget has this name.
    UnknownBudget(Name),
    /// The budget counts another unit.
    WrongUnit(Name),
    /// The budget's scope has no such subject.
    NoSuchSubject(Name),
    /// The budget has no window that began then.
    NoSuchWindow(Name),
    /// More would be given back than was spent.
    BelowZero(Name),
    /// The limit is negative or too large.
    LimitOutOfRange(Name),
    /// An override ends in the past, or later than 31 days from now.
    UntilOutOfRange(Name),
    /// So many subjects have a limit of their own for a time that no more may have one.
    TooManyOverrides(Name),
}

impl LedgerError {
    /// The word for it, as scenarios and logs write it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownHold(_) => "unknown-hold",
            Self::Lost(_) => "lost",
            Self::DuplicateId(_) => "duplicate-id",
            Self::Malformed(_) => "malformed",
            Self::Raises(_) => "raises",
            Self::UnknownBudget(_) => "unknown-budget",
            Self::WrongUnit(_) => "wrong-unit",
            Self::NoSuchSubject(_) => "no-such-subject",
            Self::NoSuchWindow(_) => "no-such-window",
            Self::BelowZero(_) => "below-zero",
            Self::LimitOutOfRange(_) => "limit-out-of-range",
            Self::UntilOutOfRange(_) => "until-out-of-range",
            Self::TooManyOverrides(_) => "too-many-overrides",
        }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHold(id) => write!(f, "no hold is open for attempt {id}"),
            Self::Lost(id) => {
                write!(
                    f,
                    "power was lost while attempt {id} was under way: its outcome is unknown, and it can only expire"
                )
            }
            Self::DuplicateId(id) => write!(f, "a hold is open for attempt {id} already"),
            Self::Malformed(id) => write!(f, "attempt {id}: a quantity is negative or too large to be counted"),
            Self::Raises(id) => write!(f, "attempt {id}: a true-up may only lower what is held"),
            Self::UnknownBudget(name) => write!(f, "there is no budget \"{name}\""),
            Self::WrongUnit(name) => write!(f, "budget \"{name}\" counts another unit"),
            Self::NoSuchSubject(name) => write!(f, "budget \"{name}\" counts by other subjects"),
            Self::NoSuchWindow(name) => write!(f, "budget \"{name}\" has no window that began at that time"),
            Self::BelowZero(name) => write!(f, "budget \"{name}\": more would be given back than was spent"),
            Self::LimitOutOfRange(name) => write!(f, "budget \"{name}\": the limit is negative or too large"),
            Self::UntilOutOfRange(name) => {
                write!(f, "budget \"{name}\": an override must end in the future, at most 31 days from now")
            }
            Self::TooManyOverrides(name) => {
                write!(f, "budget \"{name}\": too many subjects have limits of their own; some must end first")
            }
        }
    }
}

impl std::error::Error for LedgerError {}
