//! The proof of a durable hold. Nothing reaches a provider without one.

use haltline_ledger::Held;
use haltline_types::{AttemptId, Demand};

/// Allows exactly one upstream call: it cannot be cloned, and `Upstream::call` consumes it. It can
/// be made only from a ledger's `Held`, which only an applied hold gives out.
#[derive(Debug)]
pub struct Permit {
    held: Held,
}

impl Permit {
    /// For stores: call it once the hold is durable, and not before (promise, rule 9).
    #[must_use]
    pub fn durable(held: Held) -> Self {
        Self { held }
    }

    /// The attempt that may be sent.
    #[must_use]
    pub fn id(&self) -> AttemptId {
        self.held.id()
    }

    /// What is held for it.
    #[must_use]
    pub fn ceiling(&self) -> Demand {
        self.held.ceiling()
    }
}
