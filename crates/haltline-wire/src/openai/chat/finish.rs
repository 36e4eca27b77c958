//! Why a choice ended.

/// A finish reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The model was done, or met a stop sequence.
    Stop,
    /// The output cap was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A filter cut the output.
    ContentFilter,
    /// A function is to be called (the old form of `tool_calls`).
    FunctionCall,
    /// The provider failed (OpenRouter, Mistral).
    Error,
    /// A word that is not among the above.
    Other,
}

impl Finish {
    /// From the word on the wire.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "function_call" => Self::FunctionCall,
            "error" => Self::Error,
            _ => Self::Other,
        }
    }

    /// The word on the wire; `other` for words that are not known.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::FunctionCall => "function_call",
            Self::Error => "error",
            Self::Other => "other",
        }
    }
}
