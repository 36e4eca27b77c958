//! One attempt at the provider, from the beginning of inference to its end, however it ends. What
//! is produced is billed when it is produced, whoever listens.

use super::tariff::Used;
use super::{Ending, Inner};
use haltline_types::AttemptId;
use std::sync::Arc;

/// An attempt under way. Dropping it is what a closed connection is to a provider.
pub(crate) struct Production {
    inner: Arc<Inner>,
    attempt: AttemptId,
    model: String,
    used: Used,
    /// The most output that its rules allow it to bill.
    output_max: u64,
    /// What it bills when nobody fetches the answer: all of that, or what it has produced.
    greedy: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Working,
    Over,
}

impl Production {
    /// Takes an attempt in. Nothing is billed before inference.
    pub(crate) fn arrived(inner: &Arc<Inner>, attempt: AttemptId, model: &str, output_max: u64, greedy: bool) -> Self {
        let (inner, model) = (Arc::clone(inner), model.to_owned());
        Self { inner, attempt, model, used: Used::default(), output_max, greedy, stage: Stage::Waiting }
    }

    /// Begins inference: the input is billed.
    pub(crate) fn begin(&mut self, input: Used) {
        self.stage = Stage::Working;
        self.used = input;
        self.bill();
    }

    /// Produces so much more output.
    pub(crate) fn produce(&mut self, tokens: u64) {
        self.used.output += tokens;
        self.bill();
    }

    /// What was used so far.
    pub(crate) const fn used(&self) -> Used {
        self.used
    }

    /// Ends it in the provider's own way.
    pub(crate) fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.stage, Stage::Over) != Stage::Over {
            self.inner.ended(self.attempt, ending);
        }
    }

    /// Ends it with nobody there to fetch the answer.
    pub(crate) fn abandon(&mut self) {
        if self.stage == Stage::Working && self.greedy && self.used.output < self.output_max {
            self.used.output = self.output_max;
            self.bill();
        }
        self.end(Ending::Abandoned);
    }

    fn bill(&self) {
        self.inner.bill(self.attempt, &self.model, self.used);
    }
}

impl Drop for Production {
    fn drop(&mut self) {
        self.abandon();
    }
}
