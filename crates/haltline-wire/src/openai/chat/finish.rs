//! The words of Chat Completions for why a choice ended.

use crate::Finish;

/// From `finish_reason`.
#[must_use]
pub fn finish_from_word(word: &str) -> Finish {
    match word {
        "stop" => Finish::Stop,
        "length" => Finish::Length,
        "tool_calls" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        "function_call" => Finish::FunctionCall,
        "error" => Finish::Error,
        _ => Finish::Other,
    }
}

/// The `finish_reason` that says it; clients of this dialect know no other words.
#[must_use]
pub const fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::Pause | Finish::Other | Finish::Error => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter | Finish::Refusal => "content_filter",
        Finish::FunctionCall => "function_call",
    }
}
