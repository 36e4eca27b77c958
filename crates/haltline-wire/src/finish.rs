//! Why a model stopped, in one vocabulary for all dialects.

/// Why an answer, or one choice of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// It met one of the client's stop sequences, and the dialect says so.
    StopSequence,
    /// The output cap, or the end of the context, was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A function is to be called (OpenAI's old form of `ToolCalls`).
    FunctionCall,
    /// A filter cut the output, or kept the prompt from the model.
    ContentFilter,
    /// The model declined (Anthropic's `refusal`).
    Refusal,
    /// A long turn was paused; the client sends it back to go on (Anthropic's `pause_turn`).
    Pause,
    /// The provider failed (OpenRouter, Mistral).
    Error,
    /// A word that no rule names.
    Other,
}

impl Finish {
    /// The word for records and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::StopSequence => "stop_sequence",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::FunctionCall => "function_call",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Pause => "pause",
            Self::Error => "error",
            Self::Other => "other",
        }
    }
}
