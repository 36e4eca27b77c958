//! Settle: replaces a hold by what the attempt cost.

use haltline_types::{AttemptId, Demand, Subjects, Timestamp};
use std::sync::Arc;

/// What became of a hold that was settled or expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The attempt.
    pub id: AttemptId,
    /// When, on the ledger's time.
    pub at: Timestamp,
    /// Whom and what it was for.
    pub subjects: Arc<Subjects>,
    /// What was charged, all of it.
    pub cost: Demand,
    /// What was held, after all true-ups.
    pub ceiling: Demand,
    /// It cost more than was held, in some unit: an account may stand above its limit for it
    /// (promise, rule 7). Be loud.
    pub overran: bool,
}
