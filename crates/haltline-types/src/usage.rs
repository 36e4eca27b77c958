//! What a provider says that an attempt used.

use crate::{NanoUsd, Tokens};

/// A usage report in one meaning for all providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input, cached and cache writes included.
    pub input: Tokens,
    /// The part of `input` read from the provider's cache.
    pub cached_input: Tokens,
    /// The part of `input` written to the provider's cache.
    pub cache_write: Tokens,
    /// The part of `cache_write` that is kept for an hour, which Anthropic bills dearer.
    pub cache_write_long: Tokens,
    /// All output, reasoning included.
    pub output: Tokens,
    /// The part of `output` that was reasoning.
    pub reasoning: Tokens,
    /// What the provider itself says that it cost (OpenRouter, xAI).
    pub stated_cost: Option<NanoUsd>,
}

impl Usage {
    /// Input plus output: what a token budget counts. `None` when it does not fit.
    #[must_use]
    pub fn total(&self) -> Option<Tokens> {
        self.input.checked_add(self.output)
    }
}
