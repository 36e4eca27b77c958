//! What a provider says that an attempt used.

use crate::Tokens;

/// A usage report in one meaning for all providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input, cached and cache writes included.
    pub input: Tokens,
    /// The part of `input` read from the provider's cache.
    pub cached_input: Tokens,
    /// The part of `input` written to the provider's cache.
    pub cache_write: Tokens,
    /// All output, reasoning included.
    pub output: Tokens,
    /// The part of `output` that was reasoning.
    pub reasoning: Tokens,
}

impl Usage {
    /// Input plus output: what a token budget counts. `None` when it does not fit.
    #[must_use]
    pub fn total(&self) -> Option<Tokens> {
        self.input.checked_add(self.output)
    }
}
