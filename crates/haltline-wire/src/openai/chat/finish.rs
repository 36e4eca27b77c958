//! The words of Chat Completions for why a choice ended.

use crate::Finish;

/// From `finish_reason`. Beside OpenAI's words those of Mistral (`model_length`), Together (`eos`),
/// Z.ai (`sensitive`, `network_error`) and DeepSeek (`insufficient_system_resource`).
#[must_use]
pub fn finish_from_word(word: &str) -> Finish {
    match word {
        "stop" | "eos" => Finish::Stop,
        "length" | "model_length" => Finish::Length,
        "tool_calls" => Finish::ToolCalls,
        "content_filter" | "sensitive" => Finish::ContentFilter,
        "function_call" => Finish::FunctionCall,
        "error" | "network_error" | "insufficient_system_resource" => Finish::Error,
        _ => Finish::Other,
    }
}

/// The `finish_reason` that says it; clients of this dialect know no other words.
#[must_use]
pub const fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::Pause | Finish::Other | Finish::Error => "stop",
        Finish::Length => "length",
        // Calls are written as `tool_calls`, in whatever form they came.
        Finish::ToolCalls | Finish::FunctionCall => "tool_calls",
        Finish::ContentFilter | Finish::Refusal => "content_filter",
    }
}
