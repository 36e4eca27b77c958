//! Hold: takes an attempt's ceiling from every account that it touches, or from none.

use haltline_types::{AttemptId, Demand, Subjects, Timestamp};
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The attempt.
    pub id: AttemptId,
    /// When it is asked for; decides the windows.
    pub at: Timestamp,
    /// Whom and what it is for; decides the accounts.
    pub subjects: Arc<Subjects>,
    /// The most that it can be billed.
    pub ceiling: Demand,
    /// When its outcome counts as lost. The ledger keeps it and does not act on it.
    pub expires: Timestamp,
}

/// The proof of a hold: it stands in every account, and no refusing account is above its limit for
/// it. Only [`crate::Ledger::apply`] makes one, and it cannot be cloned.
#[derive(Debug)]
pub struct Held {
    id: AttemptId,
    at: Timestamp,
    subjects: Arc<Subjects>,
    ceiling: Demand,
    expires: Timestamp,
}

/// A hold that is neither settled, released nor expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// The attempt.
    pub id: AttemptId,
    /// When it was taken, on the ledger's time.
    pub at: Timestamp,
    /// Whom and what it is for.
    pub subjects: Arc<Subjects>,
    /// What is held for it, after all true-ups.
    pub ceiling: Demand,
    /// When its outcome counts as lost.
    pub expires: Timestamp,
}

impl Held {
    /// The attempt.
    #[must_use]
    pub fn id(&self) -> AttemptId {
        self.id
    }

    /// When it was taken, on the ledger's time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Whom and what it is for.
    #[must_use]
    pub fn subjects(&self) -> &Arc<Subjects> {
        &self.subjects
    }

    /// What is held.
    #[must_use]
    pub fn ceiling(&self) -> Demand {
        self.ceiling
    }

    /// When its outcome counts as lost.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}
