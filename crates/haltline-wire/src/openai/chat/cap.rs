//! Which field carries the output cap.

use crate::openai::ProviderKind;

/// The two names of the output cap. Exactly one is ever sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CapField {
    /// `max_tokens`: what imitators obey.
    MaxTokens,
    /// `max_completion_tokens`: visible and reasoning tokens, what OpenAI obeys.
    MaxCompletionTokens,
}

impl CapField {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// The field in which `kind` obeys an output cap for `model`. Exactly one is ever sent.
///
/// OpenAI takes `max_completion_tokens` for every chat model, and its reasoning models refuse
/// `max_tokens`; a few others document the same. An imitator that does not know
/// `max_completion_tokens` would ignore it in silence, and the cap would bind nobody; one that does
/// not know `max_tokens` answers 400, which costs nothing. So `max_completion_tokens` goes only to
/// servers that document it (`Quirks`), and all others get `max_tokens`, whatever the model is
/// called.
#[must_use]
pub const fn cap_field_for(model: &str, kind: ProviderKind) -> CapField {
    let _ = model;
    kind.quirks().cap
}
